import threading

import pytest

from heterodub.tasks.releases.audit.ahead import map_ahead


def test_map_ahead_gives_results_in_order():
    assert list(map_ahead(lambda number: number * number, range(50))) == [number * number for number in range(50)]
    assert list(map_ahead(str, [])) == []


def test_map_ahead_works_on_no_more_than_a_few_items_before_they_are_taken():
    begun = []
    results = map_ahead(begun.append, range(1000))
    next(results)
    results.close()
    assert 1 <= len(begun) <= 16


def test_map_ahead_works_on_several_items_at_once():
    meeting = threading.Barrier(2, timeout=60)
    assert list(map_ahead(lambda number: meeting.wait() >= 0, range(2))) == [True, True]


def test_map_ahead_raises_what_the_work_raises():
    with pytest.raises(ZeroDivisionError):
        list(map_ahead(lambda number: 1 // number, [1, 0, 1]))
