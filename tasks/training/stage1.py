"""Trains a landmark generator on a selection of clips, in a folder that a later run can go on from."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from lightning_fabric import Fabric
from numpy.typing import NDArray

from model.evaluation.generator import GeneratorEvalClip, judge, validation_scores
from model.metrics.speakers import by_speaker
from model.stage1.features import prepare
from model.stage1.files import save_generator
from model.stage1.network import LandmarkGenerator
from model.stage1.pose_filter import PoseMoments
from model.stage1.training_module import GeneratorTrainingModule, loss_weights
from model.training.callbacks import Callback
from model.training.checkpoints import Checkpoints
from model.training.sampler import WindowSampler
from model.training.trainer import ValidationResult, fit
from schemas.cards import GeneratorCard
from schemas.config.training import Device, Stage1Settings
from schemas.errors import TrainingError
from tasks.training import run_dirs
from tasks.training.clip_selection import ClipRef, Selection, spread
from tasks.training.common import MODEL, TrainingResult, best_of, pace_of, recipe_of, require_windows
from tasks.training.data.dataset import batches_from
from tasks.training.data.generator_dataset import GeneratorDataset
from tasks.training.distributed import on_devices

_EXAMS: Final = 64
"""Clips of the val split that are looked at, spread over its speakers; more would cost time and tell little."""

_ARTICULATION: Final = 0.85
"""What the gain brings articulation to. Full movement would cost more error than it shows: what L1 leaves out is what
it is unsure of.
"""

_MOST_GAIN: Final = 1.3
"""Beyond it the predictions carry no movement worth amplifying."""

_FILTER_CLIPS: Final = 2000
"""Clips of the train split, spread over its speakers, that say what mouths leave in a pose."""

Artist = Callable[[LandmarkGenerator, Sequence[GeneratorEvalClip], int], Mapping[str, bytes]]
"""Draws files to look at, by name."""


def train_generator(
    selection: Selection,
    settings: Stage1Settings,
    folder: Path,
    listener: Callback,
    draw: Artist | None = None,
    fresh: bool = False,
    device: Device = "auto",
) -> TrainingResult[GeneratorCard]:
    """Train, or go on training, and leave the finished generator in the folder.

    draw: pictures of a generator on exams after so many steps. fresh: forget what an earlier run left there.

    Raises: TrainingError - too few windows for the devices, a loss or clip that is not finite, no room. NotFoundError,
    WorkspaceError - the store cannot be read.
    """
    require_windows(settings.devices, settings.data)
    run_dirs.begin(folder, selection, fresh)
    return on_devices(device, settings.devices, settings.precision, _train, listener, selection, settings, folder, draw)


def _train(
    fabric: Fabric,
    listener: Callback,
    selection: Selection,
    settings: Stage1Settings,
    folder: Path,
    draw: Artist | None,
) -> TrainingResult[GeneratorCard]:
    plan = WindowSampler([clip.facts for clip in selection.train], recipe_of(settings.data, settings.seed))
    batches = GeneratorDataset(
        selection.stored, selection.places, plan, settings, fabric.global_rank, fabric.world_size
    )
    exams = read_exams(selection, spread(selection.val, _EXAMS), settings)

    def judge_it(generator: LandmarkGenerator, step: int) -> ValidationResult:
        drawn = draw(generator, exams, step) if draw is not None and fabric.is_global_zero else {}
        return ValidationResult(validation_scores(generator, exams, loss_weights(settings)), drawn)

    module = GeneratorTrainingModule(fabric, settings, judge_it, _pose_filter(selection, settings))
    checkpoints, schedule = Checkpoints(folder), pace_of(settings.schedule)
    data = batches_from(batches, settings.schedule.max_steps, settings.data.num_workers)
    fitted = fit(fabric, module, data, schedule, checkpoints, listener, settings.seed)
    weights, step = best_of(fabric, checkpoints)
    generator = LandmarkGenerator(settings.architecture)
    generator.load_state_dict(weights)
    generator.eval()
    card = GeneratorCard(
        architecture=settings.architecture,
        backend=selection.release.backend,
        release=selection.release.release_id,
        seed=settings.seed,
        steps=step,
        gain=articulation_gain(generator, exams),
    )
    if fabric.is_global_zero:
        save_generator(folder / MODEL, generator, card)
    fabric.barrier()
    return TrainingResult(folder, card, fitted, sum(value.numel() for value in generator.parameters()))


def _pose_filter(selection: Selection, settings: Stage1Settings) -> NDArray[np.float32] | None:
    """What of the pose may be seen, by the training clips; see model/stage1/pose_filter.py."""
    if not settings.architecture.pose_components:
        return None
    footage: Counter[str] = Counter()
    for clip in selection.train:
        footage[clip.facts.speaker] += clip.facts.frames
    moments = PoseMoments()
    for exam in stream_exams(selection, spread(selection.train, _FILTER_CLIPS), settings):
        moments.add(exam.prepared, 1 / footage[exam.speaker])
    try:
        return moments.filter(settings.architecture.pose_components)
    except ValueError as error:
        raise TrainingError(f"release {selection.release.release_id}: {error}") from error


def read_exams(selection: Selection, clips: Sequence[ClipRef], settings: Stage1Settings) -> list[GeneratorEvalClip]:
    """Clips to judge on, in memory. Raises as `stream_exams`."""
    return list(stream_exams(selection, clips, settings))


def stream_exams(
    selection: Selection, clips: Sequence[ClipRef], settings: Stage1Settings
) -> Iterator[GeneratorEvalClip]:
    """Clips as they are read, one at a time.

    Raises: TrainingError - a clip's numbers cannot be used. NotFoundError, WorkspaceError - it cannot be read.
    """
    for clip in clips:
        row = selection.stored.speech(clip.place)
        try:
            prepared = prepare(row.mel, row.landmarks, row.tracked, settings.architecture.pose_sigma_frames)
        except ValueError as error:
            raise TrainingError(f"clip {clip.facts.clip_id}: {error}") from error
        yield GeneratorEvalClip(clip.facts.clip_id, clip.facts.speaker, row.landmarks, row.mel, prepared)


def articulation_gain(generator: LandmarkGenerator, exams: Sequence[GeneratorEvalClip]) -> float:
    """The gain that lets mouths of the val split move enough, from 1 upward; 1 where it cannot be measured.

    The median over speakers decides: one whose mouth hardly moves has any ratio.
    """
    measured = by_speaker(judge(generator, exams, 1, systems=("own sound",)), "mouth_opening_std_ratio")
    usual = float(np.median(list(measured.values()))) if measured else 0.0
    return float(np.clip(_ARTICULATION / usual, 1.0, _MOST_GAIN)) if usual > 0 else 1.0
