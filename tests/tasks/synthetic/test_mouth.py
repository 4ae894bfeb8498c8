import numpy as np

from heterodub.tasks.synthetic.mouth import CLOSED, OPENING, mouth_curve
from heterodub.tasks.synthetic.speech import Phoneme

FPS = 200.0


def openness(ipa: str) -> float:
    """Mean opening of a phoneme's parts; a diphthong has two."""
    return float(np.mean([OPENING.get(symbol, 0.3) for symbol in ipa]))


def curve_of(speech):
    return mouth_curve(speech.phonemes, int(speech.duration_s * FPS), FPS)


def test_lips_close_on_p_b_and_m(spoken):
    for speech in spoken:
        opening = curve_of(speech).opening
        closed = [phoneme for phoneme in speech.phonemes if phoneme.ipa in CLOSED]
        assert len(closed) >= 5
        for phoneme in closed:
            frames = slice(int(phoneme.start_s * FPS) - 4, int(phoneme.end_s * FPS))
            assert opening[frames].min() < 0.02, phoneme


def test_opening_follows_how_open_phonemes_are(spoken):
    for speech in spoken:
        opening = curve_of(speech).opening
        middles = [int((p.start_s + p.end_s) / 2 * FPS) - 4 for p in speech.phonemes]
        assert np.corrcoef(opening[middles], [openness(p.ipa) for p in speech.phonemes])[0, 1] > 0.8


def test_mouth_rests_in_pauses(spoken):
    curve = curve_of(spoken[0])
    assert curve.opening[: int(0.2 * FPS)].max() < 0.02
    assert np.abs(curve.width[: int(0.1 * FPS)]).max() < 0.05


def test_rounded_and_drawn_out_vowels_differ():
    curve = mouth_curve([Phoneme("u", 0.2, 0.5), Phoneme("i", 0.5, 0.8)], 25, 25)
    assert curve.width[8] < -0.7
    assert curve.width[16] > 0.7


def test_diphthong_glides():
    curve = mouth_curve([Phoneme("aɪ", 0.2, 0.6)], 25, 25)  # noqa: RUF001 - IPA
    assert curve.opening[7] > 0.8
    assert 0.25 < curve.opening[12] < 0.45


def test_mouth_is_shut_without_speech():
    assert not mouth_curve([], 10, 25).opening.any()
