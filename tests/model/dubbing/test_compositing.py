"""Laying in: what is outside stays to the bit, and colours are right."""

import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from heterodub.model.dubbing.compositing import Colours, Planes, lay_in

RNG = np.random.default_rng(3)


def planes(height=60, width=80, halved=True) -> Planes:
    small = (height // 2, width // 2) if halved else (height, width)
    luma, blueness, redness = (
        RNG.integers(30, 200, shape).astype(np.uint8) for shape in ((height, width), small, small)
    )
    return Planes(luma, blueness, redness, halved)


def copied(given: Planes) -> Planes:
    return Planes(given.luma.copy(), given.blueness.copy(), given.redness.copy(), given.halved)


@pytest.mark.parametrize("halved", [True, False])
@pytest.mark.parametrize(("left", "top"), [(10, 20), (11, 21), (-7, -5), (65, 47), (400, 0)])
def test_samples_outside_of_the_change_stay_to_the_bit(left, top, halved):
    before = planes(halved=halved)
    after = copied(before)
    change = np.zeros((24, 30, 3), np.float32)
    change[5:19, 6:23] = RNG.uniform(-90, 90, (14, 17, 3))
    lay_in(after, Colours(), left, top, change)
    rows, columns = np.mgrid[0:60, 0:80]
    touched = (rows >= top + 5) & (rows < top + 19) & (columns >= left + 6) & (columns < left + 23)
    assert (after.luma == before.luma)[~touched].all()
    assert not touched.any() or (after.luma != before.luma)[touched].mean() > 0.9
    around = touched.reshape(30, 2, 40, 2).any((1, 3)) if halved else touched
    assert (after.blueness == before.blueness)[~around].all()
    assert (after.redness == before.redness)[~around].all()


@pytest.mark.parametrize(("matrix", "full"), [(1, False), (5, False), (6, True), (2, False), (9, False)])
def test_change_of_colour_is_what_ffmpeg_makes_of_it(matrix, full):
    before, after = (np.full((16, 16, 3), colour, np.uint8) for colour in ((90, 120, 60), (140, 100, 110)))
    scaler, collected = VideoReformatter(), []
    named = {2: 5, 6: 5}.get(matrix, matrix)
    for picture in (before, after):
        frame = VideoFrame.from_ndarray(picture, "rgb24")
        collected.append(
            scaler.reformat(
                frame, format="yuv444p", dst_colorspace=named, dst_color_range=2 if full else 1
            ).to_ndarray()[:, 4, 4]
        )
    given = Planes(*(np.full((16, 16), value, np.uint8) for value in collected[0]), halved=False)
    lay_in(given, Colours(matrix, full), 0, 0, after.astype(np.float32) - before)
    made = np.array([given.luma[4, 4], given.blueness[4, 4], given.redness[4, 4]], int)
    assert np.abs(made - collected[1]).max() <= 1
