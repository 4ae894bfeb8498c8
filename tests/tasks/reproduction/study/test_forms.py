"""Orders are balanced: by count, for every number of clips and systems that is tried."""

import random
from collections import Counter
from itertools import pairwise

import pytest

from heterodub.tasks.reproduction.study_making import ORDERS, forms, with_checks

SIZES = [(1, 2), (3, 2), (5, 3), (4, 6), (7, 4)]


@pytest.mark.parametrize(("clips", "systems"), SIZES)
def test_presentation_orders_are_balanced(clips, systems):
    made = forms(clips, systems, None, random.Random(1))
    assert len(made) == systems * ORDERS
    everything = {(clip, system) for clip in range(clips) for system in range(systems)}
    rounds = Counter()
    for order in made:
        assert len(order) == len(everything)
        assert set(order) == everything
        rounds.update((place // clips, video) for place, video in enumerate(order))
    assert set(rounds.values()) == {ORDERS}


@pytest.mark.parametrize(("clips", "systems"), SIZES[1:])
def test_no_clip_comes_twice_in_a_row(clips, systems):
    for order in forms(clips, systems, None, random.Random(2)):
        assert all(one[0] != other[0] for one, other in pairwise(order))


def test_fewer_rounds_stay_balanced():
    made = forms(4, 3, 2, random.Random(3))
    assert {len(order) for order in made} == {8}
    assert len(set(Counter(video for order in made for video in order).values())) == 1
    with pytest.raises(ValueError, match="4 cannot be shown"):
        forms(4, 3, 4, random.Random(3))


def test_orders_differ_and_the_same_seed_gives_the_same():
    one, again, other = (forms(6, 3, None, random.Random(seed)) for seed in (1, 1, 2))
    assert one == again != other
    assert len({tuple(order) for order in one}) == len(one)


def test_attention_checks_are_spread_and_never_first():
    order, checks = [f"v{number}" for number in range(12)], ["x", "y", "z"]
    for seed in range(20):
        mixed = with_checks(order, checks, random.Random(seed))
        assert [name for name in mixed if name not in checks] == order
        places = [place for place, name in enumerate(mixed) if name in checks]
        assert len(places) == 3
        assert places[0] > 0
        assert places[0] <= 5 <= places[1] + 1
        assert places[2] >= 9
    assert with_checks(order, [], random.Random(0)) == order
    with pytest.raises(ValueError, match="too many"):
        with_checks(["a"], checks, random.Random(0))
