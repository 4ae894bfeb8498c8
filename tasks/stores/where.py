"""Conditions on rows that the statistics of files and row groups can exclude, so that these are not read at all.

Besides pyarrow's expressions, which load pandas and cannot be asked what they exclude.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from .arrays import flags, texts

Mask = Any
"""Array of bool: True for each row that is meant; null counts as False."""

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_MANY: Final = 2_000
"""Values above which pyarrow, which hashes them anew for each row group, is slower than a set."""

MayHold = Callable[[str, str], bool]
"""Returns False if no value from the first to the second, both included, is meant."""


@dataclass(frozen=True, slots=True)
class RowCondition:
    """A condition: columns that it reads, and a mask of their rows. may_hold: tests of a column's statistics."""

    columns: frozenset[str]
    mask: Callable[[pa.Table], Mask]
    may_hold: Mapping[str, MayHold] = field(default_factory=dict)

    def __and__(self, other: "RowCondition") -> "RowCondition":
        """Rows that both conditions mean."""
        tests = dict(other.may_hold)
        for column, test in self.may_hold.items():
            tests[column] = _both(test, tests[column]) if column in tests else test
        return RowCondition(
            self.columns | other.columns, lambda rows: pc.and_kleene(self.mask(rows), other.mask(rows)), tests
        )

    def __invert__(self) -> "RowCondition":
        """All other rows, those without a value among them."""
        return RowCondition(self.columns, lambda rows: pc.invert(pc.fill_null(self.mask(rows), False)))

    def __or__(self, other: "RowCondition") -> "RowCondition":
        """Rows that one of the conditions means, or both."""
        tests = {
            column: _either(test, other.may_hold[column])
            for column, test in self.may_hold.items()
            if column in other.may_hold
        }
        return RowCondition(
            self.columns | other.columns, lambda rows: pc.or_kleene(self.mask(rows), other.mask(rows)), tests
        )


def _both(first: MayHold, second: MayHold) -> MayHold:
    return lambda low, high: first(low, high) and second(low, high)


def _either(first: MayHold, second: MayHold) -> MayHold:
    return lambda low, high: first(low, high) or second(low, high)


def equal(column: str, value: str) -> RowCondition:
    """Rows with this text."""
    return among(column, [value])


def among(column: str, values: Iterable[str]) -> RowCondition:
    """Rows with one of some texts. A name that is not UTF-8 is among the values of no table."""
    ordered = sorted({value for value in values if not _SURROGATES.search(value)})
    value_set, names = texts(ordered), frozenset(ordered if len(ordered) > _MANY else ())

    def may_hold(low: str, high: str) -> bool:
        place = bisect_left(ordered, low)
        return place < len(ordered) and ordered[place] <= high

    def mask(rows: pa.Table) -> Mask:
        if names:
            return flags(value in names for value in rows[column].to_pylist())
        return pc.is_in(rows[column], value_set=value_set)

    return RowCondition(frozenset({column}), mask, {column: may_hold})


def is_null(column: str) -> RowCondition:
    """Rows without a value."""
    return RowCondition(frozenset({column}), lambda rows: pc.is_null(rows[column]))


def begins(column: str, start: str) -> RowCondition:
    """Rows whose text begins so, letter by letter: % and _ stand for themselves."""

    def may_hold(low: str, high: str) -> bool:
        return low[: len(start)] <= start <= high[: len(start)]

    return RowCondition(frozenset({column}), lambda rows: pc.starts_with(rows[column], start), {column: may_hold})


def is_set(column: str, value: bool = True) -> RowCondition:
    """Rows with a flag, or without it. Files hold rows of both kinds, so no statistics are asked."""
    return RowCondition(frozenset({column}), lambda rows: rows[column] if value else pc.invert(rows[column]))
