"""Training of a landmark generator: its parts, evaluation clips and articulation gain."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from lightning_fabric import Fabric
from numpy.typing import NDArray

from heterodub.model.evaluation.clip_scores import by_speaker
from heterodub.model.evaluation.generator import GeneratorEvalClip, score_generator, validation_scores
from heterodub.model.stage1.batches import mirrored
from heterodub.model.stage1.features import prepare
from heterodub.model.stage1.linear import LinearMoments, LinearMotion
from heterodub.model.stage1.network import LandmarkGenerator
from heterodub.model.stage1.pose_filter import PoseMoments
from heterodub.model.stage1.training_module import GENERATOR_NETWORK, GeneratorTrainingModule, loss_weights
from heterodub.model.training.module import ValidationResult
from heterodub.model.training.sampler import WindowSampler
from heterodub.model.training.trainer import FitResult
from heterodub.schemas.cards import GENERATOR, GeneratorCard
from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.contract import MEL_BANDS
from heterodub.schemas.errors import TrainingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.releases.releases import read_table
from heterodub.tasks.training.clip_selection import ClipRef, Selection, spread
from heterodub.tasks.training.datasets import ClipDataset, GeneratorReader
from heterodub.tasks.training.run import DrawSamples, ExportedModel, TrainingParts, TrainingSpec, loaded, no_samples

_VAL_CLIPS: Final = 64
"""Number of val clips used for validation, spread over speakers; more would cost time for little information."""

_ARTICULATION: Final = 0.85
"""Target of mouth_opening_std_ratio for the gain. Full movement would cost too much error, since L1 suppresses
uncertain movement.
"""

_MOST_GAIN: Final = 1.3
"""Beyond it the predictions carry no movement worth amplifying."""

_FILTER_CLIPS: Final = 2000
"""Number of train clips, spread over speakers, to which pose filter and linear map are fitted."""


def generator_spec(
    selection: Selection, settings: Stage1Settings, samples: DrawSamples = no_samples
) -> TrainingSpec[GeneratorCard]:
    """Return the training of a landmark generator on a selection. samples: drawn at each validation.

    Raises: TrainingError - it is to read senone scores, which clips lack. NotFoundError, WorkspaceError - files of the
    release cannot be read.
    """
    if settings.architecture.speech_width > MEL_BANDS:
        _require_scores(selection)
    build = partial(_build, selection, settings, samples)
    return TrainingSpec("stage1", GENERATOR, Stage.STAGE1, selection, settings, build, settings.devices)


def _require_scores(selection: Selection) -> None:
    """Refuse clips without senone scores at once: a training would meet them by chance, and late."""
    rows = read_table(selection.workspace, selection.release, Stage.STAGE1.value, ["clip_id", "senones_version"])
    scored = set(rows.filter(rows["senones_version"].is_valid())["clip_id"].to_pylist())
    clips = selection.places
    if lost := len(clips.keys() - scored):
        raise TrainingError(
            f"{lost} of {len(clips)} clips of release {selection.release_id} have no senone scores: ingest all footage "
            "with the setting `senones = true` and `remeasure` of [clips] raised, or train with "
            '`speech_features = "mel"`'
        )


def _build(
    selection: Selection, settings: Stage1Settings, samples: DrawSamples, fabric: Fabric, sampler: WindowSampler
) -> TrainingParts[GeneratorCard]:
    reader = GeneratorReader(selection.stored, settings)
    dataset = ClipDataset(reader, selection.places, sampler, fabric.global_rank, fabric.world_size)
    eval_clips = read_eval_clips(selection, spread(selection.val, _VAL_CLIPS), settings)

    def validate(generator: LandmarkGenerator, step: int) -> ValidationResult:
        scores = validation_scores(generator, eval_clips, loss_weights(settings))
        return ValidationResult(scores, samples(generator, eval_clips, step))

    module = GeneratorTrainingModule(fabric, settings, validate, *_fitted(selection, settings))
    return TrainingParts(dataset, module, settings.schedule, partial(_export, selection, settings, eval_clips))


def _export(
    selection: Selection,
    settings: Stage1Settings,
    eval_clips: Sequence[GeneratorEvalClip],
    weights: Mapping[str, Any],
    fitted: FitResult,
) -> ExportedModel[GeneratorCard]:
    generator: LandmarkGenerator = loaded(LandmarkGenerator(settings.architecture), weights[GENERATOR_NETWORK])
    card = GeneratorCard(
        architecture=settings.architecture,
        backend=selection.backend,
        release=selection.release_id,
        seed=settings.seed,
        steps=fitted.best_step,
        gain=articulation_gain(generator, eval_clips),
    )
    return ExportedModel(generator, card)


def _fitted(selection: Selection, settings: Stage1Settings) -> tuple[NDArray[np.float32] | None, LinearMotion | None]:
    """Fit pose filter and linear map to the training clips, in one pass; see pose_filter.py and linear.py.

    Raises: TrainingError - nothing moves in the training clips. Otherwise as `stream_eval_clips`.
    """
    components, has_skip = settings.architecture.pose_components, settings.architecture.linear_skip
    if not components and not has_skip:
        return None, None
    clips, footage = spread(selection.train, _FILTER_CLIPS), Counter[str]()
    for clip in clips:
        footage[clip.facts.speaker] += clip.facts.frames
    pose, linear = PoseMoments(), LinearMoments(settings.architecture.speech_width)
    for eval_clip in stream_eval_clips(selection, clips, settings):
        weight = 1 / footage[eval_clip.speaker]
        if components:
            pose.add(eval_clip.prepared, weight)
        if has_skip:
            linear.add(eval_clip.prepared, eval_clip.speaker, weight)
            if settings.augmentation.hflip_prob:  # it moves mirrored windows, too, and knows nothing of their mirroring
                linear.add(mirrored(eval_clip.prepared), eval_clip.speaker, weight)
    try:
        return pose.filter(components) if components else None, linear.fit() if has_skip else None
    except ValueError as error:
        raise TrainingError(f"release {selection.release.release_id}: {error}") from error


def read_eval_clips(
    selection: Selection, clips: Sequence[ClipRef], settings: Stage1Settings
) -> list[GeneratorEvalClip]:
    """Read evaluation clips into memory. Raises: as `stream_eval_clips`."""
    return list(stream_eval_clips(selection, clips, settings))


def stream_eval_clips(
    selection: Selection, clips: Sequence[ClipRef], settings: Stage1Settings
) -> Iterator[GeneratorEvalClip]:
    """Read evaluation clips one at a time.

    Raises: TrainingError - a clip's numbers cannot be used. NotFoundError, WorkspaceError - it cannot be read.
    """
    shape = settings.architecture
    for clip in clips:
        row = selection.stored.speech(clip.place)
        try:
            speech = row.features(shape.speech_width)
            prepared = prepare(speech, row.landmarks, row.tracked, shape.pose_sigma_frames)
        except ValueError as error:
            raise TrainingError(f"clip {clip.facts.clip_id}: {error}") from error
        yield GeneratorEvalClip(clip.facts.clip_id, clip.facts.speaker, row.landmarks, row.mel, prepared)


def articulation_gain(generator: LandmarkGenerator, eval_clips: Sequence[GeneratorEvalClip]) -> float:
    """Return the gain that lets mouths of the val split move enough, at least 1; 1 where it cannot be measured.

    Uses the median over speakers, since the ratio is arbitrary for a speaker whose mouth hardly moves.
    """
    measured = by_speaker(
        score_generator(generator, eval_clips, 1, systems=("paired audio",)), "mouth_opening_std_ratio"
    )
    usual = float(np.median(list(measured.values()))) if measured else 0.0
    return float(np.clip(_ARTICULATION / usual, 1.0, _MOST_GAIN)) if usual > 0 else 1.0
