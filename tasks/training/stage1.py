"""Training of a landmark generator on a selection of clips, in a folder from which a later run can resume."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from lightning_fabric import Fabric
from numpy.typing import NDArray

from model.evaluation.generator import GeneratorEvalClip, score_generator, validation_scores
from model.metrics.clip_scores import by_speaker
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
from tasks.training.common import MODEL, TrainingResult, load_best, require_windows, sampler_config, train_schedule
from tasks.training.data.dataset import batches_from
from tasks.training.data.generator_dataset import GeneratorDataset
from tasks.training.distributed import on_devices

_VAL_CLIPS: Final = 64
"""Number of val clips used for validation, spread over speakers; more would cost time for little information."""

_ARTICULATION: Final = 0.85
"""Target of mouth_opening_std_ratio for the gain. Full movement would cost too much error, since L1 suppresses
uncertain movement.
"""

_MOST_GAIN: Final = 1.3
"""Beyond it the predictions carry no movement worth amplifying."""

_FILTER_CLIPS: Final = 2000
"""Number of train clips, spread over speakers, to which the pose filter is fitted."""

DrawSamples = Callable[[LandmarkGenerator, Sequence[GeneratorEvalClip], int], Mapping[str, bytes]]
"""Draws samples: file contents by name."""


def train_generator(
    selection: Selection,
    settings: Stage1Settings,
    folder: Path,
    callback: Callback,
    draw: DrawSamples | None = None,
    fresh: bool = False,
    device: Device = "auto",
) -> TrainingResult[GeneratorCard]:
    """Train a generator, or resume its training, and save it in the folder.

    draw: draws samples on evaluation clips at each validation. fresh: delete what an earlier run left there.

    Raises: TrainingError - too few windows for the devices, a loss or clip that is not finite, no room. NotFoundError,
    WorkspaceError - the store cannot be read.
    """
    require_windows(settings.devices, settings.data)
    run_dirs.prepare(folder, selection, fresh)
    return on_devices(device, settings.devices, settings.precision, _train, callback, selection, settings, folder, draw)


def _train(
    fabric: Fabric,
    callback: Callback,
    selection: Selection,
    settings: Stage1Settings,
    folder: Path,
    draw: DrawSamples | None,
) -> TrainingResult[GeneratorCard]:
    plan = WindowSampler([clip.facts for clip in selection.train], sampler_config(settings.data, settings.seed))
    batches = GeneratorDataset(
        selection.stored, selection.places, plan, settings, fabric.global_rank, fabric.world_size
    )
    eval_clips = read_eval_clips(selection, spread(selection.val, _VAL_CLIPS), settings)

    def validate(generator: LandmarkGenerator, step: int) -> ValidationResult:
        drawn = draw(generator, eval_clips, step) if draw is not None and fabric.is_global_zero else {}
        return ValidationResult(validation_scores(generator, eval_clips, loss_weights(settings)), drawn)

    module = GeneratorTrainingModule(fabric, settings, validate, _pose_filter(selection, settings))
    checkpoints, schedule = Checkpoints(folder), train_schedule(settings.schedule)
    data = batches_from(batches, settings.schedule.max_steps, settings.data.num_workers)
    fitted = fit(fabric, module, data, schedule, checkpoints, callback, settings.seed)
    weights, step = load_best(fabric, checkpoints)
    generator = LandmarkGenerator(settings.architecture)
    generator.load_state_dict(weights)
    generator.eval()
    card = GeneratorCard(
        architecture=settings.architecture,
        backend=selection.release.backend,
        release=selection.release.release_id,
        seed=settings.seed,
        steps=step,
        gain=articulation_gain(generator, eval_clips),
    )
    if fabric.is_global_zero:
        save_generator(folder / MODEL, generator, card)
    fabric.barrier()
    return TrainingResult(folder, card, fitted, sum(value.numel() for value in generator.parameters()))


def _pose_filter(selection: Selection, settings: Stage1Settings) -> NDArray[np.float32] | None:
    """Fit the pose filter to the training clips; see model/stage1/pose_filter.py."""
    if not settings.architecture.pose_components:
        return None
    footage: Counter[str] = Counter()
    for clip in selection.train:
        footage[clip.facts.speaker] += clip.facts.frames
    moments = PoseMoments()
    for eval_clip in stream_eval_clips(selection, spread(selection.train, _FILTER_CLIPS), settings):
        moments.add(eval_clip.prepared, 1 / footage[eval_clip.speaker])
    try:
        return moments.filter(settings.architecture.pose_components)
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
    for clip in clips:
        row = selection.stored.speech(clip.place)
        try:
            prepared = prepare(row.mel, row.landmarks, row.tracked, settings.architecture.pose_sigma_frames)
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
