"""Raised when a run was stopped from outside and can go on."""

from __future__ import annotations

import signal


class RunInterrupted(BaseException):
    """A run was asked to stop, and stopped after its step; like KeyboardInterrupt, no Exception.

    Attributes
    ----------
    exit_code
        What a shell expects: 128 plus the number of the signal.
    """

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal.Signals(signal_number).value
