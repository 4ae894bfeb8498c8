"""Report of a translator's evaluation: means over speakers with intervals, and improvements over each control."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

from model.evaluation.image_scores import PictureScores
from model.evaluation.translator import SYSTEMS, System
from model.metrics.bootstrap import Interval, difference_interval, reduction_interval
from model.metrics.speakers import Means, means, paired
from model.metrics.verdicts import ControlVerdict, control_verdict

SCORES: Final = tuple(one.name for one in fields(PictureScores) if one.name != "frames")

ERRORS: Final = ("perceptual_lower", "perceptual_heldout_lower", "perceptual_mouth", "perceptual_heldout_mouth")
"""Scores that are errors, of which a reduction makes sense."""

GAINS: Final = ("psnr_lower", "psnr_mouth", "ssim_lower", "ssim_mouth")
"""Scores of which a difference makes sense, more being better."""

CONTROLS: Final[tuple[System, ...]] = ("copy", "warp", "nearest frame")

NOT_MEASURED: Final = {
    "LPIPS": "its learned weights are in no package; heterodub has no weight slot for them",
    "FID": "the Inception weights are in no package and have no weight slot; `frechet` is over EfficientNet-Lite0",
    "identity similarity": "face-recognition weights are in no package; weights.vgg_face serves the loss alone",
}
"""Scores of the paper that need missing weights, with the reason."""


@dataclass(frozen=True, slots=True)
class TranslatorClipScores:
    """Scores of one clip under one system: one of SYSTEMS, or a compared system."""

    clip_id: str
    speaker: str
    system: str
    scores: PictureScores

    def score(self, name: str) -> float | None:
        """Return a field of PictureScores by name."""
        value: float | None = getattr(self.scores, name)
        return value


@dataclass(frozen=True, slots=True)
class Improvement:
    """Improvement of the translator over a control: reduction of an error as a share, or difference of a gain."""

    baseline: System
    score: str
    interval: Interval


DECIDING: Final = "perceptual_heldout_lower"
"""The error that decides whether a translator is better than a control, as in the default promotion policy."""


@dataclass(frozen=True, slots=True)
class PictureCard(Means):
    """All scores of a translator.

    frechet: distance of each system's crops to the true ones, over features of all clips' frames (see frechet.py);
    "frames", and "motion" for the changes between frames in a row. It has no interval.
    """

    changes: tuple[Improvement, ...]
    frechet: dict[System, dict[str, float]]
    not_measured: dict[str, str]

    @property
    def verdicts(self) -> tuple[ControlVerdict, ...]:
        """Verdicts against the copied reference and the untrained warp."""
        controls: tuple[System, ...] = ("copy", "warp")
        return tuple(
            control_verdict(row.baseline, row.score, row.interval, "perceptual distance of the lower half")
            for baseline in controls
            for row in self.changes
            if (row.baseline, row.score) == (baseline, DECIDING)
        )


def picture_card(rows: Sequence[TranslatorClipScores], frechet: dict[System, dict[str, float]]) -> PictureCard:
    """Aggregate the scores of clips.

    Raises: ValueError - there are none.
    """
    summary = means(rows, SYSTEMS, SCORES)
    of = {system: [row for row in rows if row.system == system] for system in SYSTEMS}
    changes = [
        Improvement(baseline, name, change(of["painted"], of[baseline], name))
        for baseline in CONTROLS
        for name in (*ERRORS, *GAINS)
        if of[baseline] and of["painted"]
    ]
    return PictureCard(summary.clips, summary.speakers, summary.means, tuple(changes), frechet, dict(NOT_MEASURED))


def change(ours: Sequence[TranslatorClipScores], theirs: Sequence[TranslatorClipScores], name: str) -> Interval:
    """Compare two systems, paired by speaker: reduction of an error, or difference of a gain."""
    both = paired(ours, theirs, name)
    return reduction_interval(*both) if name in ERRORS else difference_interval(*both)
