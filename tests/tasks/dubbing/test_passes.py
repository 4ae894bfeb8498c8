"""Items made ahead in a thread: all of them, in order, with what goes wrong, and no thread is left behind."""

import threading
from contextlib import closing

import pytest

from heterodub.tasks.dubbing.passes import PassMonitor, ahead


def numbers(most, made, broken=None, closed=None):
    try:
        for number in range(most):
            if number == broken:
                raise ValueError("no more")
            made.append(number)
            yield number
    finally:
        if closed is not None:
            closed.append(True)


def test_items_arrive_in_order_from_another_thread():
    names = []

    def named():
        for number in numbers(50, []):
            names.append(threading.current_thread().name)
            yield number

    assert list(ahead(named(), 3)) == list(range(50))
    assert threading.current_thread().name not in names


def test_error_arrives_after_the_items_before_it():
    taken = []
    with pytest.raises(ValueError, match="no more"):
        taken.extend(ahead(numbers(9, [], broken=5), 3))
    assert taken == [0, 1, 2, 3, 4]


def test_prefetch_is_bounded_and_stops_with_its_consumer():
    made, closed, before = [], [], threading.active_count()
    with closing(ahead(numbers(1000, made, closed=closed), 3)) as items:
        assert next(items) == 0
    assert len(made) <= 6
    assert closed == [True]
    assert threading.active_count() == before


def test_stopwatch_sums_threads_and_separates_nesting():
    stopwatch = PassMonitor()
    held, go_on = threading.Event(), threading.Event()

    def other():
        with stopwatch("other"):
            held.set()
            go_on.wait(10)

    thread = threading.Thread(target=other)
    with stopwatch("own"):
        thread.start()
        held.wait(10)
        with stopwatch("inner"):
            pass
    go_on.set()
    thread.join()
    assert set(stopwatch.seconds) == {"own", "inner", "other"}
