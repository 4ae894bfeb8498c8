import numpy as np
import pyarrow as pa

from heterodub.tasks.releases.audit.row_hashes import (
    IDENTITY,
    SPLIT_BITS,
    hash_rows,
    hash_texts,
    is_any_of,
    sum_of,
)


def rows(*values):
    return pa.table({name: [row[place] for row in values] for place, name in enumerate(IDENTITY)})


def test_hashes_are_the_same_in_every_process_and_release():
    """They are stored: other values would have every file audited once more."""
    assert hash_texts(pa.chunked_array([["a", "b"]])).tolist() == HASHES
    assert not (hash_texts(pa.chunked_array([["a", "b"]])) & SPLIT_BITS).any()


HASHES = [13950350942979735504, 12688059582079114968]


def test_null_is_a_text_of_its_own():
    hashes = hash_texts(pa.chunked_array([pa.array([None, "", "nan", "None"])]))
    assert len(set(hashes.tolist())) == 4


def test_sums_tell_rows_apart_but_not_their_order():
    one, other = ("a", "m", "b", 1), ("b", "m", "b", 2)
    whole = sum_of(hash_rows(rows(one, other)))
    assert whole == sum_of(hash_rows(rows(other)), sum_of(hash_rows(rows(one))))
    swapped = sum_of(hash_rows(rows(("a", "m", "b", 2), ("b", "m", "b", 1))))
    assert len({whole, swapped, sum_of(hash_rows(rows(one, other, other))), sum_of(hash_rows(rows(one)))}) == 4


def test_texts_of_a_row_do_not_run_into_each_other():
    assert hash_rows(rows(("a", "bc", "d", 1)))[0] != hash_rows(rows(("ab", "c", "d", 1)))[0]


def test_is_any_of_looks_among_ordered_hashes():
    hashes = np.array([5, 1, 9], np.uint64)
    assert is_any_of(hashes, np.array([1, 9], np.uint64)).tolist() == [False, True, True]
    assert is_any_of(hashes, np.zeros(0, np.uint64)).tolist() == [False] * 3
