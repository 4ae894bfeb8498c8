"""Wrong rows of a list: all are counted, the first ones named."""

from typing import Final

from heterodub.schemas.errors import SourceError

SHOWN: Final = 10
"""Wrong rows that are named."""


class Faults:
    """Wrong rows: how many, and the first ones."""

    def __init__(self) -> None:
        self._count = 0
        self._first: list[str] = []

    def add(self, *errors: str, count: int = 1) -> None:
        """Add so many wrong rows, of which these say what is wrong."""
        self._count += count
        self._first.extend(errors[: SHOWN - len(self._first)])

    def require_none(self, name: str, rows: int) -> None:
        """Raise SourceError if any of the rows of a list of this name is wrong."""
        if not self._count:
            return
        listed = "".join(f"\n  {error}" for error in self._first)
        more = f"\n  and {self._count - len(self._first)} more" if self._count > len(self._first) else ""
        raise SourceError(f"{name}: {self._count} of {rows} rows are wrong{listed}{more}")
