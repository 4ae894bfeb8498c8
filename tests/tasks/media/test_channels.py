"""The best of mix and channels is used, on speech whose place is known."""

import numpy as np
import pytest
from av.audio.frame import AudioFrame

from schemas.config.limits import GuardSettings
from tasks.media.channels import best_channel
from tasks.media.probe import probe
from tasks.media.sniff import sniff
from tasks.media.sound import open_sound
from tasks.quality.sound import level_dbfs, speech_probability
from tests.tasks.media.media_files import SoundTrack, regular
from tests.tasks.quality.conftest import speeches  # noqa: F401 - a fixture

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
    with open_sound(path, container, probe(path, container, GuardSettings()), 0.0, 0.0, tmp_path) as sound:
        heard = sound.read(0, len(speech))
        assert sound.channel is not None
        assert sound.channel.name in ("FL", "channel 1")
    assert level_dbfs(heard) == pytest.approx(level_dbfs(speech), abs=0.1)
    assert (speech_probability(heard) >= 0.5).mean() > 0.5


def test_offset_from_zero_is_taken_out(clip, tmp_path, speech):
    path = clip(".mkv", regular(140), SoundTrack(speech[None] * 0.5 + 0.2, RATE, "mono", "pcm_s16le"))
    container = sniff(path)
    with open_sound(path, container, probe(path, container, GuardSettings()), 0.0, 0.0, tmp_path) as sound:
        heard = sound.read(0, len(speech))
    assert abs(heard.mean()) < 1e-3
    assert abs(heard[:800].mean()) < 5e-3  # from the first moment on
    np.testing.assert_allclose(heard, 0.5 * speech, atol=0.03)
