"""Whose face is whose, from places and looks."""

from fractions import Fraction

import numpy as np
import pytest

from heterodub.model.dubbing.faces import Track
from heterodub.tasks.dubbing.casting import cast
from heterodub.tasks.dubbing.face_tracking import Followed
from heterodub.tasks.dubbing.turns import Place, Turn, place_of
from heterodub.tasks.faces.patches import FacePatch, FacePatches

SIZE = (1000, 500)
LOOKS = {name: np.random.default_rng(seed).integers(0, 255, (32, 32, 3), np.uint8) for seed, name in enumerate("ABC")}


def track(shot, first, stop, x):
    """A face around (x, 250)."""
    points = np.random.default_rng(0).uniform(-50, 50, (216, 2)) + np.array([x, 250])
    shape = (stop - first, 216, 2)
    flags = np.ones(stop - first, bool)
    yaw = np.zeros(stop - first, np.float32)
    return Track(shot, first, np.broadcast_to(points, shape).astype(np.float32), flags, ~flags, yaw)


def followed(*tracks_and_looks):
    patches = {
        one: FacePatches([FacePatch(frame, frame / 25, LOOKS[look], (0.0, 0.0), 0.1, 0) for frame in range(3)])
        for one, look in tracks_and_looks
    }
    return Followed(Fraction(1, 25), np.arange(300), 1, list(patches), patches)


def turns(*spans):
    return [Turn(row, start, end, person, face) for row, (start, end, person, face) in enumerate(spans, start=1)]


LEFT, RIGHT = Place("left"), Place("right")
PLACES = {"ANNA": LEFT, "BEN": RIGHT}


@pytest.fixture
def film():
    """Two side by side, then A alone in the middle, then B, then a stranger, then both on the other sides."""
    shots = [
        (track(0, 0, 50, 200), "A"), (track(0, 0, 50, 800), "B"), (track(1, 50, 100, 500), "A"),
        (track(2, 100, 150, 500), "B"), (track(3, 150, 200, 100), "C"),
    ]  # fmt: skip
    return followed(*shots), [one for one, _ in shots]


def test_a_face_alone_is_that_of_the_person_it_looks_like(film):
    seen, (a, b, a_alone, b_alone, _) = film
    lists = cast(turns((0, 8, "ANNA", None), (0, 8, "BEN", None)), seen, SIZE, PLACES, {})
    assert list(lists.values()) == [[a, a_alone], [b, b_alone]]


def test_turn_takes_only_tracks_of_its_time(film):
    seen, (a, _, a_alone, *_) = film
    lists = cast(turns((0, 2, "ANNA", None), (2, 4, "ANNA", None), (4, 8, "ANNA", None)), seen, SIZE, PLACES, {})
    assert list(lists.values()) == [[a], [a_alone], []]


def test_picture_of_a_person_stands_for_a_place(film):
    seen, (_, b, _, b_alone, _) = film
    picture = FacePatches([FacePatch(0, 0.0, LOOKS["B"], (0.0, 0.0), 0.1, 0)])
    (tracks,) = cast(turns((0, 8, "BEN", None)), seen, SIZE, {}, {"BEN": picture}).values()
    assert tracks == [b, b_alone]


def test_place_of_a_turn_goes_before_that_of_the_person(film):
    seen, (_, b, *_) = film
    (tracks,) = cast(turns((0, 2, "ANNA", RIGHT)), seen, SIZE, {"ANNA": LEFT}, {}).values()
    assert tracks == [b]
    (tracks,) = cast(turns((6, 8, "CARL", LEFT)), seen, SIZE, PLACES, {}).values()
    assert [one.shot for one in tracks] == [3]


@pytest.mark.parametrize(("x", "is_found"), [(300, True), (450, False), (700, False)])
def test_face_alone_counts_on_its_side_where_nobody_is_ever_beside(x, is_found):
    one = track(0, 0, 50, x)
    (tracks,) = cast(turns((0, 2, "ANNA", None)), followed((one, "A")), SIZE, {"ANNA": LEFT}, {}).values()
    assert tracks == ([one] if is_found else [])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("left", LEFT),
        ("Right", RIGHT),
        ("largest", Place("rank", 1)),
        ("2", Place("rank", 2)),
        ("0.25, .5", Place("point", x=0.25, y=0.5)),
        ("above", None),
        ("17", None),
        ("1.5,0.2", None),
        ("anna.jpg", None),
    ],
)
def test_places_are_read(text, place):
    assert place_of(text) == place


def test_point_takes_the_face_it_lies_in(film):
    seen, (_, b, *_) = film
    (tracks,) = cast(turns((0, 2, "BEN", place_of("0.8,0.5"))), seen, SIZE, {}, {}).values()
    assert tracks == [b]
    (tracks,) = cast(turns((0, 2, "BEN", place_of("0.5,0.1"))), seen, SIZE, {}, {}).values()
    assert tracks == []
