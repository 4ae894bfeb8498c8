"""Scores of many clips put together: means over speakers with intervals, and what is gained over each baseline."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

from model.metrics.bootstrap import Interval, difference_interval, mean_interval, reduction_interval
from model.stage2.judging import SYSTEMS, System
from model.stage2.scores import PictureScores

SCORES: Final = tuple(one.name for one in fields(PictureScores) if one.name != "frames")

ERRORS: Final = ("pd_lower", "pd5_lower", "pd_mouth", "pd5_mouth")
"""Scores that are errors, of which a reduction makes sense."""

GAINS: Final = ("psnr_lower", "psnr_mouth", "ssim_lower", "ssim_mouth")
"""Scores of which a difference makes sense, more being better."""

BASELINES: Final[tuple[System, ...]] = ("copy", "warp", "nearest frame")

NOT_MEASURED: Final = {
    "LPIPS": "its learned weights are in no package; heterodub has no weight slot for them",
    "FID": "the Inception weights are in no package and have no weight slot; `frechet` is over EfficientNet-Lite0",
    "identity similarity": "face-recognition weights are in no package; weights.vgg_face serves the loss alone",
}
"""Scores of the paper that need weights which are not there, and why."""


@dataclass(frozen=True, slots=True)
class Sat:
    """Scores of one clip under one system: one of SYSTEMS, or any that is compared with others."""

    clip_id: str
    speaker: str
    system: str
    scores: PictureScores


@dataclass(frozen=True, slots=True)
class Mean:
    """A score of one system."""

    system: System
    score: str
    interval: Interval


@dataclass(frozen=True, slots=True)
class Change:
    """The painter against a baseline: the share by which it lowers an error, or by how much it raises a gain."""

    baseline: System
    score: str
    interval: Interval


@dataclass(frozen=True, slots=True)
class PictureCard:
    """All scores of a translator. Intervals (95 %) draw speakers: each counts once, with the mean of its clips.

    frechet: distance of each system's crops to the true ones, over features of all clips' frames (see frechet.py);
    "frames", and "motion" for the changes between frames in a row. It has no interval.
    """

    clips: int
    speakers: int
    means: tuple[Mean, ...]
    changes: tuple[Change, ...]
    frechet: dict[System, dict[str, float]]
    not_measured: dict[str, str]

    def mean(self, system: System, score: str) -> Interval:
        """A score of a system.

        Raises: KeyError - it was not judged.
        """
        for mean in self.means:
            if (mean.system, mean.score) == (system, score):
                return mean.interval
        raise KeyError(f"{system}: {score}")


def picture_card(sat: Sequence[Sat], frechet: dict[System, dict[str, float]]) -> PictureCard:
    """Put the scores of clips together.

    Raises: ValueError - there is none.
    """
    if not sat:
        raise ValueError("no clip was judged")
    of = {system: [row for row in sat if row.system == system] for system in SYSTEMS}
    means = [
        Mean(system, name, mean_interval(list(by_speaker(rows, name).values())))
        for system, rows in of.items()
        for name in SCORES
        if rows
    ]
    changes = [
        Change(baseline, name, change(of["painted"], of[baseline], name))
        for baseline in BASELINES
        for name in (*ERRORS, *GAINS)
        if of[baseline] and of["painted"]
    ]
    clips, speakers = {row.clip_id for row in sat}, {row.speaker for row in sat}
    return PictureCard(len(clips), len(speakers), tuple(means), tuple(changes), frechet, dict(NOT_MEASURED))


def change(ours: Sequence[Sat], theirs: Sequence[Sat], name: str) -> Interval:
    """How one system does against another, paired by speaker: a reduction of an error, a difference of a gain."""
    mine, other = by_speaker(ours, name), by_speaker(theirs, name)
    both = sorted(mine.keys() & other.keys())
    paired = [mine[speaker] for speaker in both], [other[speaker] for speaker in both]
    return reduction_interval(*paired) if name in ERRORS else difference_interval(*paired)


def by_speaker(sat: Sequence[Sat], name: str) -> dict[str, float]:
    """Mean of a score over each speaker's clips; speakers without a clip that has it are not there."""
    values: dict[str, list[float]] = {}
    for row in sat:
        value = getattr(row.scores, name)
        if value is not None:
            values.setdefault(row.speaker, []).append(value)
    return {speaker: sum(own) / len(own) for speaker, own in values.items()}
