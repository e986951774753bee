"""What a user may want to switch off or choose once for a session."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Literal, get_args

from sctabnet._errors import InputError

Verbosity = Literal["error", "warning", "info", "debug"]

_logger = logging.getLogger("sctabnet")
_logger.addHandler(logging.NullHandler())


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
        if level not in get_args(Verbosity):
            raise InputError(
                f"settings.verbosity must be one of {list(get_args(Verbosity))}. Found {level!r}."
            )
        if self._handler is None:  # only on request: importing a library must not print
            self._handler = logging.StreamHandler()
            _logger.addHandler(self._handler)
        self._verbosity = level
        _logger.setLevel(level.upper())

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
