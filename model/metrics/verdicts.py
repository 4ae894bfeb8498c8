"""Verdicts on a system against its controls, by the interval of the difference, never by the figure alone."""

from dataclasses import dataclass

from .bootstrap import Interval


@dataclass(frozen=True, slots=True)
class ControlVerdict:
    """Comparison of a system with one of its controls, by one score.

    interval: how much better it is, 0 for no difference: the share by which an error is lower. better: True or False
    where the whole interval says so, None where it holds 0 or there is none. text: the same in a sentence.
    """

    control: str
    score: str
    interval: Interval
    better: bool | None
    text: str


def control_verdict(
    control: str, score: str, interval: Interval, name: str = "", drawn: str = "speaker"
) -> ControlVerdict:
    """Make the verdict from the reduction of an error (bootstrap.reduction_interval). name: of the score, in words.

    drawn: what the interval draws, such as speakers or videos.
    """
    better = _is_better(interval)
    unsure = "not better than" if interval.low is not None else "not distinguishable from"
    words = unsure if better is None else "better than" if better else "worse than"
    return ControlVerdict(
        control, score, interval, better, f"{words} {control}: {_figure(interval, name or score, drawn)}"
    )


def no_interval(interval: Interval, drawn: str = "speaker") -> str | None:
    """Return the reason why a figure or its interval is missing; None where it has one. drawn: see control_verdict."""
    if interval.mean is None:
        return "no clip has this score" if not interval.clips else "it is relative to an error of 0"
    if interval.low is not None:
        return None
    if interval.groups < 2:
        return f"one {drawn}, and an interval needs two or more: it says how much {drawn}s differ"
    return f"too few {drawn}s have this score for an interval"


def _is_better(interval: Interval) -> bool | None:
    if interval.low is None or interval.high is None:
        return None
    return True if interval.low > 0 else False if interval.high < 0 else None


def _figure(interval: Interval, name: str, drawn: str) -> str:
    if interval.mean is None:
        return f"{name} cannot be compared, {no_interval(interval, drawn)}"
    text = f"{100 * abs(interval.mean):.1f} % {'less' if interval.mean >= 0 else 'more'} {name}"
    if interval.low is None or interval.high is None:
        return f"{text}, without an interval ({no_interval(interval, drawn)})"
    reach = f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"
    return f"{text} ({reach}{'' if _is_better(interval) is not None else ', which holds 0'})"
