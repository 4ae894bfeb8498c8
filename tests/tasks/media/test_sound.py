import numpy as np
import pytest

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason, MissingCause
from heterodub.tasks.media.decode import open_video
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.sniff import sniff
from heterodub.tasks.media.sound import Sound, open_sound
from tests.tasks.media.media_files import FORMATS, WITH_SOUND, SoundTrack, draw, end_of, regular, tone

RATE = 16_000
LIMITS = LimitSettings()


def _open(path, scratch, offset_s=0.0, **more):
    container = sniff(path)
    facts = probe(path, container, LIMITS)
    with open_video(path, container, facts, LIMITS) as video:
        origin_s = video.origin_s
    return open_sound(path, container, facts, origin_s, offset_s, scratch, **more)


def _level(samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


@pytest.mark.parametrize("suffix", WITH_SOUND)
def test_tone_comes_through_every_container(clip, tmp_path, suffix):
    with _open(clip(suffix, regular(50), tone(2)), tmp_path) as sound:
        middle = sound.read(RATE // 2, RATE)
        assert middle.dtype == np.float32
        assert _level(middle) == pytest.approx(0.5 / np.sqrt(2), rel=0.06)
        assert np.argmax(np.abs(np.fft.rfft(middle))) == pytest.approx(440, abs=1)
        assert sound.covers(RATE // 2, RATE) == 1
        assert end_of(sound) == pytest.approx(2 * RATE, abs=RATE // 10)
        assert sound.clipping_share(0, 2 * RATE) == 0


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("codec", ["flac", "pcm_s16le"])
def test_any_rate(clip, tmp_path, rate_hz, codec):
    track = tone(2, rate_hz)
    track.codec = codec
    with _open(clip(".mkv", regular(50), track), tmp_path) as sound:
        expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)
        np.testing.assert_allclose(sound.read(0, 2 * RATE)[400:-400], expected[400:-400], atol=0.01)
        assert end_of(sound) == pytest.approx(2 * RATE, abs=2)


@pytest.mark.parametrize(
    ("channels", "suffix", "codec"),
    [
        (1, ".mkv", "flac"),
        (2, ".mkv", "flac"),
        (6, ".mp4", "aac"),
        (8, ".mp4", "aac"),
        (8, ".mkv", "flac"),
        (24, ".mkv", "pcm_s16le"),
        (24, ".mkv", "pcm_f32le"),
    ],
)
def test_any_layout(clip, tmp_path, channels, suffix, codec):
    track = tone(1, 48_000, channels)
    track.codec = codec
    with _open(clip(suffix, regular(25), track), tmp_path) as sound:
        assert _level(sound.read(1000, RATE - 2000)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize("seconds", [0.5, 3.0])
def test_sound_shorter_and_longer_than_the_picture(clip, tmp_path, seconds):
    with _open(clip(".mkv", regular(50), tone(seconds)), tmp_path) as sound:
        assert end_of(sound) == pytest.approx(seconds * RATE, abs=2)
        assert sound.covers(0, 2 * RATE) == pytest.approx(min(seconds / 2, 1), abs=0.001)
        assert (sound.read(int(seconds * RATE) + 10, 100) == 0).all()


@pytest.mark.parametrize("suffix", [s for s in WITH_SOUND if s not in (".avi", ".mpg", ".m2.mpg")])
@pytest.mark.parametrize("start_ms", [0, 480])
@pytest.mark.parametrize("offset_s", [0.0, 0.2])
def test_click_and_flash_end_on_the_same_frame(clip, tmp_path, suffix, start_ms, offset_s):
    _assert_in_step(clip, tmp_path, suffix, start_ms, offset_s)


@pytest.mark.parametrize("suffix", [".avi", ".mpg", ".m2.mpg"])
def test_click_and_flash_where_clocks_tick_in_frames(clip, tmp_path, suffix):
    _assert_in_step(clip, tmp_path, suffix, 0, 0.0)


def _assert_in_step(clip, tmp_path, suffix, start_ms, offset_s):
    flash = 20
    pictures = [np.full_like(draw(0), 235 if number == flash else 16) for number in range(40)]
    line = np.zeros((1, 96_000), np.float32)
    at = int((flash / 25 + start_ms / 1000 + offset_s + 0.02) * 48_000)  # in the middle of the flash
    line[0, at - 48 : at + 48] = 0.9
    path = clip(suffix, regular(40, 25, start_ms), SoundTrack(line), pictures=pictures)
    container = sniff(path)
    facts = probe(path, container, LIMITS)
    with open_video(path, container, facts, LIMITS) as video:
        brightness = [frame.rgb.mean() for frame in video.frames()]
    seen = int(np.argmax(brightness))
    with open_sound(path, container, facts, video.origin_s, offset_s, tmp_path) as sound:
        heard = int(np.argmax(np.abs(sound.read(0, 40 * 640))))
    assert abs((heard - 320) / 640 - seen) <= 1
    if suffix in (".mp4", ".mov", ".mkv", ".webm", ".vp9.webm"):
        assert heard // 640 == seen == flash
        assert abs(heard - 320 - 640 * seen) <= 32  # 2 ms


def test_gap_is_silence_of_the_right_length(clip, tmp_path):
    track = tone(2)
    track.codec = "pcm_s16le"
    track.gaps = {48_000: 0.5}
    with _open(clip(".mkv", regular(75), track), tmp_path) as sound:
        assert (sound.read(RATE + 50, RATE // 2 - 100) == 0).all()
        assert sound.covers(RATE, RATE // 2) < 0.05
        assert _level(sound.read(RATE + RATE // 2 + 100, RATE // 2)) > 0.3
        assert end_of(sound) == pytest.approx(2.5 * RATE, abs=20)


def test_gap_of_a_year_ends_the_sound(clip, tmp_path):
    track = tone(1)
    track.codec = "pcm_s16le"
    track.gaps = {24_000: 31_536_000.0}
    path = clip(".mkv", regular(25), track)
    container = sniff(path)
    facts = probe(path, container, LimitSettings(max_duration_s=1e9))
    with open_sound(path, container, facts, 0.0, 0.0, tmp_path) as sound:
        assert end_of(sound) == pytest.approx(RATE / 2, abs=500)


def test_max_s_bounds_the_sound(clip, tmp_path):
    with _open(clip(".mkv", regular(25), tone(3)), tmp_path, max_s=1.5) as sound:
        assert end_of(sound) == 24_000


def test_clipping_is_counted_before_mixing(clip, tmp_path):
    line = np.zeros((2, 96_000), np.float32)
    line[0] = 0.3 * np.sin(np.arange(96_000) / 20)
    line[0, 48_000:72_000] = np.clip(3 * np.sin(np.arange(24_000) / 20), -1, 1)
    path = clip(".mkv", regular(50), SoundTrack(line, layout="stereo", codec="pcm_s16le"))
    with _open(path, tmp_path) as sound:
        assert np.abs(sound.read(0, 2 * RATE)).max() < 0.6  # the mix shows nothing of it
        assert sound.clipping_share(0, RATE) == 0
        assert sound.clipping_share(RATE, RATE // 2) == 1
        assert sound.clipping_share(RATE // 2, RATE) == pytest.approx(0.5, abs=0.06)


def test_missing_sound_names_its_cause(clip, tmp_path):
    assert _open(clip(".mp4"), tmp_path) is MissingCause.NO_SOUND_STREAM
    assert _open(clip(".gif"), tmp_path) is MissingCause.NO_SOUND_STREAM
    later = clip(".mkv", regular(25), tone(1))
    assert _open(later, tmp_path, offset_s=100.0) is MissingCause.NO_SOUND_IN_CLIP


def test_undecodable_sound_is_reported(clip, tmp_path):
    path = clip(".mkv", regular(25), tone(1))
    raw = bytearray(path.read_bytes())
    at = raw.index(b"fLaC")
    facts = probe(path, sniff(path), LIMITS)
    head = at + 200
    while (head := raw.find(b"\xff\xf8", head)) >= 0:  # sync word of every FLAC frame
        raw[head : head + 2] = b"\0\0"
    path.write_bytes(raw)
    result = open_sound(path, sniff(path), facts, 0.0, 0.0, tmp_path)
    assert result is MissingCause.SOUND_UNDECODABLE


@pytest.mark.parametrize("suffix", WITH_SOUND)
def test_damaged_sound_keeps_what_decodes(clip, tmp_path, suffix):
    path = clip(suffix, regular(50), tone(2))
    whole = path.read_bytes()
    container, facts = sniff(path), probe(path, sniff(path), LIMITS)
    heard = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        broken = np.frombuffer(whole, np.uint8).copy()
        places = rng.integers(len(broken) // 10, len(broken), 20)
        broken[places] ^= 0x55
        path.write_bytes(broken.tobytes())
        try:
            result = open_sound(path, container, facts, 0.0, 0.0, tmp_path)
        except MediaRefusedError as error:
            assert error.reason is FileReason.NO_DECODABLE_FRAME
            continue
        except MemoryError:  # a flipped length claims gigabytes: the child that asks for them is replaced
            continue
        if isinstance(result, Sound):
            with result:
                assert np.isfinite(result.read(0, 3 * RATE)).all()
                heard += end_of(result) > 0
    assert heard >= 3


def test_containers_without_sound_are_known():
    assert [suffix for suffix in FORMATS if suffix not in WITH_SOUND] == [".gif"]
