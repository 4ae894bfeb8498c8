"""Pictures of two moments, made of a photograph that sways, through real encoders with true and false flags."""

from fractions import Fraction
from functools import cache

import av
import cv2
import numpy as np
import pytest
import skimage.data
from av.video.frame import VideoFrame

from heterodub.schemas.config.sections import LimitSettings
from heterodub.tasks.media.decode import Frame, open_video, with_combs
from heterodub.tasks.media.deinterlacing import Deinterlacer, luma_of
from heterodub.tasks.media.interlace import CombFinder, compare, sample
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.sniff import sniff

LIMITS = LimitSettings()
WIDTH, HEIGHT = 192, 144


@cache
def photograph() -> np.ndarray:
    """(256, 256, 3), as smooth as a lens makes it."""
    return cv2.resize(cv2.GaussianBlur(skimage.data.astronaut(), (0, 0), 1.2), (256, 256), interpolation=cv2.INTER_AREA)


def at(time_s: float, reach: float = 12, picture: np.ndarray | None = None) -> np.ndarray:
    """(H, W, 3): where the photograph stands at a time."""
    whole = photograph() if picture is None else picture
    move = np.array([[1, 0, -20 - reach * np.sin(6 * time_s)], [0, 1, -8 - reach / 3 * np.sin(5 * time_s)]])
    return cv2.warpAffine(whole, move, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)


def woven(even: np.ndarray, odd: np.ndarray) -> np.ndarray:
    """The even lines of one picture, the odd ones of another."""
    made = even.copy()
    made[1::2] = odd[1::2]
    return made


def progressive(frames=16, **how):
    return [at(k / 25, **how) for k in range(frames)]


def interlaced(frames=16, top_first=True, **how):
    halves = [(at(k / 25, **how), at((k + 0.5) / 25, **how)) for k in range(frames)]
    return [woven(a, b) if top_first else woven(b, a) for a, b in halves]


def telecined(frames=16):
    film, made = [at(k / 24) for k in range(frames)], []
    for k in range(0, frames, 4):
        one, two, three, four = film[k : k + 4]
        made += [one, two, woven(two, three), woven(three, four), four]
    return made


CODERS = {
    "mpeg2": ("film.mpg", "mpeg2video", {"b": "6000000"}, {"b": "6000000", "flags": "+ilme+ildct"}),
    "h264": ("film.mp4", "libx264", {"crf": "8", "preset": "veryfast"},
             {"crf": "8", "preset": "veryfast", "x264-params": "tff=1"}),
}  # fmt: skip


def encode(folder, pictures, coder="h264", flagged=False, pix_fmt="yuv420p"):
    name, codec, plain, options = CODERS[coder]
    path = folder / name
    with av.open(str(path), "w") as out:
        video = out.add_stream(codec, rate=25, options=options if flagged else plain)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, pix_fmt
        for number, picture in enumerate(pictures):
            frame = VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return path


def decoded(path):
    container = sniff(path)
    with open_video(path, container, probe(path, container, LIMITS), LIMITS) as video:
        frames = list(video.frames())
    with av.open(str(path)) as source:
        flags = [frame.interlaced_frame for frame in source.decode(video=0)]
    return video, [frame.rgb for frame in frames], flags


def deinterlaced_of(video) -> int:
    return next((int(note.split()[0]) for note in video.notes if "deinterlaced" in note), 0)


def comb_of(pictures) -> float:
    """Share of pictures that are combed as they are."""
    frames = (Frame(number, picture, number, number / 25, False) for number, picture in enumerate(pictures))
    return float(np.mean([frame.is_combed for frame in with_combs(frames)]))


@pytest.mark.parametrize("flagged", [True, False])
@pytest.mark.parametrize("coder", CODERS)
@pytest.mark.parametrize("top_first", [True, False])
def test_combed_pictures_are_deinterlaced_whatever_the_flags(top_first, coder, flagged, tmp_path):
    source = interlaced(top_first=top_first)
    video, shown, flags = decoded(encode(tmp_path, source, coder, flagged))
    assert set(flags) == {flagged}
    assert comb_of(source) > 0.8
    assert deinterlaced_of(video) >= 14
    assert comb_of(shown) == 0
    moments = [at(k / 25) for k in range(16)]
    assert len(shown) == 16
    if top_first:  # else the moment that is kept is that of the odd lines
        first = 0 if flagged else 1  # unflagged, the first picture has one neighbour too few
        assert np.mean([off(*two) for two in zip(shown[first:], moments[first:], strict=True)]) < 0.85 * np.mean(
            [off(*two) for two in zip(source[first:], moments[first:], strict=True)]
        )


def off(one, other) -> float:
    """Mean difference from what was there at that moment, or half a picture later."""
    return float(np.abs(one.astype(int) - other).mean())


@pytest.mark.parametrize("coder", CODERS)
def test_progressive_pictures_that_are_flagged_interlaced_are_left_alone(coder, tmp_path):
    path = encode(tmp_path, progressive(), coder, flagged=True)
    video, shown, flags = decoded(path)
    assert all(flags)
    assert deinterlaced_of(video) == 0
    with av.open(str(path)) as source:
        own = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    assert all((one == other).all() for one, other in zip(shown, own, strict=True))


def test_combed_pictures_of_a_telecined_film_are_deinterlaced(tmp_path):
    source = telecined()
    video, shown, _ = decoded(encode(tmp_path, source))
    assert 6 <= deinterlaced_of(video) <= 9  # 8 of 20
    assert comb_of(shown) == 0
    assert off(shown[0], source[0]) < 3
    assert off(shown[5], source[5]) < 3


def test_short_interlaced_part_is_found(tmp_path):
    source = progressive(8) + interlaced(8) + progressive(8)
    video, shown, _ = decoded(encode(tmp_path, source))
    assert 6 <= deinterlaced_of(video) <= 9
    assert comb_of(shown) == 0


def test_still_film_of_two_fields_loses_nothing(tmp_path):
    video, _, _ = decoded(encode(tmp_path, interlaced(reach=0), flagged=True))
    assert deinterlaced_of(video) == 0


@pytest.mark.parametrize("flagged", [False, True])
def test_weak_comb_counts_only_in_flagged_or_combed_films(flagged):
    two = interlaced(2)  # moves between two stills: each picture has one neighbour that moves
    luma = [sample(one[..., 1]) for one in [two[0]] * 3 + [two[1]] * 3]
    assert _finds(CombFinder(), luma, flagged) == ([2, 3] if flagged else [])
    known = CombFinder()
    _finds(known, [sample(one[..., 1]) for one in interlaced(6)], False)
    assert _finds(known, luma, False)


def _finds(finder: CombFinder, luma: list[np.ndarray], flagged: bool) -> list[int]:
    pairs = zip(luma, [*luma[1:], None], strict=True)
    return [number for number, (now, after) in enumerate(pairs) if finder.step(now, after, flagged)]


def test_picture_with_matching_fields_is_progressive():
    before, now = (np.clip(one, 0, 190).astype(np.uint8) for one in progressive(2))
    before[1::2] += 60  # so that one way of weaving is the rougher, though neither fits
    now[40:80:2, 60:110] += 60
    result = compare(sample(before[..., 1]), sample(now[..., 1]))
    assert result.frayed
    assert not result.in_fields


def stripes(period: int, bright: int = 110) -> np.ndarray:
    """The photograph in a jersey of fine horizontal stripes."""
    picture = photograph().copy()
    rows = np.arange(picture.shape[0]) % period < (period + 1) // 2
    jersey = np.clip(picture[60:200] * 0.5 + bright * rows[60:200, None, None], 0, 255)
    picture[60:200] = jersey.astype(np.uint8)
    return picture


@pytest.mark.parametrize("reach", [3, 12, 30])
@pytest.mark.parametrize("period", [2, 3, 4, 6])
def test_fine_stripes_are_no_comb(period, reach, tmp_path):
    source = progressive(30, reach=reach, picture=stripes(period))
    assert comb_of(source) <= 0.04
    video, _, _ = decoded(encode(tmp_path, source))
    assert deinterlaced_of(video) <= 1


@pytest.mark.parametrize("sigma", [5, 12])
def test_noise_is_no_comb(sigma):
    rng = np.random.default_rng(1)
    noisy = [np.clip(one + rng.normal(0, sigma, one.shape), 0, 255).astype(np.uint8) for one in progressive(25)]
    assert comb_of(noisy) == 0


def test_field_order_is_detected():
    for top_first in (True, False):
        finder, samples = CombFinder(), [sample(one[..., 1]) for one in interlaced(10, top_first)]
        for now, after in zip(samples, [*samples[1:], None], strict=True):
            finder.step(now, after)
        assert finder.top_first is top_first


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "gray"])
def test_formats_and_times_come_through(pix_fmt):
    frames = []
    for number, picture in enumerate(interlaced(8)):
        frame = VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pix_fmt)
        frame.pts, frame.time_base, frame.duration = 100 + 40 * number, Fraction(1, 1000), 40
        frame.colorspace, frame.color_range = 1, 1
        frames.append(frame)
    deinterlacer = Deinterlacer()
    shown = list(deinterlacer.over(frames))
    assert deinterlacer.count >= 6
    times = [(100 + 40 * k, Fraction(1, 1000), 40) for k in range(8)]
    assert [(one.pts, one.time_base, one.duration) for one in shown] == times
    assert {(one.format.name, one.colorspace, one.color_range) for one in shown} == {(pix_fmt, 1, 1)}
    assert [(one.pts, one.time_base, one.duration) for one in frames] == times


def test_format_without_luma_is_passed_on():
    frames = [VideoFrame.from_ndarray(picture, "rgb24") for picture in interlaced(4)]
    assert luma_of(frames[0]) is None
    assert list(Deinterlacer().over(frames)) == frames


def test_pictures_of_different_sizes_are_not_compared():
    assert compare(np.zeros((20, 8), np.int16), np.zeros((30, 8), np.int16)).share is None
