"""End a process whose launcher died."""

from __future__ import annotations

import os
import threading
import time

_EVERY = 2.0  # seconds


def watch_parent() -> None:
    """End this process, from another thread, soon after its parent is gone.

    Lightning's launcher ends the job when one of the processes it started dies; when it is the
    launcher itself that was killed, the others would wait for it in a collective or at the start
    until a timeout of minutes.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_EVERY)
        os._exit(1)  # the main thread may be inside a collective, where no exception reaches it

    threading.Thread(target=watch, name="sctabnet-watch-parent", daemon=True).start()
