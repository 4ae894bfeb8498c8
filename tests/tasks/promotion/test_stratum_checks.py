"""The rule on strata, seen to refuse and to pass, on scores whose outcome can be computed by hand."""

import numpy as np
import pytest

from heterodub.schemas.strata import FACTOR_NAMES
from heterodub.tasks.promotion.checks import figure
from heterodub.tasks.promotion.decision import decide
from heterodub.tasks.promotion.stratum_checks import compare_strata
from tests.tasks.promotion.made_sheets import DIRECTIONS, RESAMPLING, RULE, sheet

SPEAKERS, CLIPS = 18, 2
RULES = RULE.model_copy(update={"strata": {"corpus": 0.02, "speaker": 0.02}})


def corpora(*speakers: int) -> dict[str, dict[str, str]]:
    """Strata of a sheet's clips: so many speakers of each corpus, a, b, ..., in the order of the clips."""
    names = [chr(ord("a") + number) for number, count in enumerate(speakers) for _ in range(count)]
    return {
        f"clip {clip:03d}": dict.fromkeys(FACTOR_NAMES, "all") | {"corpus": names[clip // CLIPS]}
        for clip in range(len(names) * CLIPS)
    }


def harmed(first: int, by: float, others: float = 0.5):
    """Errors of a challenger: of the first so many speakers `by` times the champion's, of the others better."""
    return lambda clip: by * (1 + 0.01 * (clip % 3 - 1)) if clip // CLIPS < first else others


def decided(error, strata, rule=RULES):
    challenger, champion = (sheet(number, of, speakers=SPEAKERS, clips=CLIPS) for number, of in ((2, error), (1, 1.0)))
    return decide(challenger, champion, DIRECTIONS, rule, RESAMPLING, strata)


def failed(verdict) -> list[str]:
    return [check.name for check in verdict.checks if not check.passed]


def test_challenger_that_harms_one_corpus_is_refused():
    """It wins over all clips, and loses a fifth on a third of the speakers."""
    verdict = decided(harmed(6, 1.2), corpora(6, 6, 6))
    assert verdict.outcome == "keep" and failed(verdict) == ["by corpus"]
    assert verdict.reason.startswith("not held: error in no stratum by corpus surely more than 0.02 above")
    assert "in a (12 clips of 6 speakers)" in verdict.reason
    assert decided(harmed(6, 1.2), corpora(6, 6, 6), RULE).outcome == "promote"  # a policy without the rule


def test_challenger_within_the_tolerance_passes():
    assert decided(harmed(6, 1.01), corpora(6, 6, 6)).outcome == "promote"
    lenient = RULE.model_copy(update={"strata": {"corpus": 0.3}})
    assert decided(harmed(6, 1.2), corpora(6, 6, 6), lenient).outcome == "promote"


def test_harm_that_is_not_sure_does_not_refuse():
    """Of six speakers one is harmed much: the mean is worse, and the interval reaches far above zero."""
    verdict = decided(lambda clip: 2.5 if clip < CLIPS else 0.9, corpora(6, 6, 6))
    by_corpus = next(check for check in verdict.checks if check.name == "by corpus")
    worst = next(part for part in verdict.strata if part.stratum == "a")
    assert worst.gain.mean < -0.1 < 0 < worst.gain.high and by_corpus.passed


def test_small_stratum_is_named_and_decides_nothing():
    verdict = decided(harmed(3, 1.5), corpora(3, 7, 8))
    by_corpus = next(check for check in verdict.checks if check.name == "by corpus")
    assert by_corpus.passed and "too few speakers in 1 of 3 strata" in figure(by_corpus)
    small = next(part for part in verdict.strata if part.stratum == "a")
    assert small.not_judged == "fewer than 6 speakers" and small.gain.mean < -0.4


def test_factor_of_one_stratum_says_so_and_passes():
    by_speaker = next(check for check in decided(0.8, corpora(9, 9)).checks if check.name == "by speaker")
    assert (by_speaker.passed, by_speaker.value) == (True, None)
    assert figure(by_speaker) == "not judged: all clips are all"


@pytest.mark.parametrize("strata", [{}, {"clip 000": dict.fromkeys(FACTOR_NAMES, "all")}])
def test_clips_without_strata_decide_nothing(strata):
    verdict = decided(0.8, strata)
    assert verdict.outcome == "promote"
    assert all(figure(check).startswith("not judged") for check in verdict.checks if check.name.startswith("by "))


def test_score_that_is_missing_in_one_stratum_alone_refuses():
    """Two clips of 36 are too few to count over all, and a sixth of their stratum's."""
    verdict = decided(lambda clip: None if clip in (0, 2) else 0.8, corpora(6, 12))
    assert failed(verdict) == ["by corpus"] and "not measured on 2 clips where the other one is" in verdict.reason


def test_intervals_widen_with_the_number_of_judged_strata():
    challenger, champion = (
        sheet(number, of, speakers=SPEAKERS, clips=CLIPS)
        for number, of in ((2, lambda clip: 1 + 0.1 * np.sin(clip)), (1, 1.0))
    )
    widths = []
    for parts in ((6, 12), (6, 6, 6)):
        compared = compare_strata(challenger, champion, corpora(*parts), RULES, 0.95)
        first = next(part for part in compared if part.stratum == "a")
        widths.append(first.gain.high - first.gain.low)
    assert widths[0] < widths[1]


def test_first_champion_is_not_asked_for_strata():
    verdict = decide(sheet(1, speakers=SPEAKERS), None, DIRECTIONS, RULES, RESAMPLING, corpora(9, 9))
    assert verdict.outcome == "promote" and not [check for check in verdict.checks if check.name.startswith("by ")]
    assert {part.not_judged for part in verdict.strata} == {"there is no champion"}
