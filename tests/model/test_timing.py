"""Frames, seconds, samples and columns: exact in both directions, over a grid."""

from itertools import pairwise

import pytest

from heterodub.model.features.timing import (
    SAMPLES_PER_FRAME,
    frame_to_sample,
    frame_to_second,
    mel_columns,
    mel_window,
    seconds_to_frames,
)
from heterodub.schemas.contract import FPS, MEL_CONTEXT_COLUMNS, MEL_HOP_SAMPLES, SAMPLE_RATE_HZ

FRAMES = (0, 1, 2, 3, 7, 24, 25, 26, 249, 250, 251, 1000, 25 * 3600, 25 * 86400 + 1)


@pytest.mark.parametrize("frame", FRAMES)
def test_frame_second_sample_and_column_name_one_moment(frame):
    assert seconds_to_frames(frame_to_second(frame)) == frame
    assert frame_to_sample(frame) == frame * SAMPLE_RATE_HZ // FPS
    assert frame_to_second(frame) * SAMPLE_RATE_HZ == pytest.approx(frame_to_sample(frame), rel=1e-12)
    assert mel_columns(frame) * MEL_HOP_SAMPLES == frame_to_sample(frame)


def test_known_numbers():
    assert SAMPLES_PER_FRAME == 640
    assert frame_to_second(30) == 1.2
    assert frame_to_sample(25) == 16_000
    assert mel_columns(25) == 100


@pytest.mark.parametrize(
    ("seconds", "frames"), [(0.0, 0), (0.019, 0), (0.021, 1), (0.999, 25), (1.0, 25), (1.019, 25), (9.99, 250)]
)
def test_seconds_go_to_the_nearest_frame(seconds, frames):
    assert seconds_to_frames(seconds) == frames


@pytest.mark.parametrize("frame", FRAMES)
def test_window_is_200_ms_around_the_frame_s_first_column(frame):
    first, end = mel_window(frame)
    assert end - first == MEL_CONTEXT_COLUMNS == 20
    assert (first + end) / 2 == mel_columns(frame)
    assert (end - first) * MEL_HOP_SAMPLES / SAMPLE_RATE_HZ == 0.2


def test_windows_of_neighbours_are_one_frame_apart_and_may_leave_the_clip():
    assert mel_window(0) == (-10, 10)
    starts = [mel_window(frame)[0] for frame in range(50)]
    assert {later - sooner for sooner, later in pairwise(starts)} == {mel_columns(1)}
