from __future__ import annotations

import difflib
import inspect
import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise, takewhile
from typing import Any

import jsonargparse

from sctabnet._errors import InputError
from sctabnet.cli.recipe_path import recipe_path

# what jsonargparse says, and the same in the words of somebody who never saw its source
_PLAIN = (
    (r"unrecognized arguments: (-\S+).*", r"Unknown option \1"),
    (r"unrecognized arguments: (.*)", r"Unknown argument \1"),
    (r".*does not accept option '(.+)'", r"Unknown option --\1"),
    (r"argument subcommand: invalid choice: '(.+?)'.*", r"Unknown verb \1"),
    (r'expected "(?:\w+\.)?subcommand".*', "There is no verb"),
    (r"the following arguments are required: (.+)", r"Missing \1"),
    (r'Parser key "(.+?)":\s*Expected a <class \'(.+?)\'>\. Got value: (.*)',
     r"--\1 must be of type \2. Found \3"),
    (r'Parser key "(.+?)":\s*Expected a typing.Literal(.+?)\. Got value: (.*)',
     r"--\1 must be one of \2. Found \3"),
    (r'Parser key "(.+?)":\s*Does not validate.*Given value: (.*)', r"--\1 cannot be \2"),
    (r'Parser key "(.+?)":\s*', r"--\1: "),
)  # fmt: skip


class Parser(jsonargparse.ArgumentParser):
    """A parser of arguments that says what is wrong in one line, with the closest known name."""

    def __init__(self, *args: Any, **options: Any) -> None:
        if "prog" not in options:  # the parser of a verb: its options would fill a page
            options["usage"] = "%(prog)s [DATA ...] [--option VALUE ...]"
        super().__init__(*args, allow_abbrev=False, **options)

    def format_help(self, *args: Any) -> str:
        """Return the help text, without the options that jsonargparse puts before a verb."""
        return super().format_help(*args).replace("sctabnet [options] ", "sctabnet ", 1)

    def error(self, message: str, ex: Exception | None = None) -> Any:
        """Raise instead of printing the usage, which jsonargparse does over many lines."""
        program = re.sub(r" \[(options|DATA \.\.\.|--option VALUE \.\.\.)\]", "", self.prog)
        for pattern, plain in _PLAIN:
            message = re.sub(pattern, plain, message, flags=re.DOTALL)
        if message.startswith("Missing "):
            names = [name.rpartition(".")[2] for name in message.split()[1:]]
            message = f"Missing option --{' --'.join(names)}"
        raise InputError(f"{message.rstrip('. ')}.{self._closest(message)} See {program} --help.")

    def _closest(self, message: str) -> str:
        found = re.search(r"Unknown (option|verb) (\S+)", message)
        if found is None:
            return ""
        verbs = [a.choices for a in self._actions if isinstance(a.choices, dict)]
        known = {name for choices in verbs for name in choices}
        if found[1] == "option":
            parsers = [self, *(parser for choices in verbs for parser in choices.values())]
            known = {n for p in parsers for n in re.findall(r"--[a-z][\w.]+", p.format_help())}
        close = difflib.get_close_matches(found[2], known, n=1)
        return f" Did you mean {close[0]}?" if close else ""


def tidy(argv: Sequence[str], verbs: Mapping[str, Any]) -> list[str]:
    """Return the arguments as jsonargparse wants them: every value behind its option.

    ``finetune a.h5ad b.h5ad --labels-key type --overwrite`` becomes
    ``finetune --data ["a.h5ad", "b.h5ad"] --labels_key type --overwrite true``; a verb without data
    takes its options in order (``export run/ model/``), and a switch may be the first word
    (``validate manifest pbmc``).

    Parameters
    ----------
    argv
        Arguments without the program's name.
    verbs
        Functions of the verbs, or of what a verb can be asked for (``evaluate labels``); their
        signatures tell who reads several files, and what is a switch.
    """
    tokens = _with_recipes([_underscored(token) for token in argv])
    at = next((i for i, token in enumerate(tokens) if token in verbs), None)
    if at is None:
        return tokens
    function = verbs[tokens[at]]
    if isinstance(function, Mapping):
        at += 1
        function = function.get(tokens[at]) if at < len(tokens) else None
        if function is None:
            return tokens
    parameters = inspect.signature(function).parameters
    head, rest = tokens[: at + 1], tokens[at + 1 :]
    switches = {f"--{name}" for name, p in parameters.items() if p.annotation == "bool"}
    if "data" not in parameters:
        given = list(takewhile(lambda token: not token.startswith("-"), rest))[: len(parameters)]
        options = [(f"--{name}", value) for name, value in zip(parameters, given, strict=False)]
        rest = [*(part for option in options for part in option), *rest[len(given) :]]
    if rest and f"--{rest[0]}" in switches:
        head, rest = [*head, f"--{rest[0]}", "true"], rest[1:]
    named = rest[:1] == ["--data"]
    files = list(takewhile(lambda token: not token.startswith("-"), rest[named:]))
    if files and "data" in parameters:
        several = "list" in parameters["data"].annotation
        head += ["--data", *([json.dumps(files)] if several else files)]
        rest = rest[named + len(files) :]
    for token, following in pairwise([*rest, "--"]):
        head += [token, "true"] if token in switches and following.startswith("--") else [token]
    return head


def _with_recipes(tokens: list[str]) -> list[str]:
    """Put the files of recipes in the place of their names."""
    parts: list[str] = []
    for token in tokens:
        joined = token.startswith("--config=")
        parts += ["--config", token.removeprefix("--config=")] if joined else [token]
    return [
        recipe_path(token) if before == "--config" else token
        for before, token in pairwise(["", *parts])
    ]


def _underscored(token: str) -> str:
    if not token.startswith("--"):
        return token
    name, equals, value = token.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value
