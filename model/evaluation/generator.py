"""How a landmark generator is judged on clips it has not seen, beside the controls that keep the scores honest.

Paired setting: the clip's own speech should give the clip's own lips. The generator is told one or more reference
frames of the clip (t' != t: those frames are not scored), the baseline "copy" keeps just these.

The pose prior leaks the mouth (brows and nose move a little with it), so a generator is also judged without sound and
with another clip's sound: what it scores then, it did not hear.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from model.features.landmarks import PREDICTED
from model.features.timing import mel_columns
from model.metrics.controls import copy_reference, wear
from model.metrics.landmarks import LandmarkScores, score_clip
from model.metrics.speakers import over_speakers
from model.stage1.features import GeneratorInput
from model.stage1.inference import predict
from model.stage1.network import EXTRA_COLUMNS, LandmarkGenerator, LossWeights, landmark_loss
from model.syncnet.score import SyncScore, score_sync
from model.syncnet.scorer import SyncScorer
from model.syncnet.windows import SyncClip

System = Literal["own sound", "other sound", "no sound", "copy", "mean face", "truth"]

SYSTEMS: Final[tuple[System, ...]] = ("own sound", "other sound", "no sound", "copy", "mean face", "truth")

_QUIET: Final = -1.0
"""Scaled mel of silence; see features.scale_mel."""


@dataclass(frozen=True, slots=True)
class GeneratorEvalClip:
    """A clip to judge on: landmarks in pixels (T, 216, 2), log-mel (4T, 80), and both as the network sees them."""

    clip_id: str
    speaker: str
    landmarks_TPXY: NDArray[np.float32]
    mel_SM: NDArray[np.float32]
    prepared: GeneratorInput


@dataclass(frozen=True, slots=True)
class GeneratorClipScores:
    """Scores of one clip under one system. sync: see model/syncnet/score.py; None where it cannot be measured."""

    clip_id: str
    speaker: str
    system: System
    scores: LandmarkScores
    sync: float | None = None

    def score(self, name: str) -> float | None:
        """A score by name: "sync", or a field of LandmarkScores."""
        value: float | None = self.sync if name == "sync" else getattr(self.scores, name)
        return value


def reference_frames(counts_T: NDArray[np.bool_], count: int) -> NDArray[np.intp]:
    """Which frames of a clip the generator is told: `count` tracked ones, evenly spread, or all if there are fewer.

    One is the first tracked frame.

    Raises: ValueError - no frame is tracked.
    """
    tracked = np.flatnonzero(counts_T)
    if not len(tracked):
        raise ValueError("a clip without a tracked frame has no reference")
    return np.asarray(tracked[np.unique(np.linspace(0, len(tracked) - 1, min(count, len(tracked))).astype(int))])


def judge(
    generator: LandmarkGenerator,
    exams: Sequence[GeneratorEvalClip],
    references: int,
    gain: float = 1.0,
    mean_CXY: NDArray[np.float64] | None = None,
    systems: Sequence[System] = SYSTEMS,
    scorer: SyncScorer | None = None,
) -> list[GeneratorClipScores]:
    """Scores of every clip under every system, paired by clip. mean_CXY: model.metrics.controls.mean_face.

    "other sound" is that of another speaker's clip, where there is one.

    Raises: ValueError - "mean face" is asked for without one.
    """
    found = []
    for number, exam in enumerate(exams):
        told = reference_frames(exam.prepared.counts_T, references)
        scored = exam.prepared.counts_T.copy()
        scored[told] = False
        for system in systems:
            other = exams[stranger([one.speaker for one in exams], number)].prepared
            landmarks = _answer(generator, exam, told, system, other, gain, mean_CXY)
            scores = score_clip(landmarks, exam.landmarks_TPXY, scored)
            sync = None if scorer is None else _sync(scorer, landmarks, exam)
            found.append(GeneratorClipScores(exam.clip_id, exam.speaker, system, scores, sync))
    return found


def _sync(scorer: SyncScorer, landmarks_TPXY: NDArray[np.floating[Any]], exam: GeneratorEvalClip) -> float | None:
    """Sync of some landmarks with the clip's own sound, whatever they were made from."""
    scored = score_sync(scorer, SyncClip.of(landmarks_TPXY, exam.prepared.counts_T, exam.mel_SM))
    return scored.score if isinstance(scored, SyncScore) else None


def answer(
    generator: LandmarkGenerator,
    exam: GeneratorEvalClip,
    told: NDArray[np.intp],
    gain: float,
    sound: GeneratorInput | None = None,
) -> NDArray[np.float64]:
    """The generator's landmarks (T, 216, 2) in pixels for a clip, by its own sound or that of another clip."""
    clip = exam.prepared if sound is None else replace(exam.prepared, mel_CM=_borrowed(sound, exam.prepared))
    landmarks = exam.landmarks_TPXY.astype(np.float64)
    landmarks[:, PREDICTED] = clip.frame.leave(predict(generator, clip, clip.points_TPXY[told], gain))
    return landmarks


def _answer(
    generator: LandmarkGenerator,
    exam: GeneratorEvalClip,
    told: NDArray[np.intp],
    system: System,
    stranger: GeneratorInput,
    gain: float,
    mean_CXY: NDArray[np.float64] | None,
) -> NDArray[np.floating[Any]]:
    match system:
        case "own sound":
            return answer(generator, exam, told, gain)
        case "other sound":
            return answer(generator, exam, told, gain, stranger)
        case "no sound":
            silent = np.full_like(exam.prepared.mel_CM, _QUIET)
            return answer(generator, exam, told, gain, replace(exam.prepared, mel_CM=silent))
        case "copy":
            return copy_reference(exam.landmarks_TPXY[told], exam.landmarks_TPXY)
        case "mean face":
            if mean_CXY is None:
                raise ValueError("the mean face is to be judged, but none was given")
            return wear(mean_CXY, exam.landmarks_TPXY)
        case "truth":
            return exam.landmarks_TPXY


def stranger(speakers: Sequence[str], number: int) -> int:
    """Of clips with these speakers, the next after `number` that is of another, going round; with one speaker, the next
    clip.
    """
    following = [(number + step) % len(speakers) for step in range(1, len(speakers) + 1)]
    return next((one for one in following if speakers[one] != speakers[number]), following[0])


def _borrowed(other: GeneratorInput, clip: GeneratorInput) -> NDArray[np.float32]:
    """The other clip's sound, repeated or cut to this clip's length."""
    own = other.mel_CM[: mel_columns(len(other.counts_T)) + EXTRA_COLUMNS]
    return np.resize(own, clip.mel_CM.shape)


def validation_scores(
    generator: LandmarkGenerator, exams: Sequence[GeneratorEvalClip], weights: LossWeights
) -> dict[str, float | None]:
    """What a training looks at on its val split, with one reference frame: "loss", what it learns from, averaged over
    speakers, and scores. L1 alone would choose by whose face it is, which a few val speakers decide by chance.
    """
    losses: dict[str, list[float]] = {}
    for exam in exams:
        told = reference_frames(exam.prepared.counts_T, 1)
        predicted, target, counts = (
            torch.as_tensor(values)[None]
            for values in (
                predict(generator, exam.prepared, exam.prepared.points_TPXY[told]),
                exam.prepared.target,
                exam.prepared.counts_T,
            )
        )
        loss = landmark_loss(predicted.float(), target, counts, weights, lambda value: value)["total"]
        losses.setdefault(exam.speaker, []).append(float(loss))
    sat = judge(generator, exams, 1, systems=("own sound",))
    names = ("nme_lips", "nme_outline", "mouth_opening_corr", "mouth_opening_std_ratio")
    scores = {name: over_speakers(sat, name) for name in names}
    return {"loss": float(np.mean([np.mean(values) for values in losses.values()]))} | scores
