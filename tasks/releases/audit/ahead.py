"""Work on files in threads, a few ahead of whoever takes the results."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Final, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_THREADS: Final = 8
"""Requests of a remote store that wait at the same time. As many results are held at most."""


def map_ahead(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Yield the result of each item, in order, while the next ones are worked on."""
    waiting: deque[Future[_Result]] = deque()
    left = iter(items)
    with ThreadPoolExecutor(_THREADS, "audit") as pool:
        try:
            waiting.extend(pool.submit(work, item) for item in islice(left, _THREADS))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(work, item) for item in islice(left, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()
