"""Aggregation of clip scores over speakers; each speaker has the same weight."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from model.metrics.bootstrap import Interval, mean_interval
from model.metrics.verdicts import no_interval


class Scored(Protocol):
    """Scores of one clip under one system."""

    @property
    def clip_id(self) -> str:
        """Id of the clip."""

    @property
    def speaker(self) -> str:
        """Speaker of the clip."""

    @property
    def system(self) -> str:
        """Name of the scored system."""

    def score(self, name: str) -> float | None:
        """Return a score by name; None where it could not be measured."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A score of one system."""

    system: str
    score: str
    interval: Interval


@dataclass(frozen=True, slots=True)
class Means:
    """Scores of systems. Intervals (95 %) draw speakers: each counts once, with the mean of its clips."""

    clips: int
    speakers: int
    means: tuple[Mean, ...]

    @property
    def no_interval(self) -> str | None:
        """Reason in words why no mean has an interval; None where one has."""
        measured = [one.interval for one in self.means if one.interval.mean is not None]
        if not measured:
            return "nothing could be measured"
        causes = [no_interval(one) for one in measured]
        return None if None in causes else causes[0]

    def mean(self, system: str, score: str) -> Interval:
        """Return a score of a system.

        Raises: KeyError - it was not scored.
        """
        for mean in self.means:
            if (mean.system, mean.score) == (system, score):
                return mean.interval
        raise KeyError(f"{system}: {score}")


def means(rows: Sequence[Scored], systems: Sequence[str], scores: Sequence[str]) -> Means:
    """Aggregate each score of each system that was scored, in the order of the names.

    Raises: ValueError - no clip was scored.
    """
    if not rows:
        raise ValueError("no clip was scored")
    of = {system: [row for row in rows if row.system == system] for system in systems}
    by_system = [
        Mean(system, score, mean_interval(list(by_speaker(own, score).values())))
        for system, own in of.items()
        for score in scores
        if own
    ]
    return Means(len({row.clip_id for row in rows}), len({row.speaker for row in rows}), tuple(by_system))


def over_speakers(rows: Sequence[Scored], score: str) -> float | None:
    """Return the mean over speakers of the mean over their clips; None where no clip has the score."""
    own = by_speaker(rows, score)
    return float(np.mean(list(own.values()))) if own else None


def paired(ours: Sequence[Scored], theirs: Sequence[Scored], score: str) -> tuple[list[float], list[float]]:
    """Return a score of both systems for each speaker that has it in both."""
    mine, other = by_speaker(ours, score), by_speaker(theirs, score)
    both = sorted(mine.keys() & other.keys())
    return [mine[speaker] for speaker in both], [other[speaker] for speaker in both]


def by_speaker(rows: Sequence[Scored], score: str) -> dict[str, float]:
    """Return the mean of a score over each speaker's clips; speakers without the score are left out."""
    values: dict[str, list[float]] = {}
    for row in rows:
        value = row.score(score)
        if value is not None:
            values.setdefault(row.speaker, []).append(value)
    return {speaker: float(np.mean(own)) for speaker, own in values.items()}
