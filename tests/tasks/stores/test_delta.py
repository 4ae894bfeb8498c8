"""Bounds of a table's files: which files can hold a value."""

import itertools

import pytest

from heterodub.tasks.stores.delta import DataFile

WANTED = [list(some) for size in range(4) for some in itertools.combinations("012345", size)]


@pytest.mark.parametrize("wanted", WANTED)
def test_file_may_hold_values_within_its_bounds(wanted: list[str]):
    for low, high in itertools.combinations_with_replacement("012345", 2):
        file = DataFile("a.parquet", 1, 1, {"media_id": (low, high)})
        assert file.may_hold("media_id", wanted) is any(low <= value <= high for value in wanted)


def test_file_without_bounds_may_hold_anything():
    assert DataFile("a.parquet", 1, 1).may_hold("media_id", [])
