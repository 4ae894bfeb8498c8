import struct

import av
import numpy as np
import pytest

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.sniff import Container, sniff
from tests.tasks.media.media_files import FORMATS, HEIGHT, WIDTH, WITH_SOUND, regular, tone


def _probe(path, limits=None):
    return probe(path, sniff(path), limits or LimitSettings())


def _refusal(path, limits=None, container=None):
    with pytest.raises(MediaRefusedError) as caught:
        probe(path, container or sniff(path), limits or LimitSettings())
    return caught.value


@pytest.mark.parametrize("suffix", FORMATS)
def test_facts_of_every_container(clip, suffix):
    facts = _probe(clip(suffix, regular(25), tone(1.0) if suffix in WITH_SOUND else None))
    assert (facts.width, facts.height, facts.rotation_deg) == (WIDTH, HEIGHT, 0)
    assert facts.nominal_fps == pytest.approx(25, abs=0.5)
    assert facts.duration_s == pytest.approx(1, abs=0.1)
    assert facts.container == sniff(clip(suffix, regular(2)))
    assert facts.sound_streams == (suffix in WITH_SOUND)
    assert (facts.sound_rate_hz, facts.sound_channels) == ((48_000, 1) if suffix in WITH_SOUND else (None, None))


def test_size_is_as_displayed(clip):
    facts = _probe(clip(".mp4", regular(3), rotation=(90.0, False)))
    assert (facts.width, facts.height, facts.rotation_deg) == (HEIGHT, WIDTH, 270)


def test_file_without_pictures(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        sound = out.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        frame.sample_rate = 48_000
        out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    assert _refusal(path).reason is FileReason.NO_VIDEO_STREAM


def test_cover_picture_is_not_video(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        sound = out.add_stream("aac", rate=48_000, layout="mono")
        cover = out.add_stream("mjpeg", rate=1)
        cover.width = cover.height = 64
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        out.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        frame.sample_rate = 48_000
        out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    with av.open(str(path)) as source:
        assert len(source.streams.video) == 1
    assert _refusal(path).reason is FileReason.NO_VIDEO_STREAM


def test_too_large_is_refused_from_the_header(clip):
    path = clip(".mp4", regular(3))
    assert _refusal(path, LimitSettings(max_pixels=WIDTH * HEIGHT - 1)).reason is FileReason.PICTURE_TOO_LARGE
    assert _probe(path, LimitSettings(max_pixels=WIDTH * HEIGHT)).width == WIDTH


def test_long_pixels_count_as_the_square_ones_that_are_made_of_them(clip):
    path = clip(".mp4", regular(3), options={"x264-params": "sar=3/1"})
    assert _probe(path, LimitSettings(max_pixels=3 * WIDTH * HEIGHT)).width == 3 * WIDTH
    error = _refusal(path, LimitSettings(max_pixels=3 * WIDTH * HEIGHT - 1))
    assert error.reason is FileReason.PICTURE_TOO_LARGE
    assert f"{3 * WIDTH} x {HEIGHT}" in error.detail


def test_header_that_claims_16384_squared(clip):
    path = clip(".mp4", regular(3))
    raw = path.read_bytes()
    claimed = struct.pack(">HH", 16384, 16384)
    path.write_bytes(raw.replace(struct.pack(">HH", WIDTH, HEIGHT), claimed))
    assert path.read_bytes() != raw
    facts = _probe(path)
    # the pictures themselves know better; their pixels' shape is the container's word, which is spoiled here
    assert facts.height == HEIGHT and facts.width < 2 * WIDTH


def test_pictures_that_are_too_large_whatever_the_header_says(clip):
    path = clip(".mkv", [0, 40], size=(2048, 2048), pictures=[np.zeros((2048, 2048, 3), np.uint8)] * 2)
    error = _refusal(path, LimitSettings(max_pixels=1_000_000))
    assert error.reason is FileReason.PICTURE_TOO_LARGE
    assert "2048 x 2048" in error.detail
    path.write_bytes(path.read_bytes().replace(b"\xb0\x82\x08\x00", b"\xb0\x82\x00\x40"))  # PixelWidth: 64
    assert _refusal(path, LimitSettings(max_pixels=1_000_000)).reason is FileReason.PICTURE_TOO_LARGE


def test_gif_header_that_claims_16384_squared(clip):
    path = clip(".gif", regular(3))
    raw = path.read_bytes()
    path.write_bytes(raw[:6] + struct.pack("<HH", 16384, 16384) + raw[10:])
    assert _refusal(path).reason is FileReason.PICTURE_TOO_LARGE


@pytest.mark.parametrize("size", [(1, 1), (14, 64), (64, 14)])
def test_too_small(clip, size):
    path = clip(
        ".mkv",
        regular(3),
        codec="ffv1" if size == (1, 1) else None,
        size=size,
        pictures=[np.zeros((size[1], size[0], 3), np.uint8)] * 3,
    )
    assert _refusal(path).reason is FileReason.PICTURE_TOO_SMALL


def test_too_long_is_refused_from_the_header(clip):
    path = clip(".mp4", [0, 40, 90_000_000])
    assert _refusal(path).reason is FileReason.TOO_LONG
    assert _refusal(clip(".mkv", regular(50)), LimitSettings(max_duration_s=1)).reason is FileReason.TOO_LONG


def test_header_alone(clip):
    path = clip(".mp4", regular(25), container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes().partition(b"mdat")[0] + b"mdat")
    error = _refusal(path)
    assert error.reason is FileReason.NO_DECODABLE_FRAME
    assert error.detail


def test_words_of_the_cause_are_kept(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(100))
    error = _refusal(path)
    assert error.reason is FileReason.NO_DECODABLE_FRAME
    assert error.detail
    assert str(tmp_path) not in error.detail


def test_vanished_after_sniffing(tmp_path):
    for container in Container:
        assert _refusal(tmp_path / "gone", container=container).reason is FileReason.VANISHED


def test_format_is_forced(clip):
    path = clip(".mkv", regular(3))
    assert _refusal(path, container=Container.AVI).reason is FileReason.NO_DECODABLE_FRAME
