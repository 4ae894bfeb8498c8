"""Scores of a system by speaker with their interval, so that two systems can be compared on the same speakers.

Shape suffix legend: N = frames, D = values of a feature.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.metrics.bootstrap import Interval, difference_interval, mean_interval
from model.metrics.frechet import frechet_distance
from model.metrics.jackknife import jackknife_interval

Features = Mapping[str, Sequence[NDArray[np.floating[Any]]]]
"""Features (N, D) of each clip's frames, by speaker."""


@dataclass(frozen=True, slots=True)
class SpeakerScores:
    """A score over speakers.

    interval: the score, 95 %; intervals draw speakers. parts: by speaker the mean over its clips; of a `pooled` score,
    which is of all speakers' pictures together, the score without that speaker.
    """

    interval: Interval
    parts: Mapping[str, float]
    pooled: bool = False


def mean_over_speakers(scores: Mapping[str, float]) -> SpeakerScores:
    """Return the mean of a score over speakers."""
    return SpeakerScores(mean_interval(list(scores.values())), scores)


def frechet_over_speakers(made: Features, true: Features) -> SpeakerScores:
    """Return the Frechet distance of generated and true features; its interval leaves out one speaker at a time.

    Raises: ValueError - other speakers, or fewer than two frames.
    """
    if made.keys() != true.keys():
        raise ValueError("a Frechet distance needs pictures of the same speakers on both sides")
    whole = frechet_distance(_pooled(made), _pooled(true))
    several = len(made) > 1
    parts = {name: frechet_distance(_pooled(made, name), _pooled(true, name)) for name in made} if several else {}
    return SpeakerScores(
        jackknife_interval(whole, list(parts.values()), sum(map(len, made.values()))), parts, pooled=True
    )


def difference(one: SpeakerScores, other: SpeakerScores) -> Interval:
    """Return one minus the other, on the speakers that have both.

    Raises: ValueError - the two are not of one kind.
    """
    if one.pooled != other.pooled:
        raise ValueError("a pooled score and a mean over speakers have no difference")
    both = sorted(one.parts.keys() & other.parts.keys())
    mine, others = [one.parts[name] for name in both], [other.parts[name] for name in both]
    if not one.pooled:
        return difference_interval(mine, others)
    whole = _mean(one) - _mean(other)
    return jackknife_interval(whole, [a - b for a, b in zip(mine, others, strict=True)], one.interval.clips)


def _mean(measured: SpeakerScores) -> float:
    if measured.interval.mean is None:
        raise ValueError("what was not measured has no difference")
    return measured.interval.mean


def _pooled(features: Features, left_out: str | None = None) -> NDArray[np.floating[Any]]:
    return np.concatenate([part for name, parts in features.items() if name != left_out for part in parts])
