"""Units of statistics: one person is one unit, whatever the names."""

import pyarrow as pa

from heterodub.tasks.identity.units import counted_as, joined_groups


def clips(*rows: tuple[str, str | None, str | None]) -> pa.Table:
    columns = zip(*rows, strict=True)
    names = ("speaker", "person", "split_group")
    return pa.table({name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)})


def test_clip_counts_as_its_person():
    rows = clips(("ann", "p1", "ann"), ("a. lee", "p1", "ann"), ("ann", "p2", "ann"))  # the last: beside her on screen
    assert counted_as(rows).to_pylist() == ["p1", "p1", "p2"]


def test_clip_of_nobody_counts_as_the_person_of_its_speaker_else_as_the_speaker():
    rows = clips(("ann", None, "ann"), ("ann", "p2", "ann"), ("ann", "p1", "ann"), ("file:m", None, "file:m"))
    assert counted_as(rows).to_pylist() == ["p1", "p2", "p1", "file:m"]
    assert counted_as(rows.slice(0, 0)).to_pylist() == []


def test_groups_that_share_people_are_joined_however_long_the_chain():
    rows = clips(("a", "p1", "c"), ("b", "p1", "b"), ("d", "p2", "b"), ("e", "p2", "a"), ("f", "p3", "f"))
    assert joined_groups(rows) == {"b": "a", "c": "a"}
    assert joined_groups(clips(("a", None, None), ("b", None, "b"))) == {}
