"""Arguments of tasks that Prefect does not look through."""

from typing import TypeVar, cast

from prefect.utilities.annotations import quote

T = TypeVar("T")


def unvisited(value: T) -> T:
    """Mark an argument that goes to a task as it is.

    Prefect looks for futures in every argument, piece by piece: in a plan of 100,000 files it finds none in 5 CPU-s.
    """
    return cast(T, quote(value))
