"""Remember that somebody asked the process to stop, so that it can finish its step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

_SIGNALS = ("SIGTERM", "SIGINT", "SIGUSR1")


class StopSignals:
    """From :meth:`start` to :meth:`end`, SIGTERM, SIGINT and SIGUSR1 are noted, not obeyed.

    A second SIGINT is obeyed at once. Off the main thread, where Python allows no handlers, nothing
    is noted.

    Attributes
    ----------
    received
        Number of the first signal, or 0.
    """

    def __init__(self) -> None:
        self.received = 0
        self._before: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {}

    def start(self) -> None:
        """Begin to note signals."""
        if threading.current_thread() is threading.main_thread():
            numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
            self._before = {number: signal.signal(number, self._note) for number in numbers}

    def end(self) -> None:
        """Put the handlers before :meth:`start` back."""
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        self._before = {}

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = self.received or number
