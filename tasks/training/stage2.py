"""Training of a landmark translator on many speakers, and fine-tuning on one: its parts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from lightning_fabric import Fabric

from heterodub.model.evaluation.translator import EvalWindow, system_crops
from heterodub.model.perceptual import Lite0, open_perception
from heterodub.model.stage2.discriminators import Discriminators
from heterodub.model.stage2.inference import TranslatorInference
from heterodub.model.stage2.network import LandmarkTranslator
from heterodub.model.stage2.training_module import DISCRIMINATORS, TRANSLATOR_NETWORK, Start, TranslatorTrainingModule
from heterodub.model.training.module import ValidationResult
from heterodub.model.training.sampler import WindowSampler
from heterodub.model.training.trainer import FitResult
from heterodub.schemas.cards import FINETUNED, TRANSLATOR, TranslatorCard
from heterodub.schemas.config.settings import WeightSettings
from heterodub.schemas.config.training import ScheduleSettings
from heterodub.schemas.config.translation import Stage2Settings
from heterodub.schemas.reasons import Stage
from heterodub.tasks.training.clip_selection import TrainingClips, places, spread
from heterodub.tasks.training.datasets import ClipDataset, TranslatorReader
from heterodub.tasks.training.run import DrawSamples, ExportedModel, TrainingParts, TrainingSpec, loaded, no_samples
from heterodub.tasks.training.validation import (
    FRAMES,
    REFERENCES,
    VAL_CLIPS,
    later_eval_windows,
    read_eval_windows,
    validation_scores,
)


@dataclass(frozen=True, slots=True)
class Finetuning:
    """Start of a fine-tuning on one speaker: weights of translator and discriminators; the embedder is frozen."""

    start: Start
    clips: tuple[str, ...]
    weights: str
    """sha256 of the translator's weights."""
    trained_by: Stage2Settings
    """Settings of the training that the translator came from."""


@dataclass(frozen=True, slots=True)
class _Translator:
    """Inputs of a translator's training."""

    clips: TrainingClips
    settings: Stage2Settings
    weights: WeightSettings
    samples: DrawSamples
    finetuning: Finetuning | None


def translator_spec(
    clips: TrainingClips,
    settings: Stage2Settings,
    weights: WeightSettings,
    samples: DrawSamples = no_samples,
    finetuning: Finetuning | None = None,
) -> TrainingSpec[TranslatorCard]:
    """Return the training of a translator on clips, such as a Selection. samples: drawn at each validation."""
    name, model = ("stage2", TRANSLATOR) if finetuning is None else ("finetune", FINETUNED)
    inputs = _Translator(clips, settings, weights, samples, finetuning)
    return TrainingSpec(
        name,
        model,
        Stage.STAGE2,
        clips,
        settings,
        partial(_build, inputs),
        settings.devices,
        partial(_params, inputs),
        None if finetuning is None else finetuning.weights,
    )


def _params(inputs: _Translator) -> dict[str, str]:
    """Return further parameters of the run. Raises: WeightsMissingError."""
    names = "; ".join(network.name for network in open_perception(inputs.settings.losses, inputs.weights))
    params = {"perception": names or "none", "tuned_on": "none"}
    if inputs.finetuning is not None:
        params["tuned_on"] = ", ".join(inputs.finetuning.clips)
        chosen_by = "the end of the clip" if inputs.clips.val else "nothing: too short, so all steps are taken"
        params["chosen_by"] = chosen_by
    return params


def _build(inputs: _Translator, fabric: Fabric, sampler: WindowSampler) -> TrainingParts[TranslatorCard]:
    clips, settings = inputs.clips, inputs.settings
    reader = TranslatorReader(clips.stored, settings)
    dataset = ClipDataset(reader, places(clips.train), sampler, fabric.global_rank, fabric.world_size)
    eval_windows, schedule, held_frames = _validation_setup(inputs)
    lite0, perception = Lite0().to(fabric.device), open_perception(settings.losses, inputs.weights)

    def validate(translator: LandmarkTranslator, step: int) -> ValidationResult:
        inference = TranslatorInference(translator)
        generated = ((eval_window, system_crops(eval_window, "generated", inference)) for eval_window in eval_windows)
        images = inputs.samples(inference, eval_windows, step)
        return ValidationResult(validation_scores(generated, lite0), images)

    start, freeze = (None, False) if inputs.finetuning is None else (inputs.finetuning.start, True)
    module = TranslatorTrainingModule(fabric, settings, perception, validate, start, freeze)
    names = tuple(network.name for network in perception)
    return TrainingParts(dataset, module, schedule, partial(_export, inputs, names, held_frames))


def _validation_setup(inputs: _Translator) -> tuple[list[EvalWindow], ScheduleSettings, int]:
    """Return evaluation windows, schedule, and the number of held-back frames that select fine-tuning's best step.

    Without held-back frames fine-tuning cannot select a step, since training frames always improve: it takes all steps
    and validates once, at the end.
    """
    clips, side, schedule = inputs.clips, inputs.settings.architecture.side_px, inputs.settings.schedule
    tunes = inputs.finetuning is not None
    if tunes and (held_windows := later_eval_windows(clips, side)):
        return held_windows, schedule, sum(int(eval_window.scored.sum()) for eval_window in held_windows)
    if tunes:
        schedule = schedule.model_copy(update={"eval_interval": schedule.max_steps})
    selected = spread(clips.train if tunes else clips.val, VAL_CLIPS)
    return read_eval_windows(clips, selected, side, REFERENCES, FRAMES), schedule, 0


def _export(
    inputs: _Translator, perception: tuple[str, ...], held_frames: int, weights: Mapping[str, Any], fitted: FitResult
) -> ExportedModel[TranslatorCard]:
    settings, finetuning, window_frames = inputs.settings, inputs.finetuning, inputs.settings.data.window_frames
    card = TranslatorCard(
        architecture=settings.architecture,
        discriminators=settings.discriminators,
        window_frames=window_frames,
        backend=inputs.clips.backend,
        release=inputs.clips.release_id,
        seed=settings.seed,
        steps=fitted.best_step,
        perception=perception,
        tuned_on=() if finetuning is None else finetuning.clips,
        tuned_from=None if finetuning is None else finetuning.weights,
        held_frames=held_frames,
        trained_by=settings if finetuning is None else finetuning.trained_by,
    )
    return ExportedModel(
        loaded(LandmarkTranslator(settings.architecture), weights[TRANSLATOR_NETWORK]),
        card,
        loaded(Discriminators(settings.discriminators, window_frames), weights[DISCRIMINATORS]),
    )
