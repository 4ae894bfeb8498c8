"""Report of an evaluation: means over speakers with intervals, and improvements and verdicts against controls.

A verdict goes by the interval of the improvement, never by the figure alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from heterodub.model.evaluation.clip_scores import ClipScores, by_speaker, of_system, paired
from heterodub.model.evaluation.intervals import Interval, difference_interval, mean_interval, reduction_interval


@dataclass(frozen=True, slots=True)
class SystemMean:
    """A score of one system; its interval (95 %) draws speakers: each counts once, with the mean of its clips."""

    system: str
    score: str
    interval: Interval


@dataclass(frozen=True, slots=True)
class Improvement:
    """Improvement of a system over a control: reduction of an error as a share, or difference of a gain."""

    system: str
    control: str
    score: str
    interval: Interval


@dataclass(frozen=True, slots=True)
class ControlVerdict:
    """Comparison of a system with one of its controls, by one error.

    interval: how much better it is, 0 for no difference: the share by which the error is lower. better: True or False
    where the whole interval says so, None where it holds 0 or there is none. text: the same in a sentence.
    """

    control: str
    score: str
    interval: Interval
    better: bool | None
    text: str


@dataclass(frozen=True, slots=True)
class ReportSpec:
    """Contents of a report.

    systems, scores: in their order. comparisons: pairs of a system and a control; the first system is the model itself.
    errors: scores of which a reduction makes sense; gains: of which a difference does, more being better. deciding: the
    error by which a system is better than a control, as in the default promotion policy, and its name in words.
    decisive: controls that get a verdict. drawn: what intervals draw.
    """

    systems: tuple[str, ...]
    scores: tuple[str, ...]
    comparisons: tuple[tuple[str, str], ...]
    errors: tuple[str, ...]
    gains: tuple[str, ...]
    deciding: tuple[str, str]
    decisive: tuple[str, ...]
    drawn: str = "speaker"

    @property
    def model(self) -> str:
        """Name of the system that is the model itself."""
        return self.comparisons[0][0]

    def improvement(self, ours: Sequence[ClipScores], theirs: Sequence[ClipScores], score: str) -> Interval:
        """Compare rows of two systems, paired by speaker: reduction of an error, or difference of a gain."""
        both = paired(ours, theirs, score)
        return reduction_interval(*both) if score in self.errors else difference_interval(*both)


@dataclass(frozen=True, slots=True)
class Report:
    """All scores of an evaluation. no_interval: reason in words why no mean has an interval; None where one has."""

    clips: int
    speakers: int
    means: tuple[SystemMean, ...]
    improvements: tuple[Improvement, ...]
    verdicts: tuple[ControlVerdict, ...]
    no_interval: str | None


def make_report(rows: Sequence[ClipScores], spec: ReportSpec) -> Report:
    """Aggregate the scores of clips: of the systems that were scored, in the order of the names."""
    scored = {system: selected for system in spec.systems if (selected := of_system(rows, system))}
    means = tuple(
        SystemMean(system, score, mean_interval(list(by_speaker(selected, score).values())))
        for system, selected in scored.items()
        for score in spec.scores
    )
    improvements = tuple(
        Improvement(system, control, score, spec.improvement(scored[system], scored[control], score))
        for system, control in spec.comparisons
        if system in scored and control in scored
        for score in (*spec.errors, *spec.gains)
    )
    deciding, name = spec.deciding
    verdicts = tuple(
        control_verdict(improvement.control, improvement.score, improvement.interval, name, spec.drawn)
        for improvement in improvements
        if improvement.score == deciding and improvement.control in spec.decisive
    )
    clips, speakers = ({getattr(row, name) for row in rows} for name in ("clip_id", "speaker"))
    no_interval = _no_interval([mean.interval for mean in means], spec.drawn)
    return Report(len(clips), len(speakers), means, improvements, verdicts, no_interval)


def _no_interval(intervals: Sequence[Interval], drawn: str) -> str | None:
    causes = [interval.why_missing(drawn) for interval in intervals if interval.mean is not None]
    return "nothing could be measured" if not causes else None if None in causes else causes[0]


def control_verdict(
    control: str, score: str, interval: Interval, name: str = "", drawn: str = "speaker"
) -> ControlVerdict:
    """Make the verdict from the reduction of an error (intervals.reduction_interval). name: of the score, in words.

    drawn: what the interval draws, such as speakers or videos.
    """
    better = interval.is_positive
    unsure = "not better than" if interval.low is not None else "not distinguishable from"
    words = unsure if better is None else "better than" if better else "worse than"
    text = f"{words} {control}: {_percent_text(interval, name or score, drawn)}"
    return ControlVerdict(control, score, interval, better, text)


def _percent_text(interval: Interval, name: str, drawn: str) -> str:
    if interval.mean is None:
        return f"{name} cannot be compared, {interval.why_missing(drawn)}"
    text = f"{100 * abs(interval.mean):.1f} % {'less' if interval.mean >= 0 else 'more'} {name}"
    if interval.low is None or interval.high is None:
        return f"{text}, without an interval ({interval.why_missing(drawn)})"
    reach = f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"
    return f"{text} ({reach}{'' if interval.is_positive is not None else ', which holds 0'})"
