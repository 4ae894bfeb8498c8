"""Training of the paper's baselines: their parts, clips and evaluation clips.

Baselines train only on clips with good picture and sound, because they cannot use the others. That is the comparison:
our two stages use the rest as well.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from lightning_fabric import Fabric
from numpy.typing import NDArray

from heterodub.model.baselines.batches import AVBatch
from heterodub.model.baselines.build import BASELINES
from heterodub.model.baselines.inference import BaselineInference, BaselineNetwork
from heterodub.model.baselines.training_module import TRANSLATOR_NETWORK, TrainingContext
from heterodub.model.evaluation.systems import generate_span
from heterodub.model.evaluation.translator import EvalWindow, TranslatorEvalClip, make_eval_window
from heterodub.model.features.arrays import Pictures
from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.perceptual import Lite0, open_perception
from heterodub.model.stage2.batches import FaceClip
from heterodub.model.training.module import ValidationResult
from heterodub.model.training.sampler import WindowSampler
from heterodub.model.training.trainer import FitResult
from heterodub.schemas.cards import BaselineCard
from heterodub.schemas.config.baselines import BaselineName, BaselineSettings
from heterodub.schemas.config.settings import WeightSettings
from heterodub.schemas.config.translation import PictureAugmentation, PictureLosses
from heterodub.schemas.errors import TrainingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.training.clip_selection import ClipRef, Selection, spread
from heterodub.tasks.training.clip_store import StoredClips
from heterodub.tasks.training.datasets import BaselineReader, BothStages, ClipDataset
from heterodub.tasks.training.run import DrawSamples, ExportedModel, TrainingParts, TrainingSpec, loaded, no_samples
from heterodub.tasks.training.validation import FRAMES, REFERENCES, VAL_CLIPS, require_some, validation_scores

_FACE_CLIPS, _FACE_STEP = 400, 5
"""Clips of the train split, spread over its speakers, to whose landmarks ATVGnet's PCA is fitted; every fifth frame."""

_PLAIN: Final = PictureAugmentation(hflip_prob=0, color_jitter=0)


@dataclass(frozen=True, slots=True)
class PairedSelection(Selection):
    """Selection of clips that are good for both stages, with access to both payloads. `stored` is that of stage 2."""

    both: BothStages


@dataclass(frozen=True, slots=True, eq=False)
class BaselineEvalClip:
    """An evaluation clip of the val split: its window and the log-mel windows of its frames."""

    eval_window: EvalWindow
    mel_TMK: NDArray[np.float32]

    def generate(self, translator: BaselineInference) -> Pictures:
        """Return a baseline's crops for the evaluation window's span, (F, S, S, 3) uint8."""
        return generate_span(translator, self.eval_window, self.mel_TMK[self.eval_window.span])


def paired(selection: Selection) -> PairedSelection:
    """Reduce a stage-2 selection to the clips that stage 1 holds as well, on which a baseline can be trained.

    Raises: TrainingError - no clip is left in the train or the val split. NotFoundError - files of the release were
    erased.
    """
    splits = {split: tuple(clip for clip in getattr(selection, split) if clip.both) for split in ("train", "val")}
    release = selection.release
    for split, clips in splits.items():
        if not clips:
            raise TrainingError(
                f"release {release.release_id} has no clip in its {split} split that is good for both stages (of "
                f"{len(getattr(selection, split))} stage2 clips): baselines need picture and sound of the same clip"
            )
    stored = {stage: StoredClips.of(selection.workspace, release, stage) for stage in Stage}
    both = BothStages(stored[Stage.STAGE1], stored[Stage.STAGE2])
    return PairedSelection(release, stored[Stage.STAGE2], splits["train"], splits["val"], both)


def baseline_spec(
    name: BaselineName,
    selection: PairedSelection,
    settings: BaselineSettings,
    weights: WeightSettings,
    samples: DrawSamples = no_samples,
) -> TrainingSpec[BaselineCard]:
    """Return the training of a baseline on a selection. samples: drawn at each validation."""
    build = partial(_build, name, selection, settings, weights, samples)
    return TrainingSpec(name, name, Stage.STAGE2, selection, settings, build, params=partial(_params, name))


def _params(name: BaselineName) -> dict[str, str]:
    return {"baseline": name}


def _build(
    name: BaselineName,
    selection: PairedSelection,
    settings: BaselineSettings,
    weights: WeightSettings,
    samples: DrawSamples,
    fabric: Fabric,
    sampler: WindowSampler,
) -> TrainingParts[BaselineCard]:
    baseline = BASELINES[name]
    _require_generator_steps(name, settings, settings.schedule.max_steps)
    eval_clips = read_av_eval_clips(selection, spread(selection.val, VAL_CLIPS), settings.architecture.side_px)
    lite0, losses = Lite0().to(fabric.device), PictureLosses(perception=settings.perception)
    perception = open_perception(losses, weights) if baseline.feature_networks else []

    def validate(network: BaselineNetwork, step: int) -> ValidationResult:
        translator = BaselineInference(network)
        images = samples(translator, eval_clips, step)
        generated = (
            (eval_clip.eval_window, np.asarray(eval_clip.generate(translator) / np.float32(255), np.float32))
            for eval_clip in eval_clips
        )
        return ValidationResult(validation_scores(generated, lite0), images)

    context = TrainingContext(validate, _val_batch(selection, settings), partial(_faces, selection), perception)
    return TrainingParts(
        ClipDataset(BaselineReader(selection.both, settings), selection.places, sampler),
        baseline.training_module(fabric, settings, context),
        settings.schedule,
        partial(_export, name, selection, settings, tuple(network.name for network in perception)),
    )


def _export(
    name: BaselineName,
    selection: Selection,
    settings: BaselineSettings,
    perception: tuple[str, ...],
    weights: Mapping[str, Any],
    fitted: FitResult,
) -> ExportedModel[BaselineCard]:
    _require_generator_steps(name, settings, fitted.step)
    card = BaselineCard(
        kind=name,
        architecture=settings.architecture,
        backend=selection.backend,
        release=selection.release_id,
        seed=settings.seed,
        steps=fitted.best_step,
        perception=perception,
    )
    return ExportedModel(loaded(BASELINES[name].build(settings.architecture), weights[TRANSLATOR_NETWORK]), card)


def _require_generator_steps(name: BaselineName, settings: BaselineSettings, steps: int) -> None:
    if name == "wav2lip" and steps <= settings.syncnet_steps:
        raise TrainingError(
            f"wav2lip has {steps} steps, of which its expert needs {settings.syncnet_steps}: none is left for its "
            f"generator; allow more steps or minutes, or fewer baselines.syncnet_steps"
        )


def read_av_eval_clips(selection: PairedSelection, clips: Sequence[ClipRef], side_px: int) -> list[BaselineEvalClip]:
    """Read evaluation clips into memory. Those too short for references and scored frames are left out.

    Raises: TrainingError - a clip's numbers cannot be used, or none is long enough. NotFoundError, WorkspaceError - one
    cannot be read.
    """
    eval_clips = []
    for clip in clips:
        eval_clip, mel_TMK = _av_clip(selection, clip, side_px)
        with suppress(ValueError):  # too short
            eval_clips.append(BaselineEvalClip(make_eval_window(eval_clip, REFERENCES, FRAMES), mel_TMK))
    require_some(eval_clips, REFERENCES)
    return eval_clips


def _av_clip(selection: PairedSelection, clip: ClipRef, side_px: int) -> tuple[TranslatorEvalClip, NDArray[np.float32]]:
    """Read an evaluation clip with all its crops, and its log-mel windows."""
    try:
        av_clip = selection.both.av_clip(clip.place, side_px)
        crops = av_clip.face_clip
        face_clip = FaceClip(crops.crops(np.arange(av_clip.frames)), crops.landmarks_TPXY, crops.tracked_T)
    except ValueError as error:
        raise TrainingError(f"clip {clip.facts.clip_id}: {error}") from error
    return TranslatorEvalClip(clip.facts.clip_id, clip.facts.speaker, face_clip), av_clip.mel_TMK


def _val_batch(selection: PairedSelection, settings: BaselineSettings) -> AVBatch:
    """Return windows of the val split without augmentation, the same at every validation."""
    data = settings.data.model_copy(update={"batch_size": settings.looked_at})
    plan = WindowSampler([clip.facts for clip in selection.val], data, settings.seed)
    plain = settings.model_copy(update={"augmentation": _PLAIN})
    batch = ClipDataset(BaselineReader(selection.both, plain), selection.places, plan)[0]
    if not isinstance(batch, AVBatch):
        raise TrainingError(f"a batch cannot be made: {batch.text}")
    return batch


def _faces(selection: PairedSelection) -> NDArray[np.float64]:
    """Return landmarks of the train split, (n, 216, 2), each in its own face frame."""
    faces = []
    for clip in spread(selection.train, _FACE_CLIPS):
        row = selection.both.speech.speech(clip.place)
        points = row.landmarks[row.tracked][::_FACE_STEP]
        faces.append(FaceFrame.of(points).enter(points))
    return np.concatenate(faces)
