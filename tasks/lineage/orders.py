"""A takedown's name and reason, kept out of whatever keeps the parameters of flows: there nobody is named who has gone
from the tables.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tasks.stores.tombstones import Kind, takedown_id

UNTOLD: Final = "kept with the tombstone"
"""In the place of a reason, which may name people."""

_ORDERS: Final[dict[str, tuple[str, str]]] = {}
"""Of this process alone."""


def sign_of(kind: Kind, value: str) -> str:
    """The stand-in of a name: the id by which tombstones and tags of models know the takedown."""
    return f"takedown {takedown_id(kind, value)}"


@contextmanager
def ordered(kind: Kind, value: str, why: str) -> Iterator[tuple[str, str]]:
    """Words in the place of name and reason, which a flow of this process may be given; `behind` gives these back."""
    sign = sign_of(kind, value)
    _ORDERS[sign] = (value, why)
    try:
        yield sign, UNTOLD
    finally:
        del _ORDERS[sign]


def behind(value: str, why: str) -> tuple[str, str]:
    """Name and reason that were ordered under these words; the words themselves where nothing was."""
    return _ORDERS.get(value, (value, why))
