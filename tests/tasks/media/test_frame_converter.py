"""Colours and shapes of real encoders' output, compared with their input pictures."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from heterodub.schemas.config.sections import LimitSettings
from heterodub.tasks.media.colour import (
    HLG,
    PQ,
    ColourTags,
    compressed,
    hlg_to_scene,
    nits_to_pq,
    pq_to_nits,
    scene_to_hlg,
    tone_mapping,
)
from heterodub.tasks.media.decode import open_video
from heterodub.tasks.media.frame_converter import FrameConverter
from heterodub.tasks.media.geometry import Geometry
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.sniff import sniff

LIMITS = LimitSettings()
SIDE = 32
PATCHES = [
    (128, 128, 128), (40, 40, 40), (200, 150, 125), (120, 75, 55),
    (90, 140, 70), (60, 80, 150), (190, 60, 60), (205, 205, 200),
]  # fmt: skip
"""Grey, skin light and dark, and colours of daily life."""


def patches() -> np.ndarray:
    """(64, 128, 3): the patches, four in a row."""
    rows = [np.concatenate([np.full((SIDE, SIDE, 3), p, np.uint8) for p in PATCHES[at : at + 4]], 1) for at in (0, 4)]
    return np.concatenate(rows)


def middles(rgb: np.ndarray) -> np.ndarray:
    """(8, 3): the colour in the middle of each patch, of a picture of any size."""
    high, wide = rgb.shape[0] // 2, rgb.shape[1] // 4
    cells = [rgb[r * high : (r + 1) * high, c * wide : (c + 1) * wide] for r in (0, 1) for c in range(4)]
    return np.array([cell[high // 3 : -high // 3, wide // 3 : -wide // 3].mean(axis=(0, 1)) for cell in cells])


def encode(path, frames, codec, pix_fmt, *, form=None, aspect=None, tags=None, options=None, rotation=None, rate=25):
    """Encode frames as they are, with what the encoder and the container are to say of them."""
    with av.open(str(path), "w", format=form) as out:
        video = out.add_stream(codec, rate=rate, options=options or {})
        video.width, video.height, video.pix_fmt = frames[0].width, frames[0].height, pix_fmt
        context = video.codec_context
        for name, value in (tags or {}).items():
            setattr(context, name, value)
        if aspect:
            context.sample_aspect_ratio = aspect
        if rotation:
            video.set_display_rotation(rotation)
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base = number, Fraction(1, rate)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return path


def as_samples(rgb: np.ndarray, pix_fmt: str, matrix: int, full: bool = False) -> VideoFrame:
    """A picture as luma and chroma of a matrix and range."""
    frame = VideoFrame.from_ndarray(rgb, "rgb48le" if rgb.dtype == np.uint16 else "rgb24")
    space = {1: 1, 5: 5, 6: 5, 9: 9}[matrix]
    made = frame.reformat(format=pix_fmt, dst_colorspace=space, dst_color_range=2 if full else 1)
    made.colorspace, made.color_range = matrix, 2 if full else 1
    return made


def shown(path):
    """The decoded video and its first frame's RGB."""
    container = sniff(path)
    facts = probe(path, container, LIMITS)
    with open_video(path, container, facts, LIMITS) as video:
        frames = list(video.frames())
    assert (facts.width, facts.height) == frames[0].rgb.shape[1::-1]
    return video, frames, facts


LOSSLESS = {"crf": "4", "preset": "ultrafast"}


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize(
    ("codec", "pix_fmt"), [("libx265", "yuv420p10le"), ("libx264", "yuv420p10le"), ("libsvtav1", "yuv420p10le")]
)
def test_hdr_shows_the_colours_that_were_graded(transfer, codec, pix_fmt, tmp_path):
    colours = ColourTags(9, False, transfer, 9)
    signal = np.rint(tone_mapping(colours).from_screen(patches()) * 65535).astype(np.uint16)
    frame = as_samples(signal, pix_fmt, 9)
    frame.color_trc, frame.color_primaries = transfer, 9
    tags = {"color_trc": transfer, "color_primaries": 9, "colorspace": 9, "color_range": 1}
    options = {"x265-params": "log-level=none:crf=4"} if codec == "libx265" else LOSSLESS
    options = {"crf": "4", "preset": "12"} if codec == "libsvtav1" else options
    path = encode(tmp_path / "hdr.mkv", [frame] * 3, codec, pix_fmt, tags=tags, options=options)
    video, frames, _ = shown(path)
    assert np.abs(middles(frames[0].rgb) - PATCHES).max() <= 5
    assert any("BT.709" in note for note in video.notes)
    # shown without mapping, the same samples are washed out: the check can fail
    with av.open(str(path)) as source:
        plain = next(source.decode(video=0)).to_ndarray(format="rgb24")
    assert np.abs(middles(plain) - PATCHES).max() > 20


def test_transfer_curves_match_bt_2100():
    assert nits_to_pq(np.array([100.0, 203.0, 1000.0, 10000.0])) == pytest.approx([0.508, 0.581, 0.752, 1.0], abs=5e-4)
    assert scene_to_hlg(np.array([1 / 12, 1.0])) == pytest.approx([0.5, 1.0], abs=1e-6)
    levels = np.linspace(0.01, 1, 50)
    assert nits_to_pq(pq_to_nits(levels)) == pytest.approx(levels, abs=1e-6)
    assert scene_to_hlg(hlg_to_scene(levels)) == pytest.approx(levels, abs=1e-6)


def test_tone_mapping_compresses_only_highlights():
    light = np.linspace(0, 5, 200)
    bent = compressed(light, 5.0)
    assert (np.diff(bent) >= 0).all()
    assert bent[light <= 0.42] == pytest.approx(light[light <= 0.42], abs=1e-6)
    assert bent[-1] == pytest.approx(1, abs=1e-3)
    assert 0.7 < float(compressed(np.array([1.0]), 5.0)[0]) < 0.9


@pytest.mark.parametrize("primaries", [9, 12])
def test_wide_gamuts_in_sdr_are_not_shown_pale(primaries, tmp_path):
    colours = ColourTags(9 if primaries == 9 else 1, False, 1, primaries)
    signal = np.rint(tone_mapping(colours).from_screen(patches()) * 65535).astype(np.uint16)
    frame = as_samples(signal, "yuv420p10le", colours.matrix)
    tags = {"color_trc": 1, "color_primaries": primaries, "colorspace": colours.matrix, "color_range": 1}
    path = encode(tmp_path / "wide.mkv", [frame] * 2, "libx264", "yuv420p10le", tags=tags, options=LOSSLESS)
    _, frames, _ = shown(path)
    assert np.abs(middles(frames[0].rgb) - PATCHES).max() <= 5


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 5, 6, 9])
def test_matrix_and_range_follow_the_file(matrix, full, tmp_path):
    frame = as_samples(patches(), "yuv420p", matrix, full)
    tags = {"colorspace": matrix, "color_range": 2 if full else 1, "color_primaries": 1, "color_trc": 1}
    path = encode(tmp_path / "film.mp4", [frame] * 3, "libx264", "yuv420p", tags=tags, options=LOSSLESS)
    _, frames, _ = shown(path)
    assert np.abs(middles(frames[0].rgb) - PATCHES).max() <= 4


@pytest.mark.parametrize(("size", "matrix"), [((1280, 720), 1), ((720, 576), 5), ((128, 64), 5)])
def test_unnamed_matrix_follows_the_size(size, matrix, tmp_path):
    rgb = np.kron(np.array(PATCHES, np.uint8).reshape(2, 4, 3), np.ones((size[1] // 2, size[0] // 4, 1), np.uint8))
    frame = as_samples(rgb, "yuv420p", matrix)
    frame.colorspace = 2
    path = encode(tmp_path / "film.mkv", [frame] * 2, "libx264", "yuv420p", options=LOSSLESS)
    _, frames, _ = shown(path)
    assert np.abs(middles(frames[0].rgb) - PATCHES).max() <= 4


def test_unconvertible_matrix_falls_back(tmp_path):
    frame = as_samples(patches(), "yuv420p", 5)
    path = encode(tmp_path / "film.mkv", [frame] * 2, "libx264", "yuv420p", tags={"colorspace": 14}, options=LOSSLESS)
    _, frames, _ = shown(path)
    assert np.abs(middles(frames[0].rgb) - PATCHES).max() <= 4


@pytest.mark.parametrize("full", [False, True])
def test_grey_of_either_range(full, tmp_path):
    levels = np.linspace(16, 235, 128).round() if not full else np.linspace(0, 255, 128).round()
    grey = np.tile(levels.astype(np.uint8), (64, 1))
    frame = VideoFrame.from_ndarray(grey, "gray")
    tags = {"color_range": 2 if full else 1}
    path = encode(tmp_path / "grey.mkv", [frame] * 2, "libx264", "gray", tags=tags, options=LOSSLESS)
    _, frames, _ = shown(path)
    row = frames[0].rgb[32, :, 1].astype(float)
    assert row == pytest.approx(np.linspace(0, 255, 128), abs=4)


SHAPES = [
    ("film.mp4", "libx264", Fraction(16, 11), (140, 64)),
    ("film.mkv", "libx264", Fraction(2), (192, 64)),
    ("film.mkv", "libx264", Fraction(8, 9), (96, 72)),
    ("film.mov", "libx264", Fraction(1, 2), (96, 128)),
    ("film.avi", "mpeg4", Fraction(16, 11), (140, 64)),
    ("film.mpg", "mpeg2video", None, (96, 64)),
]


@pytest.mark.parametrize(("name", "codec", "aspect", "size"), SHAPES)
def test_pixels_are_made_square(name, codec, aspect, size, tmp_path):
    frame = as_samples(patches()[:, :96], "yuv420p", 5)
    options = LOSSLESS if codec == "libx264" else {"b": "2000000"}
    video, _, facts = shown(encode(tmp_path / name, [frame] * 3, codec, "yuv420p", aspect=aspect, options=options))
    assert (facts.width, facts.height) == size
    assert video.decoder == "pyav" or aspect is None
    assert bool(video.notes) == (aspect is not None)


@pytest.mark.parametrize(("aspect", "ratio"), [(Fraction(16, 15), 4 / 3), (Fraction(64, 45), 16 / 9)])
def test_pal_of_both_shapes(aspect, ratio, tmp_path):
    frame = as_samples(np.full((576, 720, 3), 90, np.uint8), "yuv420p", 5)
    path = encode(tmp_path / "pal.mpg", [frame] * 2, "mpeg2video", "yuv420p", form="dvd", aspect=aspect)
    _, _, facts = shown(path)
    assert facts.width / facts.height == pytest.approx(ratio, rel=0.01)
    assert facts.height == 576


def test_container_aspect_overrides_the_codec_aspect(tmp_path):
    frame = as_samples(patches(), "yuv420p", 5)
    path = encode(tmp_path / "film.mp4", [frame] * 3, "libx264", "yuv420p", aspect=Fraction(2), options=LOSSLESS)
    raw = bytearray(path.read_bytes())
    place = raw.index(b"pasp") + 4
    raw[place : place + 8] = (3).to_bytes(4, "big") + (2).to_bytes(4, "big")
    place = raw.index(b"tkhd") + 4 + 76
    raw[place : place + 4] = (192 << 16).to_bytes(4, "big")
    path.write_bytes(raw)
    _, _, facts = shown(path)
    assert (facts.width, facts.height) == (192, 64)


@pytest.mark.parametrize("aspect", [Fraction(50, 3), Fraction(1, 20), Fraction(1, 1000)])
def test_absurd_aspect_is_ignored(aspect, tmp_path):
    frame = as_samples(patches(), "yuv420p", 5)
    written = Fraction(2) if aspect == Fraction(1, 1000) else aspect
    path = encode(tmp_path / "film.mp4", [frame] * 3, "libx264", "yuv420p", aspect=written, options=LOSSLESS)
    if written != aspect:  # the muxer would not write it
        raw = bytearray(path.read_bytes())
        place = raw.index(b"pasp") + 4
        raw[place : place + 8] = (1).to_bytes(4, "big") + (1000).to_bytes(4, "big")
        place = raw.index(b"tkhd") + 4 + 76
        raw[place : place + 4] = bytes(4)
        path.write_bytes(raw)
    video, _, facts = shown(path)
    assert (facts.width, facts.height) == (128, 64)
    assert any("not believed" in note for note in video.notes)


def test_turned_anamorphic_picture_is_stretched_before_it_is_turned(tmp_path):
    frame = as_samples(patches(), "yuv420p", 5)
    path = encode(
        tmp_path / "film.mp4", [frame] * 3, "libx264", "yuv420p", aspect=Fraction(2), options=LOSSLESS, rotation=-90
    )
    _, frames, facts = shown(path)
    assert (facts.width, facts.height, facts.rotation_deg) == (64, 256, 90)
    assert np.abs(middles(np.rot90(frames[0].rgb)) - PATCHES).max() <= 4


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mov", "prores_ks", "yuva444p10le"),
        ("a.mov", "qtrle", "argb"),
        ("a.mkv", "ffv1", "yuva420p"),
        ("a.mov", "png", "rgba"),
    ],
)
def test_see_through_parts_lie_over_black(name, codec, pix_fmt, tmp_path):
    rgba = np.dstack([patches(), np.full((64, 128), 255, np.uint8)])
    rgba[:, 64:, 3] = 0
    frame = VideoFrame.from_ndarray(rgba, "rgba").reformat(format=pix_fmt)
    video, frames, _ = shown(encode(tmp_path / name, [frame] * 2, codec, pix_fmt))
    assert frames[0].rgb[4:-4, 72:].max() <= 3
    assert np.abs(middles(frames[0].rgb)[[0, 1, 4, 5]] - np.array(PATCHES)[[0, 1, 4, 5]]).max() <= 6
    assert any("over black" in note for note in video.notes)


def test_half_clear_pixels_are_half_black():
    rgba = np.full((16, 16, 4), 200, np.uint8)
    rgba[:, :8, 3] = 0
    rgba[:, 8:, 3] = 128
    rgb = FrameConverter()(VideoFrame.from_ndarray(rgba, "rgba"), Geometry(16, 16))
    assert (rgb[:, :8] == 0).all()
    assert (rgb[:, 8:] == 100).all()


def test_each_frame_has_its_own_size():
    convert = FrameConverter()
    for size in ((64, 32), (32, 64), (64, 32)):
        frame = VideoFrame.from_ndarray(np.full((*size[::-1], 3), 90, np.uint8), "rgb24")
        assert convert(frame, Geometry(*size)).shape == (size[1], size[0], 3)
