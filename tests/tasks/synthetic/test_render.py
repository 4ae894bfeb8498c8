from itertools import combinations

import numpy as np
import pytest

from heterodub.tasks.synthetic.mouth import MouthCurve
from heterodub.tasks.synthetic.people import BY_NAME, PEOPLE
from heterodub.tasks.synthetic.photo import photo
from heterodub.tasks.synthetic.portrait import portrait
from heterodub.tasks.synthetic.render import Motion, motion, render, still


def posed(person, openings, blinks=None):
    count = len(openings)
    mouth = MouthCurve(np.array(openings, float), np.zeros(count))
    blink = np.zeros(count) if blinks is None else np.array(blinks, float)
    return list(render(portrait(person), Motion(mouth, blink, np.zeros((count, 3)))))


def dark_between_lips(person, frame):
    face = portrait(person)
    centre = face.lip_lower[:, 0].mean()
    half = 12 * face.unit
    top, bottom = int(face.lip_upper[:, 1].max()), int(face.chin[1] - 5 * face.unit)
    patch = frame[top:bottom, int(centre - half) : int(centre + half)].astype(float).mean(axis=2)
    return (patch < 45).sum()


@pytest.mark.parametrize("person", PEOPLE[::2], ids=lambda person: person.name)
def test_mouth_opens_dark_and_wide(person):
    shut, ajar, wide = (dark_between_lips(person, frame) for frame in posed(person, [0.0, 0.5, 1.0]))
    assert shut <= ajar < wide
    assert wide > shut + 60 * person.scale


@pytest.mark.parametrize("person", PEOPLE[::2], ids=lambda person: person.name)
def test_forehead_does_not_move_with_the_mouth(person):
    shut, wide = posed(person, [0.0, 1.0])
    above = int(portrait(person).nose_base[1] - 5 * person.scale)
    assert np.array_equal(shut[:above], wide[:above])
    assert not np.array_equal(shut[above:], wide[above:])


def test_chin_drops_with_the_mouth():
    person = BY_NAME["s01"]
    face = portrait(person)
    shut, wide = posed(person, [0.0, 1.0])
    across, below = int(face.chin[0]), slice(int(face.chin[1] - 3), int(face.chin[1] + 14))
    changed = np.abs(shut[below, across - 10 : across + 10].astype(int) - wide[below, across - 10 : across + 10]).mean()
    assert changed > 8


def test_eyes_close():
    person = BY_NAME["s04"]
    upper, lower = portrait(person).eyes[0]
    box = np.s_[int(upper[:, 1].min()) : int(lower[:, 1].max()), int(upper[0, 0]) : int(upper[-1, 0])]
    open_eye, closed_eye = (frame[box].astype(float) for frame in posed(person, [0.0, 0.0], [0.0, 1.0]))
    assert closed_eye.std() < 0.8 * open_eye.std()


def test_people_look_different():
    patches = {}
    for person in PEOPLE:
        face = portrait(person)
        x, y = (int(value) for value in face.nose_base)
        patches[person.name] = face.picture[y - 50 : y + 50, x - 50 : x + 50].astype(float)
    for one, other in combinations(PEOPLE, 2):
        assert np.abs(patches[one.name] - patches[other.name]).mean() > 12, (one.name, other.name)


def test_mirrored_curves_still_run_left_to_right():
    for person in PEOPLE:
        face = portrait(person)
        for curve in (face.lip_upper, face.lip_lower, *face.eyes[0], *face.eyes[1]):
            assert (np.diff(curve[:, 0]) > 0).all()


def test_masks_part_the_photograph():
    source = photo()
    assert source.figure[100, 225] > 0.95
    assert source.figure[20, 100] < 0.05
    assert source.skin[120, 200] > 0.95
    assert source.body[144, 224] > 0.95 and source.skin[145, 224] < 0.5
    assert source.body[40, 225] < 0.05


def test_same_seed_gives_the_same_frames_and_another_does_not():
    face, mouth = portrait(PEOPLE[0]), MouthCurve(np.linspace(0, 1, 6), np.zeros(6))

    def taken(seed):
        rng = np.random.default_rng(seed)
        return np.stack(list(render(face, motion(mouth, rng, 25), rng)))

    assert np.array_equal(taken(3), taken(3))
    assert not np.array_equal(taken(3), taken(4))


def test_noise_makes_even_a_still_head_differ_from_frame_to_frame():
    face = portrait(PEOPLE[0])
    frames = list(render(face, still(2), np.random.default_rng(0)))
    assert 0.5 < np.abs(frames[0].astype(int) - frames[1]).mean() < 4
    assert np.array_equal(*render(face, still(2)))
