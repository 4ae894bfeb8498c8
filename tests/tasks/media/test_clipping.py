"""Clipping is where tops are flat: at full scale in whole numbers, at any level in floating point."""

import numpy as np
import pytest

from schemas.config.limits import GuardSettings
from tasks.media.probe import probe
from tasks.media.sniff import sniff
from tasks.media.sound import open_sound
from tests.tasks.media.media_files import SoundTrack, regular

RATE = 48_000
SECONDS = 2


def _voice(level):
    """Two tones that beat, as a voice's pitch and its double do, with a little noise."""
    at = np.arange(SECONDS * RATE) / RATE
    line = np.sin(2 * np.pi * 127 * at) + 0.6 * np.sin(2 * np.pi * 251.3 * at + 1)
    line += 1e-3 * np.random.default_rng(0).standard_normal(len(at))
    return (level * line / np.abs(line).max()).astype(np.float32)


def _share(clip, tmp_path, line, codec):
    path = clip(".mkv", regular(50), SoundTrack(line[None], RATE, "mono", codec))
    container = sniff(path)
    with open_sound(path, container, probe(path, container, GuardSettings()), 0.0, 0.0, tmp_path) as sound:
        return sound.clipping_share(0, SECONDS * 16_000)


@pytest.mark.parametrize("level", [0.3, 0.999, 1.05, 1.6])
def test_floats_over_full_scale_are_not_clipped(clip, tmp_path, level):
    assert _share(clip, tmp_path, _voice(level), "pcm_f32le") == 0


@pytest.mark.parametrize("cut", [0.2, 0.8, 1.0, 1.3])
def test_floats_that_were_cut_are_clipped_wherever_it_was(clip, tmp_path, cut):
    line = np.clip(_voice(1.6 * cut), -cut, cut)
    assert _share(clip, tmp_path, line, "pcm_f32le") > 0.5


def test_only_the_pieces_with_flat_tops_count(clip, tmp_path):
    line = _voice(0.5)
    line[RATE:] = np.clip(2 * line[RATE:], -0.8, 0.8)
    path = clip(".mkv", regular(50), SoundTrack(line[None], RATE, "mono", "pcm_f32le"))
    container = sniff(path)
    with open_sound(path, container, probe(path, container, GuardSettings()), 0.0, 0.0, tmp_path) as sound:
        assert sound.clipping_share(0, 15_000) == 0
        assert sound.clipping_share(16_000, 16_000) > 0.5


@pytest.mark.parametrize("hertz", [50.0, 440.0])
def test_tone_is_not_clipped(clip, tmp_path, hertz):
    line = 0.8 * np.sin(2 * np.pi * hertz * np.arange(SECONDS * RATE) / RATE)
    assert _share(clip, tmp_path, line.astype(np.float32), "pcm_f32le") == 0


def test_whole_numbers_are_clipped_at_full_scale(clip, tmp_path):
    assert _share(clip, tmp_path, np.clip(_voice(1.6), -1, 1), "pcm_s16le") > 0.5
    assert _share(clip, tmp_path, _voice(0.9), "pcm_s16le") == 0
