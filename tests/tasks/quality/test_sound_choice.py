"""Of several sounds the default one, else the one that fits the mouths."""

import pytest

from tasks.quality.sound_choice import SoundEvidence, choose_sound, is_clear

ALONE, EQUAL = True, False


def sounds(*scores):
    """A number: a mean score; None: audible, but not measured; "silent": inaudible."""
    return [SoundEvidence([] if score is None or score == "silent" else [score], score != "silent") for score in scores]


@pytest.mark.parametrize(
    ("scores", "default_alone", "chosen"),
    [
        ((5.0, 0.2), ALONE, 0),
        ((0.2, 5.0), ALONE, 1),  # a dubbed language is flagged, the original one fits
        ((0.2, 2.5), ALONE, 0),  # fits, but not clearly
        ((2.0, 6.0), ALONE, 0),
        ((0.2, 2.5), EQUAL, 1),
        ((1.9, 6.0), EQUAL, 1),
        ((5.0, 5.4), EQUAL, 0),  # the same voice in stereo and in surround
        ((0.5, 0.9, -1.0), EQUAL, 0),
        ((None, None), EQUAL, 0),
        (("silent", None), ALONE, 1),
        (("silent", "silent"), ALONE, 0),
        (("silent", 2.0), ALONE, 1),
        ((0.1, "silent", 3.0, 7.0), EQUAL, 3),
    ],
)
def test_best_matching_stream_is_chosen(scores, default_alone, chosen):
    assert choose_sound(sounds(*scores), default_alone) == chosen


def test_choice_ends_early_when_clear():
    assert is_clear(sounds(5.0, 0.3))
    assert not is_clear(sounds(5.0, 4.5))
    assert not is_clear(sounds(5.0, 2.0))
    assert not is_clear(sounds(2.0, None))


def test_score_is_the_mean_of_the_clips_that_could_be_measured():
    evidence = SoundEvidence()
    for score in (4.0, None, 1.0):
        evidence.add(score, is_heard=True)
    assert evidence.score == 2.5
    assert SoundEvidence().score is None
