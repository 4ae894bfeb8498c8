"""Log-mel features against librosa, and where a sound ends up in time."""

import librosa
import numpy as np
import pytest

from heterodub.model.features.mel import FLOOR, log_mel, mel_bank
from heterodub.model.features.timing import SAMPLES_PER_FRAME
from heterodub.schemas.contract import MEL_HOP_SAMPLES

LENGTHS = sorted({1, 2, 25, *np.random.default_rng(1).integers(1, 260, 12).tolist()})


def noise(frames: int, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(frames).standard_normal(frames * SAMPLES_PER_FRAME)).astype(np.float32)


@pytest.mark.parametrize("frames", LENGTHS)
def test_four_columns_of_80_bands_for_every_frame(frames):
    mel = log_mel(noise(frames), frames)
    assert mel.shape == (4 * frames, 80)
    assert mel.dtype == np.float32
    assert mel.flags.c_contiguous
    assert np.isfinite(mel).all()


@pytest.mark.parametrize("off", [-SAMPLES_PER_FRAME, -1, 1, 160, SAMPLES_PER_FRAME])
def test_another_number_of_samples_is_refused_with_both_numbers(off):
    samples = np.zeros(10 * SAMPLES_PER_FRAME + off, np.float32)
    with pytest.raises(ValueError, match=rf"6400 samples.*{samples.size}"):
        log_mel(samples, 10)


def test_stereo_is_refused():
    with pytest.raises(ValueError, match="shape"):
        log_mel(np.zeros((2, 6400), np.float32), 10)


@pytest.mark.parametrize("sample", [0, 80 * 160, 37 * 160, 3 * 160, 99 * 160])
def test_click_peaks_in_the_column_that_is_centred_on_it(sample):
    clip = np.zeros(25 * SAMPLES_PER_FRAME, np.float32)
    clip[sample] = 1.0
    energy = np.exp(log_mel(clip, 25)).sum(axis=1)
    assert int(np.argmax(energy)) == sample // MEL_HOP_SAMPLES
    reach = np.flatnonzero(energy > 80 * FLOOR * 1.01)
    assert abs(reach - sample / MEL_HOP_SAMPLES).max() <= 2  # a window of 640 samples, 160 apart


@pytest.mark.parametrize("level", [1.0, 0.1, 1e-3, 1e-5])
@pytest.mark.parametrize("frames", [1, 20, 250])
def test_mel_equals_librosa(frames, level):
    samples = noise(frames, level)
    shape = {"n_fft": 640, "win_length": 640, "hop_length": 160, "n_mels": 80}
    expected = librosa.feature.melspectrogram(y=samples, sr=16_000, power=1.0, **shape)
    expected = np.log(np.maximum(expected[:, : 4 * frames], FLOOR)).T
    np.testing.assert_allclose(log_mel(samples, frames), expected, atol=1e-5)


def test_silence_lies_on_the_floor():
    assert np.allclose(log_mel(np.zeros(6400, np.float32), 10), np.log(FLOOR))
    assert float(np.log(FLOOR)) == pytest.approx(-11.51, abs=0.01)


def test_twice_as_loud_is_log_two_higher():
    samples = noise(10)
    np.testing.assert_allclose(log_mel(2 * samples, 10) - log_mel(samples, 10), np.log(2), atol=1e-3)


def test_mel_filters_equal_librosa():
    expected = librosa.filters.mel(sr=16_000, n_fft=640, n_mels=80).T
    np.testing.assert_allclose(mel_bank(), expected, rtol=1e-6)
    assert mel_bank().dtype == expected.dtype == np.float32
