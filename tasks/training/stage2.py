"""Training of a landmark translator on a selection of clips, in a folder from which a later run can resume."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lightning_fabric import Fabric

from model.evaluation.translator import EvalWindow, system_crops
from model.perceptual.lite0 import Lite0
from model.perceptual.opening import open_perception
from model.stage2.discriminators import Discriminators
from model.stage2.files import save_translator
from model.stage2.inference import TranslatorInference
from model.stage2.network import LandmarkTranslator
from model.stage2.training_module import DISCRIMINATORS, TRANSLATOR_NETWORK, Start, TranslatorTrainingModule
from model.training.callbacks import Callback
from model.training.checkpoints import Checkpoints
from model.training.sampler import WindowSampler
from model.training.trainer import TrainSchedule, ValidationResult, fit
from schemas.cards import TranslatorCard
from schemas.config.settings import WeightSettings
from schemas.config.training import Device
from schemas.config.translation import Stage2Settings
from tasks.training import run_dirs
from tasks.training.clip_selection import TrainingClips, places, spread
from tasks.training.common import MODEL, TrainingResult, load_best, require_windows, sampler_config, train_schedule
from tasks.training.data.dataset import batches_from
from tasks.training.data.translator_dataset import TranslatorDataset
from tasks.training.distributed import on_devices
from tasks.training.validation import (
    FRAMES,
    REFERENCES,
    VAL_CLIPS,
    later_eval_windows,
    read_eval_windows,
    validation_scores,
)

DrawSamples = Callable[[LandmarkTranslator, Sequence[EvalWindow], int], Mapping[str, bytes]]
"""Draws samples: file contents by name."""


@dataclass(frozen=True, slots=True)
class Finetuning:
    """Start of a fine-tuning on one speaker: weights of translator and discriminators; the embedder is frozen."""

    start: Start
    clips: tuple[str, ...]
    weights: str
    """sha256 of the translator's weights."""
    trained_by: Stage2Settings
    """Settings of the training that the translator came from."""


def train_translator(
    footage: TrainingClips,
    settings: Stage2Settings,
    weights: WeightSettings,
    folder: Path,
    callback: Callback,
    draw: DrawSamples | None = None,
    fresh: bool = False,
    finetuning: Finetuning | None = None,
    device: Device = "auto",
) -> TrainingResult[TranslatorCard]:
    """Train a translator, or resume its training, and save it in the folder. footage: such as a Selection.

    draw: draws samples on evaluation windows at each validation. fresh: delete what an earlier run left there.

    Raises: TrainingError - too few windows for the devices, a loss or clip that is not finite, no room.
    WeightsMissingError - the settings ask for feature networks whose weights are not there. NotFoundError,
    WorkspaceError - the store cannot be read.
    """
    require_windows(settings.devices, settings.data)
    run_dirs.prepare(folder, footage, fresh)
    arguments = (footage, settings, weights, folder, draw, finetuning)
    return on_devices(device, settings.devices, settings.precision, _train, callback, *arguments)


def _train(
    fabric: Fabric,
    callback: Callback,
    footage: TrainingClips,
    settings: Stage2Settings,
    weights: WeightSettings,
    folder: Path,
    draw: DrawSamples | None,
    finetuning: Finetuning | None,
) -> TrainingResult[TranslatorCard]:
    plan = WindowSampler([clip.facts for clip in footage.train], sampler_config(settings.data, settings.seed))
    where = places(footage.train)
    batches = TranslatorDataset(footage.stored, where, plan, settings, fabric.global_rank, fabric.world_size)
    eval_windows, schedule, held = _validation_setup(footage, settings, finetuning)
    lite0 = Lite0().to(fabric.device)
    perception = open_perception(settings.losses, weights)

    def validate(translator: LandmarkTranslator, step: int) -> ValidationResult:
        drawn = draw(translator, eval_windows, step) if draw is not None and fabric.is_global_zero else {}
        inference = TranslatorInference(translator)
        made = ((eval_window, system_crops(eval_window, "generated", inference)) for eval_window in eval_windows)
        return ValidationResult(validation_scores(made, lite0), drawn)

    start, freeze = (None, False) if finetuning is None else (finetuning.start, True)
    module = TranslatorTrainingModule(fabric, settings, perception, validate, start, freeze)
    checkpoints = Checkpoints(folder)
    data = batches_from(batches, settings.schedule.max_steps, settings.data.num_workers)
    fitted = fit(fabric, module, data, schedule, checkpoints, callback, settings.seed)
    best, step = load_best(fabric, checkpoints)
    translator, discriminators = (
        LandmarkTranslator(settings.architecture),
        Discriminators(settings.discriminators, settings.data.window_frames),
    )
    translator.load_state_dict(best[TRANSLATOR_NETWORK])
    discriminators.load_state_dict(best[DISCRIMINATORS])
    translator.eval()
    card = TranslatorCard(
        architecture=settings.architecture,
        discriminators=settings.discriminators,
        window_frames=settings.data.window_frames,
        backend=footage.backend,
        release=footage.release_id,
        seed=settings.seed,
        steps=step,
        perception=tuple(one.name for one in perception),
        tuned_on=() if finetuning is None else finetuning.clips,
        tuned_from=None if finetuning is None else finetuning.weights,
        held_frames=held,
        trained_by=settings if finetuning is None else finetuning.trained_by,
    )
    if fabric.is_global_zero:
        save_translator(folder / MODEL, translator, discriminators, card)
    fabric.barrier()
    return TrainingResult(folder, card, fitted, sum(value.numel() for value in translator.parameters()))


def _validation_setup(
    footage: TrainingClips, settings: Stage2Settings, finetuning: Finetuning | None
) -> tuple[list[EvalWindow], TrainSchedule, int]:
    """Return evaluation windows, schedule, and the number of held-back frames that select fine-tuning's best step.

    Without held-back frames fine-tuning cannot select a step, since training frames always improve: it takes all steps
    and validates once, at the end.
    """
    side, schedule = settings.architecture.side_px, train_schedule(settings.schedule)
    if finetuning is not None and (held := later_eval_windows(footage, side)):
        return held, schedule, sum(int(eval_window.scored.sum()) for eval_window in held)
    if finetuning is not None:
        schedule = replace(schedule, eval_interval=schedule.max_steps)
    clips = footage.val if finetuning is None else footage.train
    return read_eval_windows(footage, spread(clips, VAL_CLIPS), side, REFERENCES, FRAMES), schedule, 0
