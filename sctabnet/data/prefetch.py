from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


def prefetch(items: Iterator[T]) -> Iterator[T]:
    """Yield ``items``, with the next one made by another thread while the current one is in use.

    One is made ahead, not more: that is enough where making takes less time than using, and each
    costs memory. The order is kept, an error is raised where its item would have come, and the
    thread ends with the iteration, also when it is left early.

    Parameters
    ----------
    items
        What to iterate over; only the other thread touches it.
    """
    ready: SimpleQueue[tuple[bool, T | BaseException | None]] = SimpleQueue()
    permits = threading.Semaphore(0)
    stopped = threading.Event()

    def work() -> None:
        try:
            for item in items:
                ready.put((True, item))
                del item
                permits.acquire()
                if stopped.is_set():
                    return
            ready.put((False, None))
        except BaseException as error:  # handed to the thread that waits for the item
            ready.put((False, error))

    thread = threading.Thread(target=work, name="sctabnet-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            more, item = ready.get()
            if not more:
                if item is not None:
                    raise item  # type: ignore[misc]
                return
            permits.release()
            yield item  # type: ignore[misc]
            del item
    finally:
        stopped.set()
        permits.release()
        thread.join()
