"""Scores of many clips put together over speakers, who weigh the same, whoever has most footage."""

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
        """Which clip."""

    @property
    def speaker(self) -> str:
        """Whose clip."""

    @property
    def system(self) -> str:
        """What was judged."""

    def score(self, name: str) -> float | None:
        """A score by name; None where it could not be measured."""


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
        """Why no mean has an interval, in words; None where one has."""
        measured = [one.interval for one in self.means if one.interval.mean is not None]
        if not measured:
            return "nothing could be measured"
        causes = [no_interval(one) for one in measured]
        return None if None in causes else causes[0]

    def mean(self, system: str, score: str) -> Interval:
        """A score of a system.

        Raises: KeyError - it was not judged.
        """
        for mean in self.means:
            if (mean.system, mean.score) == (system, score):
                return mean.interval
        raise KeyError(f"{system}: {score}")


def means(sat: Sequence[Scored], systems: Sequence[str], scores: Sequence[str]) -> Means:
    """Each score of each system that was judged, in the order of the names.

    Raises: ValueError - no clip was judged.
    """
    if not sat:
        raise ValueError("no clip was judged")
    of = {system: [row for row in sat if row.system == system] for system in systems}
    found = [
        Mean(system, score, mean_interval(list(by_speaker(rows, score).values())))
        for system, rows in of.items()
        for score in scores
        if rows
    ]
    return Means(len({row.clip_id for row in sat}), len({row.speaker for row in sat}), tuple(found))


def over_speakers(sat: Sequence[Scored], score: str) -> float | None:
    """Mean over speakers of the mean over their clips; None where no clip has the score."""
    own = by_speaker(sat, score)
    return float(np.mean(list(own.values()))) if own else None


def paired(ours: Sequence[Scored], theirs: Sequence[Scored], score: str) -> tuple[list[float], list[float]]:
    """A score of both, of each speaker that has it in both."""
    mine, other = by_speaker(ours, score), by_speaker(theirs, score)
    both = sorted(mine.keys() & other.keys())
    return [mine[speaker] for speaker in both], [other[speaker] for speaker in both]


def by_speaker(sat: Sequence[Scored], score: str) -> dict[str, float]:
    """Mean of a score over each speaker's clips; speakers without a clip that has it are not there."""
    values: dict[str, list[float]] = {}
    for row in sat:
        value = row.score(score)
        if value is not None:
            values.setdefault(row.speaker, []).append(value)
    return {speaker: float(np.mean(own)) for speaker, own in values.items()}
