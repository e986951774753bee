"""What a user may want to switch off or choose once for a session."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from difflib import get_close_matches
from numbers import Integral
from pathlib import Path
from typing import Literal, get_args

from sctabnet._errors import InputError

Verbosity = Literal["error", "warning", "info", "debug"]

_logger = logging.getLogger("sctabnet")
_logger.addHandler(logging.NullHandler())


_CHECKS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "verbosity": (f"one of {list(get_args(Verbosity))}", lambda x: x in get_args(Verbosity)),
    "progress_bar": ("True or False", lambda x: isinstance(x, bool)),
    "device": (
        "'auto', 'cpu', 'mps', 'cuda' or 'cuda:0'",
        lambda x: isinstance(x, str) and bool(re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", x)),
    ),
    "minibatch_size": (
        "a number of cells",
        lambda x: isinstance(x, Integral) and not isinstance(x, bool) and int(x) > 0,
    ),
    "cache_dir": ("a folder", lambda x: isinstance(x, str | Path)),
}


class _Settings:
    """Session-wide choices; see :data:`settings`."""

    def __init__(self) -> None:
        self._verbosity: Verbosity = "warning"
        self._handler: logging.Handler | None = None
        #: show progress bars
        self.progress_bar: bool = True
        #: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:<n>"``
        self.device: str = "auto"
        #: cells per minibatch where a model is applied
        self.minibatch_size: int = 1024
        #: where downloads named in data manifests are kept
        self.cache_dir: Path = _cache_dir()

    @property
    def verbosity(self) -> Verbosity:
        """Level of the ``sctabnet`` logger."""
        return self._verbosity

    @verbosity.setter
    def verbosity(self, level: Verbosity) -> None:
        if self._handler is None:  # only on request: importing a library must not print
            self._handler = logging.StreamHandler()
            _logger.addHandler(self._handler)
        self._verbosity = level
        _logger.setLevel(level.upper())

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_"):
            if name not in _CHECKS:
                near = get_close_matches(name, _CHECKS, 1)
                raise InputError(
                    f"There is no setting {name!r}."
                    + (f" Did you mean {near[0]!r}?" if near else f" Choose from {list(_CHECKS)}.")
                )
            wanted, is_right = _CHECKS[name]
            if not is_right(value):
                raise InputError(f"settings.{name} must be {wanted}. Found {value!r}.")
            if name == "cache_dir":
                value = Path(str(value))
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        return (
            f"settings(verbosity={self.verbosity!r}, progress_bar={self.progress_bar}, "
            f"device={self.device!r}, minibatch_size={self.minibatch_size}, "
            f"cache_dir={str(self.cache_dir)!r})"
        )


def _cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sctabnet"


settings = _Settings()
