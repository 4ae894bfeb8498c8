"""Passes of a dubbing side by side: decoding goes on while faces are painted, and painting while frames are encoded.

Threads, not processes: what takes the time is outside of the interpreter's lock, and frames need not be copied.
"""

import threading
from collections.abc import Generator, Iterator
from queue import Full, Queue
from typing import Final, TypeVar

T = TypeVar("T")

AHEAD: Final = 4
"""Pictures that one pass may be ahead of the next: enough to even out, few enough to hold in memory at any size."""

_LOOK_UP_S: Final = 0.1
"""How often a thread that waits for room looks whether anybody still wants its items."""


class _End:
    """In place of an item: there are no more, for a reason or for none."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(items: Iterator[T], most: int) -> Generator[T]:
    """The same items in the same order, made in a thread of their own, `most` ahead of whoever takes them.

    What making them raises is raised here, behind the items before it. Whoever stops taking them stops the thread.
    """
    ready: Queue[T | _End] = Queue(most)
    unwanted = threading.Event()
    thread = threading.Thread(target=_fill, args=(ready, items, unwanted), daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        unwanted.set()
        thread.join()


def _fill(ready: "Queue[T | _End]", items: Iterator[T], unwanted: threading.Event) -> None:
    end = _End(None)
    try:
        for item in items:
            if not _put(ready, item, unwanted):
                break
    except BaseException as error:  # noqa: BLE001 - raised again by whoever takes the items
        end = _End(error)
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()
    _put(ready, end, unwanted)


def _put(ready: "Queue[T | _End]", item: "T | _End", unwanted: threading.Event) -> bool:
    while not unwanted.is_set():
        try:
            ready.put(item, timeout=_LOOK_UP_S)
        except Full:
            continue
        return True
    return False
