"""Trains a landmark translator on a selection of clips, in a folder that a later run can go on from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lightning_fabric import Fabric

from model.evaluation.translator import EvalWindow, answer
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
from tasks.training.common import MODEL, TrainingResult, best_of, pace_of, recipe_of, require_windows
from tasks.training.data.dataset import batches_from
from tasks.training.data.translator_dataset import TranslatorDataset
from tasks.training.distributed import on_devices
from tasks.training.validation import (
    EXAMS,
    FRAMES,
    REFERENCES,
    later_eval_windows,
    read_eval_windows,
    validation_scores,
)

Artist = Callable[[LandmarkTranslator, Sequence[EvalWindow], int], Mapping[str, bytes]]
"""Draws files to look at, by name."""


@dataclass(frozen=True, slots=True)
class Finetuning:
    """A translator to go on from, with its discriminators, on one speaker: the embedder stays as it is."""

    start: Start
    clips: tuple[str, ...]
    weights: str
    """sha256 of the translator's weights."""
    trained_by: Stage2Settings
    """Of the training that it came from."""


def train_translator(
    footage: TrainingClips,
    settings: Stage2Settings,
    weights: WeightSettings,
    folder: Path,
    listener: Callback,
    draw: Artist | None = None,
    fresh: bool = False,
    finetuning: Finetuning | None = None,
    device: Device = "auto",
) -> TrainingResult[TranslatorCard]:
    """Train, or go on training, and leave the finished translator in the folder. A Selection is footage, too.

    draw: pictures of a translator on evaluation windows after so many steps. fresh: forget what an earlier run left
    there.

    Raises: TrainingError - too few windows for the devices, a loss or clip that is not finite, no room.
    WeightsMissingError - the settings ask for feature networks whose weights are not there. NotFoundError,
    WorkspaceError - the store cannot be read.
    """
    require_windows(settings.devices, settings.data)
    run_dirs.begin(folder, footage, fresh)
    given = (footage, settings, weights, folder, draw, finetuning)
    return on_devices(device, settings.devices, settings.precision, _train, listener, *given)


def _train(
    fabric: Fabric,
    listener: Callback,
    footage: TrainingClips,
    settings: Stage2Settings,
    weights: WeightSettings,
    folder: Path,
    draw: Artist | None,
    finetuning: Finetuning | None,
) -> TrainingResult[TranslatorCard]:
    plan = WindowSampler([clip.facts for clip in footage.train], recipe_of(settings.data, settings.seed))
    where = places(footage.train)
    batches = TranslatorDataset(footage.stored, where, plan, settings, fabric.global_rank, fabric.world_size)
    eval_windows, schedule, held = _looked_at(footage, settings, finetuning)
    judge = Lite0().to(fabric.device)
    perception = open_perception(settings.losses, weights)

    def judge_it(translator: LandmarkTranslator, step: int) -> ValidationResult:
        drawn = draw(translator, eval_windows, step) if draw is not None and fabric.is_global_zero else {}
        inference = TranslatorInference(translator)
        made = ((eval_window, answer(eval_window, "painted", inference)) for eval_window in eval_windows)
        return ValidationResult(validation_scores(made, judge), drawn)

    start, freeze = (None, False) if finetuning is None else (finetuning.start, True)
    module = TranslatorTrainingModule(fabric, settings, perception, judge_it, start, freeze)
    checkpoints = Checkpoints(folder)
    data = batches_from(batches, settings.schedule.max_steps, settings.data.num_workers)
    fitted = fit(fabric, module, data, schedule, checkpoints, listener, settings.seed)
    best, step = best_of(fabric, checkpoints)
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


def _looked_at(
    footage: TrainingClips, settings: Stage2Settings, finetuning: Finetuning | None
) -> tuple[list[EvalWindow], TrainSchedule, int]:
    """What is looked at meanwhile, how often, and how many frames of that fine-tuning's best step is chosen by.

    Where fine-tuning has held nothing back, there is nothing to choose by: what it has learned from gets better and
    better. So all steps are taken, and looked at once, at their end.
    """
    side, schedule = settings.architecture.side_px, pace_of(settings.schedule)
    if finetuning is not None and (held := later_eval_windows(footage, side)):
        return held, schedule, sum(int(eval_window.judged.sum()) for eval_window in held)
    if finetuning is not None:
        schedule = replace(schedule, eval_interval=schedule.max_steps)
    clips = footage.val if finetuning is None else footage.train
    return read_eval_windows(footage, spread(clips, EXAMS), side, REFERENCES, FRAMES), schedule, 0
