from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any


class Verbs(Mapping[str, Any]):
    """The verbs and their functions, each imported when it is asked for.

    What a verb needs, such as Lightning or scanpy, takes seconds to import: the others do without.

    Parameters
    ----------
    functions
        Function of each verb as ``"module:name"``, or a mapping of such where a verb can be asked
        for several things, with its help under ``"_help"``.
    """

    def __init__(self, functions: Mapping[str, str | Mapping[str, str]]) -> None:
        self._functions = functions

    def __getitem__(self, verb: str) -> Any:
        found = self._functions[verb]
        if isinstance(found, str):
            return _load(found)
        return {name: text if name == "_help" else _load(text) for name, text in found.items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)


def _load(function: str) -> Any:
    module, _, name = function.partition(":")
    return getattr(import_module(f"sctabnet.cli.{module}"), name)
