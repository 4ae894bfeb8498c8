from fractions import Fraction

import numpy as np
import pytest

from tasks.media.pictures import Picture
from tasks.media.retime import LAST_PICTURE_MAX_S, Retimer

FPS = 25


def _pictures(times, duration=Fraction(0)):
    return [Picture(Fraction(time), Fraction(duration), lambda: np.zeros((1, 1, 3), np.uint8)) for time in times]


def _shown(times, duration=Fraction(0), limit_s=1000.0):
    retimer = Retimer(limit_s)
    runs = list(retimer.choose(_pictures(times, duration)))
    frames = [run.source_index for run in runs for _ in range(run.first, run.last + 1)]
    assert [run.first for run in runs[1:]] == [run.last + 1 for run in runs[:-1]]  # no holes
    return frames, retimer


@pytest.mark.parametrize(
    "fps",
    [Fraction(n) for n in (1, 5, 10, 12, 15, 24, 25, 30, 48, 50, 60, 120, 240)]
    + [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001)],
)
@pytest.mark.parametrize("start", [Fraction(0), Fraction(-7, 3), Fraction(10**6) + Fraction(1, 3)])
def test_every_frame_shows_the_nearest_picture(fps, start):
    count = 61
    times = [start + index / fps for index in range(count)]
    frames, _ = _shown(times, 1 / fps)
    for frame, index in enumerate(frames):
        distances = [abs(time - start - Fraction(frame, FPS)) for time in times]
        assert index == distances.index(min(distances))  # the earlier of two
    assert abs(len(frames) - count / fps * FPS) <= 1


def test_25_fps_is_passed_through_whole():
    assert _shown([Fraction(i, 25) for i in range(50)])[0] == list(range(50))
    assert _shown([Fraction(round(i * 1000 / 25), 1000) for i in range(50)])[0] == list(range(50))


def test_matroska_rounding_adds_no_frame():
    times = [Fraction(round(i * 1000 * 1001 / 30000), 1000) for i in range(300)]
    assert len(_shown(times, Fraction(34, 1000))[0]) == len(_shown(times, Fraction(33, 1000))[0]) == 251


def test_ties_go_to_the_earlier():
    frames, _ = _shown([0, Fraction(2, 25), Fraction(4, 25)], Fraction(1, 25))
    assert frames == [0, 0, 1, 1, 2]


def test_pictures_that_do_not_advance_are_passed_over():
    frames, retimer = _shown([0, Fraction(1, 25), Fraction(1, 25), Fraction(1, 50), Fraction(2, 25)], Fraction(1, 25))
    assert frames == [0, 1, 4]
    assert retimer.seen == 5


def test_a_jump_of_a_year_ends_it():
    frames, retimer = _shown([0, Fraction(1, 25), 31_536_000, 31_536_001])
    assert frames == [0, 1]
    assert "31536000 s" in retimer.stopped


def test_last_picture_stands_as_long_as_it_says_within_reason():
    assert len(_shown([0, 1], 2)[0]) == 75
    assert len(_shown([0, 1], 86_400)[0]) == 25 + LAST_PICTURE_MAX_S * FPS


def test_one_picture_gives_one_frame_and_none_gives_none():
    assert _shown([5])[0] == [0]
    assert _shown([5], Fraction(1, 1000))[0] == [0]
    assert _shown([])[0] == []
