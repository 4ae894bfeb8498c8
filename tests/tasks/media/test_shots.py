"""Beginnings of shots: on drawn pictures, at the exact frame, and never because a picture is repeated."""

import numpy as np
import pytest
from scenedetect import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from heterodub.tasks.media.decode import Frame
from heterodub.tasks.media.shots import SMALL_PX, _Detector, small_picture, with_cuts

THRESHOLD = 3.0


def scene(seed: int, moment: int = 0, size: tuple[int, int] = (96, 160)) -> np.ndarray:
    """Colours in large blocks, with a bright square that moves a little from picture to picture."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(20, 230, (size[0] // 16, size[1] // 16, 3)).astype(np.uint8)
    picture = blocks.repeat(16, axis=0).repeat(16, axis=1)
    left = 10 + moment % 60
    picture[40:60, left : left + 20] = 255
    return picture


def frames(pictures: list[np.ndarray], repeats: int = 1) -> list[Frame]:
    return [
        Frame(number * repeats + again, rgb, number, number / 25, again > 0)
        for number, rgb in enumerate(pictures)
        for again in range(repeats)
    ]


def cuts(shown: list[Frame]) -> list[int]:
    answered = list(with_cuts(iter(shown), THRESHOLD))
    assert [frame.index for frame, _, _ in answered] == [frame.index for frame in shown]
    return [frame.index for frame, _, starts in answered if starts]


@pytest.mark.parametrize("at", [5, 12, 13, 30, 50, 57])
def test_hard_cut_is_found_at_its_frame(at):
    pictures = [scene(1, number) if number < at else scene(2, number) for number in range(60)]
    assert cuts(frames(pictures)) == [at]


def test_every_cut_of_several_is_found():
    pictures = [scene(number // 20, number) for number in range(100)]
    assert cuts(frames(pictures)) == [20, 40, 60, 80]


@pytest.mark.parametrize("lasting", [1, 2, 4])
@pytest.mark.parametrize("light", [90, 255])
def test_flash_is_no_cut(lasting, light):
    pictures = [scene(1, number).astype(int) + light * (30 <= number < 30 + lasting) for number in range(60)]
    assert cuts(frames([picture.clip(0, 255).astype(np.uint8) for picture in pictures])) == []


def test_cut_to_a_brighter_shot_near_a_flash_is_found():
    pictures = [scene(1 + (number >= 35), number).astype(int) + 90 * (number in (30, 31)) for number in range(60)]
    pictures = [picture + 25 * (number >= 35) for number, picture in enumerate(pictures)]
    assert cuts(frames([picture.clip(0, 255).astype(np.uint8) for picture in pictures])) == [35]


def test_another_shot_of_a_few_pictures_is_no_flash():
    pictures = [scene(2 if 30 <= number < 33 else 1, number) for number in range(60)]
    assert cuts(frames(pictures)) == [30, 33]


def test_movement_is_no_cut():
    assert cuts(frames([scene(1, 3 * number) for number in range(80)])) == []


@pytest.mark.parametrize("repeats", [2, 3, 5])
def test_repeats_of_a_slower_source_are_neither_stillness_nor_cuts(repeats):
    moving = [scene(1, 4 * number) for number in range(40)]
    assert cuts(frames(moving, repeats)) == []
    cut = [scene(1 + (number >= 20), 4 * number) for number in range(40)]
    assert cuts(frames(cut, repeats)) == [20 * repeats]


def test_slide_show_is_streamed():
    shown = frames([scene(number) for number in range(6)], repeats=2000)
    taken = 0

    def counted():
        nonlocal taken
        for frame in shown:
            taken += 1
            yield frame

    held = []
    for answered, _ in enumerate(with_cuts(counted(), THRESHOLD), start=1):
        held.append(taken - answered)
    assert answered == len(shown)
    assert max(held) <= 501


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_shortest_films_come_through_whole(count):
    assert cuts(frames([scene(1, number) for number in range(count)])) == []


@pytest.mark.parametrize(
    ("shape", "small"),
    [
        ((1080, 1920), (90, 160)),
        ((1920, 1080), (160, 90)),
        ((2, 4000), (1, 160)),
        ((96, 160), (96, 160)),
        ((40, 30), (40, 30)),
    ],
)
def test_small_picture_keeps_its_shape(shape, small):
    assert small_picture(np.zeros((*shape, 3), np.uint8)).shape == (*small, 3)
    assert max(small) <= SMALL_PX


def test_each_frame_comes_with_its_own_small_picture():
    shown = frames([scene(1, number, (192, 320)) for number in range(10)], repeats=2)
    for frame, small, _ in with_cuts(iter(shown), THRESHOLD):
        np.testing.assert_array_equal(small, small_picture(frame.rgb))


def test_detector_scores_as_the_library_does():
    """The same cuts follow from the same scores, on noise that reaches every hue."""
    pictures = np.random.default_rng(0).integers(0, 256, (12, 45, 80, 3), np.uint8)
    pictures[4:8] = pictures[4] // 2 + np.arange(4, dtype=np.uint8)[:, None, None, None]
    fast, plain = _Detector(THRESHOLD), AdaptiveDetector(THRESHOLD, min_scene_len=1, window_width=2)
    for number, rgb in enumerate(pictures):
        timecode = FrameTimecode(number, 25.0)
        called = fast.process_frame(timecode, rgb)
        assert called == plain.process_frame(timecode, np.ascontiguousarray(rgb[..., ::-1]))
        assert fast._frame_score == plain._frame_score
