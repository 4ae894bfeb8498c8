import numpy as np
import pytest

from heterodub.tasks.synthetic.speech import LEVEL_DBFS, SAMPLE_RATE_HZ, Utterance, Voice, speak


def test_same_words_are_the_same_samples(utterances, spoken):
    again = speak(utterances)
    for first, second in zip(spoken, again, strict=True):
        assert np.array_equal(first.samples, second.samples)
        assert first.phonemes == second.phonemes


def test_phonemes_are_in_order_and_inside_the_sound(spoken):
    for speech in spoken:
        starts = [phoneme.start_s for phoneme in speech.phonemes]
        ends = [phoneme.end_s for phoneme in speech.phonemes]
        assert len(starts) > 20
        assert all(a < b for a, b in zip(starts, ends, strict=True))
        assert all(end <= start + 1e-9 for end, start in zip(ends, starts[1:], strict=False))
        assert starts[0] >= 0
        assert ends[-1] <= speech.duration_s


def test_phonemes_stand_where_they_sound(spoken):
    samples = spoken[0].samples
    said = np.zeros(len(samples), bool)
    for phoneme in spoken[0].phonemes:
        said[int(phoneme.start_s * SAMPLE_RATE_HZ) : int(phoneme.end_s * SAMPLE_RATE_HZ)] = True
    assert np.mean(samples[said] ** 2) > 1000 * np.mean(samples[~said] ** 2)


def test_pauses_have_the_requested_length(spoken):
    assert not spoken[0].samples[: int(0.29 * SAMPLE_RATE_HZ)].any()
    gaps = np.diff(np.array([(p.start_s, p.end_s) for p in spoken[0].phonemes]).ravel())[1::2]
    assert gaps.max() >= 0.4


def test_two_voices_sound_different(spoken):
    spectra = [np.abs(np.fft.rfft(speech.samples, 1 << 19)) for speech in spoken]
    assert np.corrcoef(spectra[0], spectra[1])[0, 1] < 0.8


def test_level_is_as_promised(spoken):
    heard = spoken[0].samples[np.abs(spoken[0].samples) > 1e-3 * np.abs(spoken[0].samples).max()]
    assert 20 * np.log10(np.sqrt(np.mean(heard**2))) == pytest.approx(LEVEL_DBFS, abs=0.5)


def test_unknown_voice_is_named():
    with pytest.raises(RuntimeError, match="no voice 'nobody at all'"):
        speak([Utterance(Voice("nobody at all", 150, 50, 50), ("hello",), (0.1, 0.1))])


def test_pauses_must_fit_the_phrases():
    with pytest.raises(ValueError, match="2 phrases need one pause more, got 2"):
        Utterance(Voice("en-us", 150, 50, 50), ("one", "two"), (0.1, 0.1))
