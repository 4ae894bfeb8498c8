from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from heterodub.tasks.media.frame_rate import Retimer
from heterodub.tasks.media.video_frames import TimedPicture

FPS = 25


def _pictures(times, duration=Fraction(0)):
    return [TimedPicture(Fraction(time), Fraction(duration), lambda: np.zeros((1, 1, 3), np.uint8)) for time in times]


def _shown(times, duration=Fraction(0), limit_s=1000.0):
    retimer = Retimer(limit_s)
    runs = list(retimer.choose(_pictures(times, duration)))
    frames = [run.source_index for run in runs for _ in range(run.first, run.last + 1)]
    for before, run in pairwise(runs):
        assert run.first >= before.last + 1
        assert run.follows_hole or run.first == before.last + 1
    return frames, retimer


def _holes(times, duration=Fraction(0)):
    """(last frame before, first frame after) of every hole."""
    runs = list(Retimer(1e6).choose(_pictures(times, duration)))
    return [(before.last, run.first) for before, run in pairwise(runs) if run.follows_hole]


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


def test_timestamp_jump_of_a_year_ends_the_frames():
    frames, retimer = _shown([0, Fraction(1, 25), 31_536_000, 31_536_001])
    assert frames == [0, 1]
    assert "31536000 s" in retimer.stopped


def test_last_picture_stands_as_long_as_it_says_unless_that_is_a_hole():
    assert len(_shown([0, 1], 2)[0]) == 75
    assert len(_shown([0, 1], 86_400)[0]) == 50  # as long as the one before
    tenths = [Fraction(index, 10) for index in range(20)]
    assert len(_shown(tenths, Fraction(1, 10))[0]) == 50
    pictures = [*_pictures(tenths[:-1], Fraction(1, 10)), *_pictures([tenths[-1]], Fraction(65))]
    assert list(Retimer(1000.0).choose(pictures))[-1].last == 49


@pytest.mark.parametrize("hole_s", [Fraction(1, 2), 5, 599, 700, 20_000])
@pytest.mark.parametrize("fps", [10, 25, 30, Fraction(30000, 1001)])
def test_hole_shows_nothing_and_keeps_the_time(fps, hole_s):
    before = [index / Fraction(fps) for index in range(50)]
    after = [before[-1] + 1 / Fraction(fps) + hole_s + index / Fraction(fps) for index in range(50)]
    ((last, first),) = _holes([*before, *after], 1 / Fraction(fps))
    assert abs(Fraction(last + 1, FPS) - before[-1] - 1 / Fraction(fps)) <= Fraction(1, FPS)
    assert abs(Fraction(first, FPS) - after[0]) <= Fraction(1, 2 * FPS)


def test_few_dropped_frames_are_no_hole():
    times = [Fraction(index, 25) for index in range(100) if index % 30 not in (7, 8, 9, 10, 11)]
    assert _holes(times) == []


def test_slow_sources_have_no_holes():
    assert _holes(range(30)) == []
    assert _holes([Fraction(index, 2) for index in range(30)]) == []
    assert _holes([Fraction(index, 5) for index in range(30) if index % 9 != 4]) == []


def test_hole_after_the_very_first_picture():
    assert _holes([0, *(5 + Fraction(index, 25) for index in range(20))]) == [(0, 125)]


def test_dropped_picture_passes_its_hole_on():
    sixtieths = [Fraction(index, 60) for index in range(60)]
    assert len(_holes([*sixtieths, *(4 + Fraction(1, 50) + time for time in sixtieths)])) == 1


def test_one_picture_gives_one_frame_and_none_gives_none():
    assert _shown([5])[0] == [0]
    assert _shown([5], Fraction(1, 1000))[0] == [0]
    assert _shown([])[0] == []
