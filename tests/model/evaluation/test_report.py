"""A figure is called better only where its whole interval is; without an interval the cause stands in its place."""

import pytest

from heterodub.model.evaluation.clip_scores import ClipScores
from heterodub.model.evaluation.intervals import mean_interval, reduction_interval
from heterodub.model.evaluation.report import ReportSpec, control_verdict, make_report

SPEAKERS = [str(number) for number in range(8)]


@pytest.mark.parametrize(
    ("factors", "better", "says"),
    [
        ((0.5, 0.6), True, "better than copy: 45.0 % less error"),
        ((1.4, 1.6), False, "worse than copy: 50.0 % more error"),
        ((0.5, 1.4), None, "not better than copy: 5.0 % less error"),
    ],
)
def test_verdict_needs_the_whole_interval(factors, better, says):
    control = [0.1] * len(SPEAKERS)
    own = [0.1 * factors[number % 2] for number in range(len(SPEAKERS))]
    verdict = control_verdict("copy", "nme_lips", reduction_interval(own, control, SPEAKERS), "error")
    assert verdict.better is better and verdict.text.startswith(says)
    assert ("which holds 0" in verdict.text) == (better is None)
    assert verdict.interval.why_missing() is None


@pytest.mark.parametrize(
    ("own", "control", "speakers", "says"),
    [
        ([0.05], [0.1], ["ada"], "not distinguishable from copy: 50.0 % less nme, without an interval (one speaker,"),
        ([0.05, 0.06], [0.1, 0.1], ["ada", "ada"], "(one speaker, and an interval needs two or more"),
        ([None], [0.1], ["ada"], "not distinguishable from copy: nme cannot be compared, no clip has this score"),
        ([0.1, 0.1], [0.0, 0.0], ["a", "b"], "it is relative to an error of 0"),
    ],
)
def test_undecidable_verdict_names_its_cause(own, control, speakers, says):
    verdict = control_verdict("copy", "nme", reduction_interval(own, control, speakers))
    assert verdict.better is None and says in verdict.text


def test_mean_of_one_speaker_is_a_figure_without_an_interval():
    assert "one speaker" in mean_interval([1.0, 2.0], ["ada", "ada"]).why_missing()
    assert mean_interval([1.0, 2.0], ["ada", "bo"]).why_missing() is None


SPEC = ReportSpec(("own", "copy"), ("error",), (("own", "copy"),), ("error",), (), ("error", "error"), ("copy",))


def test_means_of_the_systems_that_were_scored():
    rows = [("a", 0.1, "c"), ("a", 0.3, "d"), ("b", 0.6, "c"), ("c", None, "c")]
    report = make_report([ClipScores(clip, speaker, "own", {"error": error}) for speaker, error, clip in rows], SPEC)
    assert (report.clips, report.speakers, len(report.means)) == (2, 3, 1)
    assert (report.means[0].system, report.means[0].score) == ("own", "error")
    assert report.means[0].interval.mean == pytest.approx(0.4)
    assert (report.improvements, report.verdicts, report.no_interval) == ((), (), None)


def test_report_of_nothing_says_so():
    report = make_report([], SPEC)
    assert (report.clips, report.means, report.no_interval) == (0, (), "nothing could be measured")
