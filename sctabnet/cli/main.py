"""The command ``sctabnet``: one verb, one function."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jsonargparse

from sctabnet._settings import settings
from sctabnet.cli._parser import Parser, tidy
from sctabnet.cli._verbs import Verbs
from sctabnet.model.model import Model
from sctabnet.train.run_folder import RunFolder
from sctabnet.train.run_interrupted import RunInterrupted

VERBS = Verbs(
    {
        "demo": "demo:demo",
        "prepare": "prepare:prepare",
        "validate": "validate:validate",
        "pretrain": "pretrain:pretrain",
        "finetune": "finetune:finetune",
        "export": "export:export",
        "annotate": "annotate:annotate",
        "explain": "explain:explain",
        "perturb": "perturb:perturb",
        "report": "report:report",
        "evaluate": {
            "_help": "Score results against the truth.",
            "labels": "evaluate:evaluate_labels",
            "perturbation": "evaluate_perturbation:evaluate_perturbation",
        },
    }
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code: 0, or 2 with one line about what was wrong.

    A job that was asked to stop and saved its state returns 128 plus the signal's number.

    Parameters
    ----------
    argv
        Arguments without the program's name; those of the process if None.
    """
    settings.verbosity = "info"
    jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser: dict[str, Any] = {
        "as_positional": False,
        "parser_class": Parser,
        "prog": "sctabnet",
        "description": "Gene-token TabNet for single-cell RNA data.",
    }
    with _short_warnings():
        try:
            arguments = tidy(sys.argv[1:] if argv is None else argv, VERBS)
            asked = [token for token in arguments if token in VERBS][:1]
            verbs = {verb: VERBS[verb] for verb in asked or VERBS}
            if asked == ["finetune"]:
                parser["set_defaults"] = _pretrained(arguments, verbs, parser)
            if asked == ["pretrain"]:
                parser["set_defaults"] = _interrupted(arguments)
            jsonargparse.auto_cli(verbs, args=arguments, **parser)
        except (ValueError, KeyError, OSError, ImportError) as error:
            said = " ".join(str(error).split()).replace("overwrite=True", "--overwrite")
            print(f"sctabnet: {said}", file=sys.stderr)
            return 2
        except RunInterrupted as stop:
            print(f"sctabnet: {stop}", file=sys.stderr)
            return stop.exit_code
    return 0


def _pretrained(
    arguments: list[str], verbs: dict[str, Any], parser: dict[str, Any]
) -> dict[str, Any] | None:
    """Return the choices of the model to start from: its sizes are the defaults of the new one."""
    config = jsonargparse.auto_parser(verbs, **parser).parse_args(arguments)
    init = config.get("finetune.init")
    return None if init is None else {"finetune.model": Model.load(init).config.to_dict()}


def _interrupted(arguments: list[str]) -> dict[str, Any] | None:
    """Return the options of the job to go on with: only changes need to be given."""
    tokens = [part for token in arguments for part in token.split("=", 1)]
    if "--resume" not in tokens[:-1]:
        return None
    recipe = RunFolder(tokens[tokens.index("--resume") + 1]).recipe()
    return {f"pretrain.{name}": value for name, value in recipe.items()}


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Show our own warnings, one line each and once; those of libraries are for developers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", category=UserWarning, module="sctabnet")
        shown = set()

        def show(message: Warning | str, *_: Any) -> None:
            line = f"sctabnet: {' '.join(str(message).split())}"
            if line not in shown:
                print(line, file=sys.stderr)
            shown.add(line)

        warnings.showwarning = show  # type: ignore[assignment]
        yield


if __name__ == "__main__":
    raise SystemExit(main())
