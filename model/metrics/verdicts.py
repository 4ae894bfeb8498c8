"""Whether a system is better than a control, in words: by the interval of the difference, never by the figure alone."""

from dataclasses import dataclass

from .bootstrap import Interval


@dataclass(frozen=True, slots=True)
class ControlVerdict:
    """A system against one of its controls, by one score.

    interval: how much better it is, 0 for no difference: the share by which an error is lower. better: True or False
    where the whole interval says so, None where it holds 0 or there is none. text: the same in a sentence.
    """

    control: str
    score: str
    interval: Interval
    better: bool | None
    text: str


def control_verdict(control: str, score: str, interval: Interval, name: str = "") -> ControlVerdict:
    """Judge by the reduction of an error (bootstrap.reduction_interval). name: of the score, for people."""
    better = _is_better(interval)
    unsure = "not better than" if interval.low is not None else "cannot be told from"
    words = unsure if better is None else "better than" if better else "worse than"
    return ControlVerdict(control, score, interval, better, f"{words} {control}: {_figure(interval, name or score)}")


def no_interval(interval: Interval) -> str | None:
    """Why a figure has no interval, or is none, in words; None where it has one."""
    if interval.mean is None:
        return "no clip has this score" if not interval.clips else "it is relative to an error of 0"
    if interval.low is not None:
        return None
    if interval.groups < 2:
        return "one speaker, and an interval needs two or more: it says how much speakers differ"
    return "too few speakers have this score for an interval"


def _is_better(interval: Interval) -> bool | None:
    if interval.low is None or interval.high is None:
        return None
    return True if interval.low > 0 else False if interval.high < 0 else None


def _figure(interval: Interval, name: str) -> str:
    if interval.mean is None:
        return f"{name} cannot be compared, {no_interval(interval)}"
    text = f"{100 * abs(interval.mean):.1f} % {'less' if interval.mean >= 0 else 'more'} {name}"
    if interval.low is None or interval.high is None:
        return f"{text}, without an interval ({no_interval(interval)})"
    reach = f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"
    return f"{text} ({reach}{'' if _is_better(interval) is not None else ', which holds 0'})"
