"""Concurrent passes of a dubbing: decoding goes on while faces are generated, and that while frames are encoded.

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
"""Seconds after which a thread that waits for room checks whether its items are still wanted."""


class _End:
    """Sentinel in place of an item: there are no more, because of an error or of none."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(items: Iterator[T], most: int) -> Generator[T]:
    """Yield the same items in the same order, produced in a thread of their own, at most `most` ahead of the consumer.

    An error of the producer is raised here, behind the items before it. Closing the generator stops the thread.
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
    except BaseException as error:  # noqa: BLE001 - raised again by the consumer
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
