import gc
import hashlib
import struct
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from av.video.frame import VideoFrame

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.tasks.media import decode
from heterodub.tasks.media.decode import Frame, Video, open_video
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.shots import with_cuts
from heterodub.tasks.media.sniff import sniff
from tests.tasks.media.media_files import FORMATS, HEIGHT, WIDTH, WITH_SOUND, draw, number_in, regular, tone

FPS = 25


def _decode(path, limits=None) -> tuple[Video, list[Frame]]:
    limits = limits or LimitSettings()
    container = sniff(path)
    with open_video(path, container, probe(path, container, limits), limits) as video:
        return video, list(video.frames())


def _numbers(frames) -> list[int]:
    return [number_in(frame.rgb) for frame in frames]


def _nearest(times_ms, frames: int) -> list[int]:
    since = [Fraction(time - times_ms[0], 1000) for time in times_ms]
    return [min(range(len(since)), key=lambda i: (abs(since[i] - Fraction(k, FPS)), i)) for k in range(frames)]


@pytest.mark.parametrize("suffix", FORMATS)
def test_25_fps_of_every_container_comes_through_picture_by_picture(clip, suffix):
    video, frames = _decode(clip(suffix, regular(30), tone(1.2) if suffix in WITH_SOUND else None))
    assert video.source_frames == 30
    assert video.truncated is None
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert [frame.source_index for frame in frames] == _numbers(frames)
    # ffmpeg writes the first picture of an AVI twice as long
    assert _numbers(frames) == ([0] if suffix == ".avi" else []) + list(range(30))
    assert all(frame.rgb.shape == (HEIGHT, WIDTH, 3) and frame.rgb.dtype == np.uint8 for frame in frames)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("fps", [10, 24, 30, 60, Fraction(30000, 1001)])
def test_other_rates_take_the_nearest_picture(clip, suffix, fps):
    times = regular(60, fps)
    _, frames = _decode(clip(suffix, times))
    assert _numbers(frames) == _nearest(times, len(frames))
    assert abs(len(frames) - 60 * FPS / fps) <= 1


def test_gif_at_10_fps(clip):
    times = regular(20, 10)
    _, frames = _decode(clip(".gif", times))
    assert _numbers(frames) == _nearest(times, len(frames))
    assert len(frames) in (49, 50)  # the muxer cuts the last delay short
    assert sum(not frame.repeated for frame in frames) == 20


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".gif"])
def test_variable_rate(clip, suffix):
    rng = np.random.default_rng(1)
    times = [0, *np.cumsum(rng.choice([20, 30, 40, 70, 100, 280], 60)).tolist()]
    video, frames = _decode(clip(suffix, times))
    assert _numbers(frames) == _nearest(times, len(frames))
    assert video.source_frames == 61
    for frame in frames:
        assert frame.source_s == pytest.approx(times[frame.source_index] / 1000, abs=0.0011)


def test_repeats_share_one_array_and_are_marked(clip):
    _, frames = _decode(clip(".mkv", [0, 200, 240]))
    for before, frame in pairwise(frames):
        assert frame.repeated == (frame.source_index == before.source_index)
        assert (frame.rgb is before.rgb) == frame.repeated


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("start_ms", [0, 700])
def test_picture_that_starts_late_is_counted_from_its_first(clip, suffix, start_ms):
    video, frames = _decode(clip(suffix, regular(25, 25, start_ms), tone(2)))
    assert video.origin_s == pytest.approx(start_ms / 1000, abs=0.002)
    assert _numbers(frames) == list(range(25))
    assert frames[0].source_s == 0


@pytest.mark.parametrize("options", [{"bf": "3", "preset": "medium", "crf": "18"}, {"bf": "0", "crf": "18"}])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_reordered_pictures(clip, suffix, options):
    video, frames = _decode(clip(suffix, regular(40), options=options))
    assert _numbers(frames) == list(range(40))
    assert video.origin_s == 0


@pytest.mark.parametrize("turn", [(90.0, False), (-90.0, False), (180.0, False), (0.0, True), (90.0, True)])
def test_rotation_is_applied(clip, turn):
    corner = np.full((HEIGHT, WIDTH, 3), 16, np.uint8)
    corner[: HEIGHT // 2, : WIDTH // 2] = (235, 16, 16)
    path = clip(".mp4", regular(3), pictures=[corner] * 3, rotation=turn)
    video, frames = _decode(path)
    place = {(90.0, False): (1, 0), (-90.0, False): (0, 1), (180.0, False): (1, 1), (0.0, True): (0, 1)}
    rgb = frames[0].rgb
    assert video.decoder == "pyav"
    assert rgb.shape[:2] == ((WIDTH, HEIGHT) if turn[0] in (90.0, -90.0) else (HEIGHT, WIDTH))
    red = [[float(q[..., 0].mean()) for q in np.array_split(half, 2, axis=1)] for half in np.array_split(rgb, 2)]
    row, column = np.unravel_index(int(np.argmax(red)), (2, 2))
    assert (row, column) == place.get(turn, (row, column))
    if turn == (90.0, True):  # mirrored, then a quarter: along the other diagonal
        assert (row, column) in ((0, 0), (1, 1))


def test_transparent_parts_of_a_gif_lie_over_black(tmp_path):
    see_through = _hand_made_gif([(0, 10), (0, 10)], transparent=True)
    path = tmp_path / "a.gif"
    path.write_bytes(see_through)
    _, frames = _decode(path)
    assert all((frame.rgb == 0).all() for frame in frames)


@pytest.mark.parametrize(("delay_cs", "lasts_cs"), [(0, 10), (1, 10), (2, 2), (4, 4), (20, 20)])
def test_gif_delays_follow_browsers(tmp_path, delay_cs, lasts_cs):
    path = tmp_path / "a.gif"
    path.write_bytes(_hand_made_gif([(index % 2, delay_cs) for index in range(8)]))
    _, frames = _decode(path)
    firsts = {frame.source_index: frame.source_s for frame in reversed(frames)}
    assert all(time == pytest.approx(index * lasts_cs / 100) for index, time in firsts.items())


def _hand_made_gif(pictures, transparent=False) -> bytes:
    """16 x 16 pictures of one colour each, uncompressed: (index of the colour, delay in hundredths)."""
    out = b"GIF89a" + struct.pack("<HHBBB", 16, 16, 0x80, 0, 0) + b"\xff\xff\xff\x20\x40\x60"
    for colour, delay in pictures:
        out += b"\x21\xf9\x04" + struct.pack("<BHB", 0x08 | transparent, delay, 0) + b"\0"
        out += b"\x2c" + struct.pack("<HHHHB", 0, 0, 16, 16, 0) + b"\x02"
        bits, codes = 0, []
        for pixel in range(256):
            if pixel % 2 == 0:
                codes.append(4)  # clear, so that codes stay three bits wide
            codes.append(colour)
        codes.append(5)
        for place, code in enumerate(codes):
            bits |= code << (3 * place)
        data = bits.to_bytes((3 * len(codes) + 7) // 8, "little")
        for at in range(0, len(data), 255):
            out += bytes([len(data[at : at + 255])]) + data[at : at + 255]
        out += b"\0"
    return out + b"\x3b"


def test_only_chosen_pictures_are_converted(clip, monkeypatch):
    painted = []
    original = decode.PyavPictures.__iter__

    def counting(self) -> Iterator:
        for picture in original(self):

            def pixels(real=picture.pixels, time=picture.time_s):
                painted.append(time)
                return real()

            yield type(picture)(picture.time_s, picture.duration_s, pixels)

    monkeypatch.setattr(decode.PyavPictures, "__iter__", counting)
    monkeypatch.setattr(decode, "can_use_decord", lambda *_: False)
    video, frames = _decode(clip(".mkv", regular(120, 60)))
    assert video.source_frames == 120
    assert len(painted) == len(set(painted)) == len({frame.source_index for frame in frames}) < 60


def test_timestamp_jump_of_a_year_ends_the_video(clip):
    times = [*regular(20), 31_536_000_000, 31_536_000_040]
    path = clip(".mkv", times)
    container, limits = sniff(path), LimitSettings()
    facts = probe(path, container, LimitSettings(max_duration_s=1e9))
    with open_video(path, container, facts, limits) as video:
        frames = list(video.frames())
    assert _numbers(frames) == list(range(20))
    assert "limit 86400" in video.truncated


def test_header_claiming_ten_million_pictures_terminates(clip):
    path = clip(".avi", regular(25))
    raw = bytearray(path.read_bytes())
    length = raw.index(b"vids") + 32
    raw[length : length + 4] = struct.pack("<I", 10_000_000)
    path.write_bytes(raw)
    with pytest.raises(MediaRefusedError):  # longer than a file may be
        _decode(path)
    video, frames = _decode(path, LimitSettings(max_duration_s=1e9))
    assert len(frames) in (25, 26)
    assert "promises" in video.truncated


def test_index_of_a_million_pictures_terminates(clip):
    path = clip(".mp4", regular(25))
    raw = bytearray(path.read_bytes())
    for box, at, value in ((b"stts", 8, 10**6), (b"stsz", 4, 200), (b"stsz", 8, 10**6), (b"stsc", 12, 10**6)):
        place = raw.index(box) + 4 + at
        raw[place : place + 4] = struct.pack(">I", value)
    path.write_bytes(raw)
    try:
        video, frames = _decode(path)
        assert len(frames) <= 25
        assert video.truncated
    except MediaRefusedError as error:
        assert error.detail


def test_restarting_timestamps_are_continued(clip, tmp_path):
    part = clip(".mpg", regular(30)).read_bytes()
    path = tmp_path / "joined.mpg"
    path.write_bytes(part + part)
    _, frames = _decode(path)
    assert len(frames) >= 55
    assert _numbers(frames)[-5:] == [25, 26, 27, 28, 29]


def joined(path, *parts):
    """Several MPEG files one after the other, as cat joins them."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def test_each_size_keeps_its_own_proportions(tmp_path, clip):
    small, tall = clip(".mpg", regular(40)), clip(".mpg", regular(40), size=(96, 192))
    video, frames = _decode(joined(tmp_path / "joined.mpg", small, tall))
    assert [frame.rgb.shape for frame in frames[:39]] == [(HEIGHT, WIDTH, 3)] * 39
    assert {frame.rgb.shape for frame in frames[40:]} == {(192, 96, 3)}
    assert _numbers(frames[:39]) == list(range(39))
    assert _numbers(frames[-5:]) == list(range(35, 40))
    assert "size or direction changes midway, 1 times; clips end there" in video.notes


def test_change_of_size_starts_a_shot_however_alike_the_pictures_are(tmp_path, clip):
    parts = [clip(".mpg", regular(40), size=size, pictures=[draw(5, *size)] * 40)
             for size in ((160, 96), (320, 192), (160, 96))]  # fmt: skip
    _, frames = _decode(joined(tmp_path / "joined.mpg", *parts))
    starts = [frame.index for frame, _, cut in with_cuts(iter(frames), 3.0) if cut]
    sizes = [frame.rgb.shape for frame in frames]
    assert starts == [at for at in range(1, len(sizes)) if sizes[at] != sizes[at - 1]]
    assert len(starts) == 2


@pytest.mark.parametrize("suffix", FORMATS)
def test_truncated_at_every_tenth(clip, suffix):
    path = clip(
        suffix,
        regular(30),
        tone(1.2) if suffix in WITH_SOUND else None,
        container_options={"movflags": "faststart"} if suffix in (".mp4", ".mov") else {},
    )
    whole = path.read_bytes()
    most = 0
    for tenth in range(1, 10):
        path.write_bytes(whole[: len(whole) * tenth // 10])
        try:
            video, frames = _decode(path)
        except (MediaRefusedError, MemoryError):
            continue
        most = max(most, len(frames))
        assert len(frames) <= 31
        whole_frames = frames[:-1]  # the last picture may be a torn one
        assert _numbers(whole_frames) == [frame.source_index for frame in whole_frames]
        assert suffix not in (".mp4", ".mov") or tenth > 4 or video.truncated
    assert most >= 15


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".mpg", ".gif", ".webm"])
def test_flipped_bytes_end_in_frames_or_a_refusal(clip, suffix):
    path = clip(suffix, regular(12), tone(0.5) if suffix in WITH_SOUND else None)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    outcomes = set()
    for seed in range(34):
        rng = np.random.default_rng(seed)
        broken = whole.copy()
        places = rng.integers(0, len(broken), 1 + len(broken) * (seed % 4) // 400)
        broken[places] ^= rng.integers(1, 256, len(places)).astype(np.uint8)
        path.write_bytes(broken.tobytes())
        try:
            video, frames = _decode(path, LimitSettings(max_duration_s=60))
            outcomes.add("frames")
            assert len(frames) <= 60 * FPS + 10 * FPS
            assert video.source_frames >= 1
            assert [frame.index for frame in frames] == list(range(len(frames)))
        except MediaRefusedError as error:
            outcomes.add(error.reason)
        except MemoryError:  # a length that was flipped claims gigabytes: the child that asks for them is replaced
            outcomes.add("memory")
    assert "frames" in outcomes


def test_no_open_file_is_left_behind(clip, tmp_path):
    before = hashlib.sha256(clip(".mp4").read_bytes()).hexdigest()
    path = clip(".mp4")
    video, _ = _decode(path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    path.unlink()
    assert video.source_frames == 25


def test_frames_are_freed_when_they_were_shown(clip, monkeypatch):
    """Not when the garbage collector comes: it sees a hundred bytes where megabytes are held."""
    path = clip(".mp4", regular(100))
    monkeypatch.setattr(decode, "can_use_decord", lambda *_: False)
    container, limits = sniff(path), LimitSettings()
    facts = probe(path, container, limits)
    gc.collect()
    gc.disable()
    try:
        with open_video(path, container, facts, limits) as video:
            places = enumerate(video.frames())
            held = [_living_frames() for place, _ in places if place % 20 == 19]  # a look takes a third of a second
    finally:
        gc.enable()
    assert len(held) == 5
    assert max(held) < 20


def test_ten_bit_and_odd_formats(clip):
    for pix_fmt in ("yuv420p10le", "yuv444p", "yuv422p", "yuvj420p"):
        video, frames = _decode(clip(".mkv", regular(5), pix_fmt=pix_fmt))
        assert video.decoder == "pyav"
        assert _numbers(frames) == list(range(5))
        assert np.abs(frames[3].rgb.astype(int) - draw(3)).mean() < 12


def _living_frames() -> int:
    return sum(type(it) is VideoFrame for it in gc.get_objects())  # isinstance asks a dead weak reference for its class
