import numpy as np
import pytest
from scipy.signal import butter, lfilter, sosfilt

from heterodub.tasks.media.audio_writer import SteadyRemover
from heterodub.tasks.media.recursive_filter import filtered
from heterodub.tasks.quality.sound import speech_band


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(count).standard_normal(count).astype(np.float32)


@pytest.mark.parametrize("count", [1, 160_001])
def test_filtered_equals_scipy_signal(count):
    sections = butter(5, [300, 3000], "bandpass", fs=16_000, output="sos")
    assert np.array_equal(filtered(sections, noise(count)), sosfilt(sections, noise(count).astype(np.float64)))


def test_filtered_goes_on_from_its_state():
    sections, state = butter(4, 60, "highpass", fs=16_000, output="sos"), np.zeros((2, 2))
    pieces = [filtered(sections, piece, state) for piece in np.split(noise(3000), [1, 1000])]
    assert np.array_equal(np.concatenate(pieces), filtered(sections, noise(3000)))


def test_speech_band_is_a_butterworth_high_pass_at_60_hz():
    sections = butter(4, 60, "highpass", fs=16_000, output="sos")
    np.testing.assert_allclose(speech_band(noise(20_000)), sosfilt(sections, noise(20_000)), atol=1e-6)


def test_steady_remover_equals_a_first_order_filter():
    remover, pole = SteadyRemover(8000), 1 - 2 * np.pi * 4 / 8000
    samples = noise(5000) + 0.3
    expected, _ = lfilter([1, -1], [1, -pole], samples.astype(np.float64), zi=[-samples[:2000].mean(dtype=np.float64)])
    pieces = [remover.remove(piece) for piece in np.split(samples, [2000])]
    assert np.array_equal(np.concatenate(pieces), expected.astype(np.float32))
