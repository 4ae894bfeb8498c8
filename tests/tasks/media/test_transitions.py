"""Gradual changes of shot on drawn pictures: found where they are, and never in what one shot may do."""

import cv2
import numpy as np
import pytest

from heterodub.tasks.media.transitions import LOOK_AHEAD_S, TransitionFinder

BEFORE = 40
ROWS, COLUMNS = 90, 160


def scene(seed: int, moment: int = 0) -> np.ndarray:
    """(90, 160, 3): blocks of colour with edges, and a bright square that moves a little from picture to picture."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(20, 200, (9, 16, 3)).astype(np.float64)
    picture = blocks.repeat(10, axis=0).repeat(10, axis=1)
    left = 70 + round(4 * np.sin(moment / 8))
    picture[30:50, left : left + 16] = 240
    return picture + np.random.default_rng(moment).normal(0, 2, picture.shape)


def shares(kind: str, length: int) -> list[np.ndarray]:
    """Return the share of the later shot at each pixel of each picture of a transition: (90, 160, 1) each."""
    columns = np.broadcast_to(np.arange(COLUMNS)[None, :, None] / COLUMNS, (ROWS, COLUMNS, 1))
    steps = [(step + 1) / (length + 1) for step in range(length)]
    by_kind = {
        "dissolve": lambda at: np.full_like(columns, at),
        "slow ends": lambda at: np.full_like(columns, at * at * (3 - 2 * at)),
        "wipe": lambda at: (columns < at).astype(float),
        "wipe back": lambda at: (columns > 1 - at).astype(float),
    }
    return [by_kind[kind](at) for at in steps]


def changing(kind: str, length: int) -> list[np.ndarray]:
    """40 pictures of one scene, a transition, 40 of the other."""
    mixed = [
        scene(1, BEFORE + at) * (1 - share) + scene(2, at) * share for at, share in enumerate(shares(kind, length))
    ]
    return [*(scene(1, at) for at in range(BEFORE)), *mixed, *(scene(2, length + at) for at in range(BEFORE))]


def fading(level: float, half: int, held: int) -> list[np.ndarray]:
    """To a level and back from it, in the other scene."""
    down = [scene(1, at) * (1 - at / half) + level * at / half for at in range(half)]
    return [
        *(scene(1, at) for at in range(BEFORE)),
        *down,
        *(np.full((ROWS, COLUMNS, 3), level) for _ in range(held)),
        *(scene(2, at) * (at / half) + level * (1 - at / half) for at in range(1, half + 1)),
        *(scene(2, at) for at in range(BEFORE)),
    ]


def transitions_in(pictures: list[np.ndarray], fps: float = 25, every: int = 1) -> list[tuple[int, int]]:
    finder = TransitionFinder()
    for index, picture in enumerate(pictures):
        if index % every == 0:
            finder.add(index, index / fps, np.clip(picture, 0, 255).astype(np.uint8))
    finder.end()
    return [(one.first, one.stop) for one in finder.found]


@pytest.mark.parametrize("kind", ["dissolve", "slow ends", "wipe", "wipe back"])
@pytest.mark.parametrize("length", [8, 15, 24, 30])
def test_soft_cut_is_found_and_no_mixed_frame_is_left(kind, length):
    ((first, stop),) = transitions_in(changing(kind, length))
    faint = 3 if kind == "slow ends" else 2  # frames in which the other scene is a few parts in a hundred
    assert BEFORE - 8 <= first <= BEFORE + faint
    assert BEFORE + length - faint <= stop <= BEFORE + length + 8


@pytest.mark.parametrize(("fps", "every"), [(12.5, 1), (25, 2), (50, 1), (60, 1)])
def test_soft_cut_is_found_at_other_rates(fps, every):
    length = round(0.8 * fps)
    ((first, stop),) = transitions_in(changing("dissolve", length), fps, every)
    assert BEFORE - 8 <= first <= BEFORE + 3
    assert BEFORE + length - 3 <= stop <= BEFORE + length + 8


@pytest.mark.parametrize("level", [0.0, 255.0], ids=["black", "white"])
@pytest.mark.parametrize(("half", "held"), [(12, 3), (8, 0), (20, 0)])
def test_fade_is_found_on_both_sides(level, half, held):
    parts = transitions_in(fading(level, half, held))
    assert parts[0][0] <= BEFORE + 3
    assert parts[-1][1] >= BEFORE + 2 * half + held - 3
    assert parts[0][0] >= BEFORE - 8
    assert parts[-1][1] <= BEFORE + 2 * half + held + 8


@pytest.mark.parametrize("held", [1, 3])
def test_black_between_two_hard_cuts_belongs_to_neither_shot(held):
    dark = [np.zeros((ROWS, COLUMNS, 3))] * held
    ((first, stop),) = transitions_in([scene(1)] * 40 + dark + [scene(2)] * 40)
    assert first <= 40
    assert stop >= 40 + held


def whole(at: int) -> np.ndarray:
    return scene(1, at)


def darker(at: int) -> np.ndarray:
    """The lights go down to a third within a second."""
    return scene(1, at) * (1 - 0.66 * np.clip((at - 30) / 25, 0, 1))


def warmer(at: int) -> np.ndarray:
    return scene(1, at) * (1 + np.clip((at - 30) / 20, 0, 1) * np.array([0.2, 0.0, -0.4]))


def zoomed(at: int) -> np.ndarray:
    size = int(COLUMNS * (1 + at / 100)), int(ROWS * (1 + at / 100))
    return cv2.resize(scene(1), size)[:ROWS, :COLUMNS]


def panned(at: int) -> np.ndarray:
    return np.roll(scene(1), 2 * at, axis=1)


def crossed(at: int) -> np.ndarray:
    """A hand's breadth of something passes before everything."""
    picture = scene(1, at)
    picture[20:, max(0, 4 * at - 60) : max(0, 4 * at - 20)] = (200, 150, 120)
    return picture


def titled(at: int) -> np.ndarray:
    """A title fades in and out."""
    picture = scene(1, at)
    share = np.clip(min(at - 25, 75 - at) / 10, 0, 1)
    picture[70:84, 20:140] = picture[70:84, 20:140] * (1 - share) + 250 * share
    return picture


def flashing(at: int) -> np.ndarray:
    return scene(1, at) + 120 * (at in (40, 41))


def noisy(at: int) -> np.ndarray:
    return scene(1, at) + np.random.default_rng(at).normal(0, 12, (ROWS, COLUMNS, 3))


@pytest.mark.parametrize(
    "pictured", [whole, darker, warmer, zoomed, panned, crossed, titled, flashing, noisy], ids=lambda one: one.__name__
)
def test_ordinary_motion_is_no_transition(pictured):
    assert transitions_in([pictured(at) for at in range(100)]) == []


def test_hard_cut_is_no_transition():
    assert transitions_in([scene(1 + (at >= 50), at) for at in range(100)]) == []


def test_decisions_are_final_and_timely():
    finder = TransitionFinder()
    before: dict[int, bool] = {}
    for index, picture in enumerate(changing("dissolve", 20)):
        finder.add(index, index / 25, np.clip(picture, 0, 255).astype(np.uint8))
        inside = {frame: any(t.first <= frame < t.stop for t in finder.found) for frame in range(int(finder.decided))}
        assert {frame: inside[frame] for frame in before} == before
        assert index - finder.decided <= LOOK_AHEAD_S * 25 + 1
        before = inside
    assert any(before.values())


def test_size_change_resets_the_finder():
    pictures = [*(scene(1, at) for at in range(40)), *(scene(2, at)[:, :80] for at in range(40))]
    assert transitions_in(pictures) == []


def test_empty_film_has_no_transition():
    assert transitions_in([]) == []
    assert transitions_in([scene(1)]) == []
