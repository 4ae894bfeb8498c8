"""Evaluation of a landmark generator on held-out clips, beside trivial controls.

Paired setting: the clip's own speech should give the clip's own lips. The generator takes one or more reference frames
of the clip (t' != t: those frames are not scored); the control "copy" repeats just these.

The pose prior leaks the mouth (brows and nose move a little with it), so a generator is also evaluated without sound
and with another clip's sound: what it scores then does not come from the sound.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from heterodub.model.evaluation.clip_scores import ClipScores, over_speakers
from heterodub.model.evaluation.controls import apply_pose, copy_reference, resting_face
from heterodub.model.evaluation.landmarks import score_clip
from heterodub.model.evaluation.report import ReportSpec
from heterodub.model.evaluation.sync_windows import SyncClip
from heterodub.model.evaluation.syncnet import SyncScore, SyncScorer, score_sync
from heterodub.model.features.arrays import evenly_spaced
from heterodub.model.features.landmarks import PREDICTED
from heterodub.model.features.timing import mel_columns
from heterodub.model.stage1.features import GeneratorInput
from heterodub.model.stage1.inference import predict
from heterodub.model.stage1.linear import LinearMoments, LinearMotion
from heterodub.model.stage1.network import EXTRA_COLUMNS, LandmarkGenerator, LossWeights, landmark_loss

System = Literal["paired audio", "unpaired audio", "silent audio", "copy", "linear", "mean face", "ground truth"]

SYSTEMS: Final[tuple[System, ...]] = get_args(System)

SYNC: Final = "landmark_sync_z"
"""Name of the sync score of landmarks; see model/evaluation/syncnet.py."""

GENERATOR_REPORT: Final = ReportSpec(
    systems=SYSTEMS,
    scores=(
        "nme_lips",
        "nme_outline",
        "nme",
        "mouth_opening_corr",
        "mouth_opening_std_ratio",
        "velocity_error",
        "jitter",
        SYNC,
    ),
    comparisons=tuple(
        ("paired audio", control) for control in ("copy", "linear", "unpaired audio", "silent audio", "mean face")
    ),
    errors=("nme_lips", "nme_outline", "nme"),
    gains=(),
    deciding=("nme_lips", "error of the lips"),
    decisive=("copy", "linear", "unpaired audio"),
)
"""Report of a generator: with the clip's own sound, against the reference kept still, a linear map of the sound, other
sound, and others."""

_QUIET: Final = -1.0
"""Scaled mel of silence; see features.scale_mel."""


@dataclass(frozen=True, slots=True)
class GeneratorEvalClip:
    """An evaluation clip: landmarks in pixels (T, 216, 2), log-mel (4T, 80), and the network's inputs."""

    clip_id: str
    speaker: str
    landmarks_TPXY: NDArray[np.float32]
    mel_SM: NDArray[np.float32]
    prepared: GeneratorInput


@dataclass(frozen=True, slots=True)
class FittedControls:
    """Controls that are fitted to a train split. mean_CXY: model.evaluation.controls.mean_face, (100, 2)."""

    mean_CXY: NDArray[np.float64] | None = None
    linear: LinearMotion | None = None


def fit_linear(eval_clips: Sequence[GeneratorEvalClip]) -> LinearMotion:
    """Fit the linear control to the clips of a train split; every speaker has the same weight.

    Raises: ValueError - there is no clip.
    """
    frames: Counter[str] = Counter()
    for eval_clip in eval_clips:
        frames[eval_clip.speaker] += eval_clip.prepared.frames
    moments = LinearMoments()
    for eval_clip in eval_clips:
        moments.add(eval_clip.prepared, eval_clip.speaker, 1 / frames[eval_clip.speaker])
    return moments.fit()


def reference_frames(counts_T: NDArray[np.bool_], count: int) -> NDArray[np.intp]:
    """Select `count` reference frames of a clip: tracked ones, evenly spread, or all if there are fewer.

    One is the first tracked frame.

    Raises: ValueError - no frame is tracked.
    """
    tracked = np.flatnonzero(counts_T)
    if not len(tracked):
        raise ValueError("a clip without a tracked frame has no reference")
    return np.asarray(tracked[evenly_spaced(len(tracked), count)])


def score_generator(
    generator: LandmarkGenerator,
    eval_clips: Sequence[GeneratorEvalClip],
    references: int,
    gain: float = 1.0,
    fitted: FittedControls | None = None,
    systems: Sequence[System] = SYSTEMS,
    scorer: SyncScorer | None = None,
) -> list[ClipScores]:
    """Score every clip under every system, paired by clip: the fields of LandmarkScores, and SYNC where it can be
    measured. "unpaired audio" is that of another speaker's clip, where there is one.

    Raises: ValueError - a control that is fitted to a train split is asked for, and is not in `fitted`.
    """
    rows, fitted = [], fitted or FittedControls()
    for number, eval_clip in enumerate(eval_clips):
        reference = reference_frames(eval_clip.prepared.counts_T, references)
        scored = eval_clip.prepared.counts_T.copy()
        scored[reference] = False
        for system in systems:
            other = eval_clips[other_speaker([clip.speaker for clip in eval_clips], number)].prepared
            landmarks = _system_landmarks(generator, eval_clip, reference, system, other, gain, fitted)
            metrics = asdict(score_clip(landmarks, eval_clip.landmarks_TPXY, scored))
            sync = None if scorer is None else _sync(scorer, landmarks, eval_clip)
            rows.append(ClipScores(eval_clip.clip_id, eval_clip.speaker, system, metrics | {SYNC: sync}))
    return rows


def _sync(scorer: SyncScorer, landmarks_TPXY: NDArray[np.floating[Any]], eval_clip: GeneratorEvalClip) -> float | None:
    """Score the sync of landmarks with the clip's own sound, whatever sound they were predicted from."""
    scored = score_sync(scorer, SyncClip.of(landmarks_TPXY, eval_clip.prepared.counts_T, eval_clip.mel_SM))
    return scored.score if isinstance(scored, SyncScore) else None


def predict_landmarks(
    generator: LandmarkGenerator,
    eval_clip: GeneratorEvalClip,
    reference: NDArray[np.intp],
    gain: float,
    sound: GeneratorInput | None = None,
) -> NDArray[np.float64]:
    """Predict landmarks (T, 216, 2) in pixels for a clip, from its own sound or that of another clip."""
    clip = (
        eval_clip.prepared
        if sound is None
        else replace(eval_clip.prepared, mel_CM=_borrowed(sound, eval_clip.prepared))
    )
    return _placed(predict(generator, clip, clip.points_TPXY[reference], gain), eval_clip)


def linear_landmarks(
    linear: LinearMotion, eval_clip: GeneratorEvalClip, reference: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Predict landmarks (T, 216, 2) in pixels by the linear control: it moves the resting face of the references.

    Its movement has no mean over the clip, so that loudness does not shift the mouth.
    """
    moved = linear.predict(eval_clip.prepared.mel_CM)
    rest = resting_face(eval_clip.landmarks_TPXY[reference])
    return _placed(rest + moved - moved[eval_clip.prepared.counts_T].mean(axis=0), eval_clip)


def _placed(points_TCXY: NDArray[np.float64], eval_clip: GeneratorEvalClip) -> NDArray[np.float64]:
    """Return a clip's landmarks in pixels with predicted points, (T, 100, 2) in the face frame, in place of its own."""
    landmarks = eval_clip.landmarks_TPXY.astype(np.float64)
    landmarks[:, PREDICTED] = eval_clip.prepared.frame.leave(points_TCXY)
    return landmarks


def _system_landmarks(
    generator: LandmarkGenerator,
    eval_clip: GeneratorEvalClip,
    reference: NDArray[np.intp],
    system: System,
    other_speaker: GeneratorInput,
    gain: float,
    fitted: FittedControls,
) -> NDArray[np.floating[Any]]:
    match system:
        case "paired audio":
            return predict_landmarks(generator, eval_clip, reference, gain)
        case "unpaired audio":
            return predict_landmarks(generator, eval_clip, reference, gain, other_speaker)
        case "silent audio":
            silent = np.full_like(eval_clip.prepared.mel_CM, _QUIET)
            return predict_landmarks(generator, eval_clip, reference, gain, replace(eval_clip.prepared, mel_CM=silent))
        case "copy":
            return copy_reference(eval_clip.landmarks_TPXY[reference], eval_clip.landmarks_TPXY)
        case "linear":
            if fitted.linear is None:
                raise ValueError("system 'linear' needs fitted.linear, got None")
            return linear_landmarks(fitted.linear, eval_clip, reference)
        case "mean face":
            if fitted.mean_CXY is None:
                raise ValueError("system 'mean face' needs fitted.mean_CXY, got None")
            return apply_pose(fitted.mean_CXY, eval_clip.landmarks_TPXY)
        case "ground truth":
            return eval_clip.landmarks_TPXY


def other_speaker(speakers: Sequence[str], number: int) -> int:
    """Return the index of the next clip after `number`, cyclically, of another speaker; else of the next clip."""
    following = [(number + step) % len(speakers) for step in range(1, len(speakers) + 1)]
    return next((index for index in following if speakers[index] != speakers[number]), following[0])


def _borrowed(other: GeneratorInput, clip: GeneratorInput) -> NDArray[np.float32]:
    """Return the other clip's sound, repeated or cut to this clip's length."""
    mel = other.mel_CM[: mel_columns(len(other.counts_T)) + EXTRA_COLUMNS]
    return np.resize(mel, clip.mel_CM.shape)


def validation_scores(
    generator: LandmarkGenerator, eval_clips: Sequence[GeneratorEvalClip], weights: LossWeights
) -> dict[str, float | None]:
    """Score a generator on the val split, with one reference frame: "loss", the training loss averaged over speakers,
    and scores. L1 alone would select by identity, which a few val speakers decide by chance.
    """
    losses: dict[str, list[float]] = {}
    for eval_clip in eval_clips:
        reference = reference_frames(eval_clip.prepared.counts_T, 1)
        predicted, target, counts = (
            torch.as_tensor(values)[None]
            for values in (
                predict(generator, eval_clip.prepared, eval_clip.prepared.points_TPXY[reference]),
                eval_clip.prepared.target,
                eval_clip.prepared.counts_T,
            )
        )
        loss = landmark_loss(predicted.float(), target, counts, weights, lambda value: value)["total"]
        losses.setdefault(eval_clip.speaker, []).append(float(loss))
    rows = score_generator(generator, eval_clips, 1, systems=("paired audio",))
    names = ("nme_lips", "nme_outline", "mouth_opening_corr", "mouth_opening_std_ratio")
    scores = {name: over_speakers(rows, name) for name in names}
    return {"loss": float(np.mean([np.mean(values) for values in losses.values()]))} | scores
