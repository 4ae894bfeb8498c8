"""Confidence intervals by resampling, for means over clips, for two systems on the same clips, and for pooled figures.

Clips of one speaker resemble each other, so they are not so many independent trials. Whole groups (speakers) are drawn
with replacement, each with all of its clips: a cluster bootstrap. Without groups each clip is one.

The intervals are percentile intervals, expanded for small numbers of groups: plain ones are too narrow, by the same
measure as a standard deviation divided by n instead of n - 1 and a normal in place of a t distribution. Source: Tim
Hesterberg, What Teachers Should Know about the Bootstrap, https://arxiv.org/abs/1411.5279, "expanded percentile".
Intervals meant to hold the truth 90 times of 100 held it 74 times with 3 speakers of 2 to 8 simulated clips, 84 with 4,
88 with 6, 90 with 10 and more (plain ones: 65, 72, 78, 85): three speakers are too few to tell how speakers differ.

Figures of all clips together, such as a Frechet distance, have a jackknife interval. A bootstrap would draw speakers
twice, and with fewer different pictures a Frechet distance grows: its resamples lie above the figure itself. A
jackknife leaves out one speaker at a time. Source: Bradley Efron and Robert Tibshirani, An Introduction to the
Bootstrap, 1993, chapter 11.

Weighted shares, such as the precision of a policy on a sample of clips, have Wilson's interval (`share_interval`).

Shape suffix legend: V = clips, K = systems, G = groups, S = resamples.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Array

Scores = Sequence[float | None]
Groups = Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Resampling:
    """Settings of the bootstrap. Intervals are deterministic."""

    level: float = 0.95
    """Share of intervals that should hold the truth."""

    resamples: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise ValueError(f"a confidence level lies between 0 and 1, got {self.level}")
        if self.resamples < 1:
            raise ValueError(f"an interval needs resamples, got {self.resamples}")


STANDARD: Final = Resampling()


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its confidence interval.

    mean: the figure over all clips that have it; None without any. low, high: the interval; None with fewer than two
    groups, since the differences between groups are then unknown. clips, groups: their numbers. left_out: clips
    that have no figure (of two systems: not both).
    """

    mean: float | None
    low: float | None
    high: float | None
    clips: int
    groups: int
    left_out: int

    def format(self, spec: str = ".2f", scale: float = 1.0, unit: str = "", missing: str = "not measured") -> str:
        """Return the figure times `scale`, and its interval in brackets where there is one. spec: format of a number.

        unit: follows the figure. missing: the text without a figure.
        """
        if self.mean is None:
            return missing
        middle = f"{scale * self.mean:{spec}}{unit}"
        if self.low is None or self.high is None:
            return middle
        return f"{middle} ({scale * self.low:{spec}} to {scale * self.high:{spec}})"

    def why_missing(self, drawn: str = "speaker") -> str | None:
        """Return the reason why the figure or its interval is missing; None where it has one.

        drawn: what the interval draws, such as speakers or videos.
        """
        if self.mean is None:
            return "no clip has this score" if not self.clips else "it is relative to an error of 0"
        if self.low is not None:
            return None
        if self.groups < 2:
            return f"one {drawn}, and an interval needs two or more: it says how much {drawn}s differ"
        return f"too few {drawn}s have this score for an interval"

    @property
    def is_positive(self) -> bool | None:
        """True or False where the whole interval lies above or below 0; None where it holds 0 or there is none."""
        if self.low is None or self.high is None:
            return None
        return True if self.low > 0 else False if self.high < 0 else None


def mean_interval(scores: Scores, groups: Groups = None, how: Resampling = STANDARD) -> Interval:
    """Return the mean over clips. groups: the speaker of each clip; without, clips are taken as independent.

    Raises: ValueError - scores and groups differ in number, or a score is not finite.
    """
    return _interval([scores], groups, how, lambda means_K: means_K[..., 0])


def difference_interval(
    candidate: Scores, baseline: Scores, groups: Groups = None, how: Resampling = STANDARD
) -> Interval:
    """Return the mean of candidate minus baseline over the clips that both have. Above 0, the candidate scores more.

    Raises: ValueError - scores and groups differ in number, or a score is not finite.
    """
    return _interval([candidate, baseline], groups, how, lambda means_K: means_K[..., 0] - means_K[..., 1])


def reduction_interval(
    candidate: Scores, baseline: Scores, groups: Groups = None, how: Resampling = STANDARD
) -> Interval:
    """Return the reduction of the baseline's error by the candidate: 1 - candidate / baseline, of means over clips.

    0.25 is a quarter less error, negative is more. The ratio is that of means, not the mean of ratios: a clip that the
    baseline happens to fit would otherwise outweigh the rest. None where the baseline has no error to reduce.

    Raises: ValueError - scores and groups differ in number, a score is not finite, or a baseline is negative.
    """
    if any(value is not None and value < 0 for value in baseline):
        raise ValueError("a reduction is relative to an error, which is never negative; use difference_interval")
    return _interval([candidate, baseline], groups, how, _reduction)


def gain_difference_interval(
    candidate: tuple[Scores, Scores], baseline: tuple[Scores, Scores], groups: Groups = None, how: Resampling = STANDARD
) -> Interval:
    """Return the candidate's gain over its control minus the baseline's gain over its own.

    Each is a pair (own errors, its control's errors); gains are as in `reduction_interval`. 0.02 is two points more,
    below 0 is less.

    Raises: ValueError - as reduction_interval.
    """
    if any(value is not None and value < 0 for control in (candidate[1], baseline[1]) for value in control):
        raise ValueError("a gain is relative to an error, which is never negative")
    return _interval(
        [*candidate, *baseline], groups, how, lambda means_K: _reduction(means_K) - _reduction(means_K[..., 2:])
    )


def _reduction(means_K: Array) -> Array:
    candidate, baseline = means_K[..., 0], means_K[..., 1]
    return np.asarray(1 - candidate / np.where(baseline > 0, baseline, np.nan))


def _interval(systems: Sequence[Scores], groups: Groups, how: Resampling, figure: Callable[[Array], Array]) -> Interval:
    """Return the figure of the systems' means, and its interval over resampled groups."""
    sums_GK, clips_G, left_out = _grouped(systems, groups)
    clips = int(clips_G.sum())
    if not clips:
        return Interval(None, None, None, 0, 0, left_out)
    mean = _number(figure(sums_GK.sum(axis=0) / clips))
    low, high = (None, None) if len(clips_G) < 2 else _bounds(figure(_resampled(sums_GK, clips_G, how)), clips_G, how)
    return Interval(mean, low, high, clips, len(clips_G), left_out)


def _grouped(systems: Sequence[Scores], groups: Groups) -> tuple[Array, NDArray[np.intp], int]:
    """Return sums (G, K) over the clips that all systems have, their numbers (G,), and how many clips are left out.

    Raises: ValueError - systems and groups differ in number, or a score is not finite.
    """
    names = np.arange(len(systems[0])) if groups is None else np.asarray(groups)
    if {len(scores) for scores in systems} != {len(names)}:
        raise ValueError(f"{[len(scores) for scores in systems]} scores, but {len(names)} groups for them")
    scores_VK = np.array([_column(scores) for scores in systems]).T
    kept_V = ~np.isnan(scores_VK).any(axis=1)
    return *_by_group(scores_VK[kept_V], names[kept_V]), int((~kept_V).sum())


def _column(scores: Scores) -> Array:
    """Return scores with NaN in place of None. Raises: ValueError - a score is not finite."""
    if not all(value is None or np.isfinite(value) for value in scores):
        raise ValueError("a score is not finite; one that could not be measured is None")
    return np.array([np.nan if value is None else value for value in scores], np.float64)


def _by_group(scores_VK: Array, names_V: NDArray[np.generic]) -> tuple[Array, NDArray[np.intp]]:
    _, member_V, clips_G = np.unique(names_V, return_inverse=True, return_counts=True)
    sums_GK = np.zeros((len(clips_G), scores_VK.shape[1]))
    np.add.at(sums_GK, member_V, scores_VK)
    return sums_GK, clips_G


def _resampled(sums_GK: Array, clips_G: NDArray[np.intp], how: Resampling) -> Array:
    """Return means over the clips of groups drawn with replacement, as many as there are: (S, K)."""
    groups = len(clips_G)
    drawn_SG = np.random.default_rng(how.seed).multinomial(groups, np.full(groups, 1 / groups), how.resamples)
    return np.asarray((drawn_SG @ sums_GK) / (drawn_SG @ clips_G)[:, None])


def _bounds(figures_S: Array, clips_G: NDArray[np.intp], how: Resampling) -> tuple[float | None, float | None]:
    if np.isnan(figures_S).any():
        return None, None
    tail = expanded_tail((1 - how.level) / 2, len(clips_G))
    low, high = np.quantile(figures_S, [tail, 1 - tail])
    return float(low), float(high)


def expanded_tail(tail: float, groups: int) -> float:
    """Return the quantile, smaller than `tail`, at which to cut so that each tail of a bootstrap holds about `tail`."""
    from scipy.special import ndtr, stdtrit  # not above: checks before a run import this file alone

    return float(ndtr(stdtrit(groups - 1, tail) * np.sqrt(groups / (groups - 1))))


def _number(value: Array) -> float | None:
    return None if np.isnan(value) else float(value)


def jackknife_interval(whole: float, without: Sequence[float], clips: int, level: float = 0.95) -> Interval:
    """Return a figure over groups of clips, with its interval by a t distribution of (groups - 1) degrees of freedom.

    without: the figure without each group. With fewer than two groups there is no interval.

    Raises: ValueError - a figure is not finite.
    """
    from scipy.special import stdtrit  # as in expanded_tail

    figures = np.asarray(without, np.float64)
    groups = len(figures)
    if not np.isfinite([whole, *figures]).all():
        raise ValueError("a figure is not finite; one that could not be measured has no interval")
    if groups < 2:
        return Interval(whole, None, None, clips, groups, 0)
    error = np.sqrt((groups - 1) / groups * np.square(figures - figures.mean()).sum())
    reach = float(stdtrit(groups - 1, (1 + level) / 2) * error)
    return Interval(whole, whole - reach, whole + reach, clips, groups, 0)


def jackknifed_reduction(candidate: Scores, baseline: Scores, groups: Sequence[str], level: float = 0.95) -> Interval:
    """Return the reduction of `reduction_interval` with a jackknife interval, for high levels over few groups: there a
    bootstrap's interval ends at the worst and the best group.

    Raises: ValueError - scores and groups differ in number, or a score is not finite.
    """
    sums_GK, clips_G, left_out = _grouped([candidate, baseline], groups)
    clips = int(clips_G.sum())
    whole = _number(_reduction(sums_GK.sum(axis=0))) if clips else None
    without_G = _reduction(sums_GK.sum(axis=0) - sums_GK)
    if whole is None or len(clips_G) < 2 or np.isnan(without_G).any():
        return Interval(whole, None, None, clips, len(clips_G), left_out)
    return replace(jackknife_interval(whole, without_G.tolist(), clips, level), left_out=left_out)


def share_interval(
    hits: Sequence[bool], weights: Sequence[float], groups: Sequence[str], level: float = 0.95
) -> Interval:
    """Return the weighted share of hits, with Wilson's interval: it stays within 0 and 1, and is not empty at them.

    weights: clips that each clip stands for. groups: the speaker of each; clips of one resemble each other, so the
    number of trials is that of Kish over speakers, (sum w)^2 / sum w^2 with w of each speaker: no more than there are
    speakers. Sources: Edwin Wilson, 1927, Probable inference; Leslie Kish, Survey Sampling, 1965, chapter 11.

    Raises: ValueError - the sequences differ in length, or a weight is not positive.
    """
    if not len(hits) == len(weights) == len(groups) or any(weight <= 0 for weight in weights):
        raise ValueError(f"{len(hits)} hits, {len(weights)} weights and {len(groups)} groups; weights are positive")
    by_group: dict[str, float] = {}
    for weight, group in zip(weights, groups, strict=True):
        by_group[group] = by_group.get(group, 0.0) + weight
    total = sum(weights)
    if not hits:
        return Interval(None, None, None, 0, 0, 0)
    share = sum(weight for hit, weight in zip(hits, weights, strict=True) if hit) / total
    if len(by_group) < 2:
        return Interval(share, None, None, len(hits), len(by_group), 0)
    trials, z = total**2 / sum(weight**2 for weight in by_group.values()), NormalDist().inv_cdf((1 + level) / 2)
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    reach = z / (1 + z**2 / trials) * (share * (1 - share) / trials + z**2 / (4 * trials**2)) ** 0.5
    return Interval(share, max(0.0, middle - reach), min(1.0, middle + reach), len(hits), len(by_group), 0)
