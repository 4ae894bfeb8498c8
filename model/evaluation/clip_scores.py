"""Scores of clips, and their aggregation over speakers: each speaker has the same weight."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heterodub.model.evaluation.intervals import Interval, difference_interval, jackknife_interval, mean_interval


@dataclass(frozen=True, slots=True)
class ClipScores:
    """Scores of one clip under one system: a model, or one of its controls. metrics: by name; None: not measured."""

    clip_id: str
    speaker: str
    system: str
    metrics: Mapping[str, float | None]

    def row(self) -> dict[str, Any]:
        """Return the scores as a flat row, ready for JSON."""
        return {"clip_id": self.clip_id, "speaker": self.speaker, "system": self.system, **self.metrics}

    def pseudonymous_row(self) -> dict[str, Any]:
        """Return the row with a hash for the speaker, for files of a run: a takedown cannot reach those by name."""
        return self.row() | {"speaker": hashlib.sha256(self.speaker.encode()).hexdigest()[:12]}


def of_system(rows: Sequence[ClipScores], system: str) -> list[ClipScores]:
    """Select the rows of one system."""
    return [row for row in rows if row.system == system]


def by_speaker(rows: Sequence[ClipScores], score: str) -> dict[str, float]:
    """Return the mean of a score over each speaker's clips; speakers without the score are left out."""
    values: dict[str, list[float]] = {}
    for row in rows:
        value = row.metrics.get(score)
        if value is not None:
            values.setdefault(row.speaker, []).append(value)
    return {speaker: float(np.mean(scores)) for speaker, scores in values.items()}


def over_speakers(rows: Sequence[ClipScores], score: str) -> float | None:
    """Return the mean over speakers of the mean over their clips; None where no clip has the score."""
    parts = by_speaker(rows, score)
    return float(np.mean(list(parts.values()))) if parts else None


def paired(ours: Sequence[ClipScores], theirs: Sequence[ClipScores], score: str) -> tuple[list[float], list[float]]:
    """Return a score of both systems for each speaker that has it in both."""
    return _common(by_speaker(ours, score), by_speaker(theirs, score))


def _common(ours: Mapping[str, float], theirs: Mapping[str, float]) -> tuple[list[float], list[float]]:
    both = sorted(ours.keys() & theirs.keys())
    return [ours[speaker] for speaker in both], [theirs[speaker] for speaker in both]


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


def difference(scores: SpeakerScores, other: SpeakerScores) -> Interval:
    """Return `scores` minus `other`, on the speakers that have both.

    Raises: ValueError - the two are not of one kind.
    """
    if scores.pooled != other.pooled:
        raise ValueError("a pooled score and a mean over speakers have no difference")
    ours, theirs = _common(scores.parts, other.parts)
    if not scores.pooled:
        return difference_interval(ours, theirs)
    if scores.interval.mean is None or other.interval.mean is None:
        raise ValueError("what was not measured has no difference")
    whole = scores.interval.mean - other.interval.mean
    return jackknife_interval(whole, [a - b for a, b in zip(ours, theirs, strict=True)], scores.interval.clips)
