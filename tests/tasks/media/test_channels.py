"""The best of mix and channels is used, on speech whose place is known."""

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame

from heterodub.schemas.config.sections import LimitSettings
from heterodub.tasks.media.channels import best_channel, mix_weights, to_float
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.sniff import sniff
from heterodub.tasks.media.sound import open_sound
from heterodub.tasks.quality.sound import level_dbfs, speech_probability
from tests.tasks.media.media_files import SoundTrack, regular
from tests.tasks.quality.conftest import speeches  # noqa: F401 - a fixture

LINE = np.array([[0.0, 0.5, -0.5, 1.0, -1.0]], np.float32)


@pytest.mark.parametrize(
    ("form", "dtype", "scale"),
    [("s16p", np.int16, 32767), ("s32p", np.int32, 2**31 - 129), ("fltp", np.float32, 1), ("dblp", np.float64, 1)],
)
def test_formats_become_float_of_full_scale_one(form, dtype, scale):
    frame = av.AudioFrame.from_ndarray((LINE.astype(np.float64) * scale).astype(dtype), form, "mono")
    np.testing.assert_allclose(to_float(frame), LINE, atol=1e-4)
    assert to_float(frame).dtype == np.float32


def test_unsigned_bytes_reach_full_scale_on_both_sides():
    frame = av.AudioFrame.from_ndarray(np.array([[128, 255, 1, 0]], np.uint8), "u8p", "mono")
    np.testing.assert_allclose(to_float(frame), [[0, 1, -1, -128 / 127]], atol=1e-6)


def test_packed_channels_are_taken_apart():
    frame = av.AudioFrame.from_ndarray(np.array([[1, -1, 2, -2, 3, -3]], np.int16), "s16", "stereo")
    np.testing.assert_allclose(to_float(frame) * 32768, [[1, 2, 3], [-1, -2, -3]])


@pytest.mark.parametrize("channels", [7, 8, 9, 24])
def test_many_planes(channels):
    lines = np.arange(1, channels + 1, dtype=np.float32)[:, None].repeat(50, 1) / 64
    packed = av.AudioFrame.from_ndarray(np.ascontiguousarray(lines.T).reshape(1, -1), "flt", f"{channels}C")
    packed.sample_rate = 48_000
    planar = av.AudioResampler("fltp", packed.layout, 48_000).resample(packed)[0]
    assert planar.format.is_planar
    np.testing.assert_allclose(to_float(planar), lines)


def test_nan_is_silence_and_huge_samples_are_clamped():
    frame = av.AudioFrame.from_ndarray(np.array([[np.nan, np.inf, -1e30, 0.5]], np.float32), "fltp", "mono")
    np.testing.assert_array_equal(to_float(frame), [[0, 8, -8, 0.5]])


def test_weights():
    np.testing.assert_allclose(mix_weights(("FC",)), [1])
    np.testing.assert_allclose(mix_weights(("FL", "FR")), [0.5, 0.5])
    surround = mix_weights(("FL", "FR", "FC", "LFE", "BL", "BR"))
    assert surround.sum() == pytest.approx(1)
    assert surround[3] == 0
    assert surround[2] == surround.max()
    np.testing.assert_allclose(mix_weights(("UNSD",) * 24), [1 / 24] * 24, rtol=1e-6)
    np.testing.assert_allclose(mix_weights(("LFE",)), [1])


RATE = 16_000


def _frames(lines_CN, layout):
    packed = np.ascontiguousarray(np.stack(lines_CN), np.float32)
    for at in range(0, packed.shape[1], 1024):
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(packed[:, at : at + 1024]), "fltp", layout)
        frame.sample_rate = RATE
        yield frame


def _name(lines, layout="stereo"):
    result = best_channel(_frames(lines, layout))
    return None if result is None else result.name


def _noise(speech, dbfs, seed=0):
    return (np.random.default_rng(seed).standard_normal(len(speech)) * 10 ** (dbfs / 20)).astype(np.float32)


@pytest.fixture
def speech(speeches) -> np.ndarray:  # noqa: F811
    """Six seconds of a voice in a quiet room."""
    return speeches[0] + _noise(speeches[0], -70, 9)


@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("share", [0.9, 0.6])
def test_channels_that_cancel_each_other_are_not_mixed(speech, late, share):
    assert _name([speech, -share * np.roll(speech, late)]) == "FL"
    assert _name([-share * np.roll(speech, late), speech]) == "FR"


def test_channel_that_holds_the_speech(speech):
    silent, loud_noise = np.zeros_like(speech), _noise(speech, -25)
    assert _name([speech, silent]) == "FL"
    assert _name([loud_noise, speech]) == "FR"
    room = 0.4 * (np.roll(speech, 400) + 0.6 * np.roll(speech, 1500)) + _noise(speech, -35, 2)
    assert _name([room, speech]) == "FR"  # a clip-on microphone beside the camera's own


def test_speech_in_the_centre_of_a_film(speech):
    quiet = [_noise(speech, -80, seed) for seed in range(5)]
    assert _name([*quiet[:2], speech, *quiet[2:]], "5.1") == "FC"
    music = [_noise(speech, -28, seed) for seed in range(2)]
    assert _name([*music, speech, *quiet[2:]], "5.1") == "FC"


def test_ordinary_channels_are_mixed(speech, speeches):  # noqa: F811
    assert _name([speech], "mono") is None
    assert _name([speech, speech]) is None
    assert _name([speech + _noise(speech, -45, 1), speech + _noise(speech, -45, 2)]) is None
    shorter = min(map(len, speeches))
    one, two = (np.concatenate([line[:shorter], np.zeros(shorter)]) for line in speeches)
    assert _name([one, np.roll(two, shorter)]) is None  # a speaker on each
    assert _name([np.zeros_like(speech)] * 2) is None
    assert best_channel(iter(())) is None


def test_only_pieces_of_a_long_recording_are_held(speech):
    long = np.tile(speech, 40)
    assert _name([long, -long]) == "FL"


def test_file_with_cancelling_channels_has_sound(clip, tmp_path, speech):
    track = SoundTrack(np.stack([speech, -speech]), RATE, "stereo", "pcm_s16le")
    path = clip(".mkv", regular(140), track)
    container = sniff(path)
    with open_sound(path, container, probe(path, container, LimitSettings()), 0.0, 0.0, tmp_path) as sound:
        heard = sound.read(0, len(speech))
        assert sound.channel is not None
        assert sound.channel.name in ("FL", "channel 1")
    assert level_dbfs(heard) == pytest.approx(level_dbfs(speech), abs=0.1)
    assert (speech_probability(heard) >= 0.5).mean() > 0.5


def test_offset_from_zero_is_taken_out(clip, tmp_path, speech):
    path = clip(".mkv", regular(140), SoundTrack(speech[None] * 0.5 + 0.2, RATE, "mono", "pcm_s16le"))
    container = sniff(path)
    with open_sound(path, container, probe(path, container, LimitSettings()), 0.0, 0.0, tmp_path) as sound:
        heard = sound.read(0, len(speech))
    assert abs(heard.mean()) < 1e-3
    assert abs(heard[:800].mean()) < 5e-3  # from the first moment on
    np.testing.assert_allclose(heard, 0.5 * speech, atol=0.03)
