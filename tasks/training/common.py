"""Code shared by all trainings: sampler and schedule from the settings, and the training's result."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from lightning_fabric import Fabric

from model.training.checkpoints import BEST, Checkpoints
from model.training.sampler import SamplerConfig
from model.training.trainer import FitResult, TrainSchedule, read_on_all
from schemas.cards import BaselineCard, GeneratorCard, TranslatorCard
from schemas.config.training import DataSettings, ScheduleSettings
from schemas.errors import TrainingError

MODEL: Final = "model"
"""Folder of the finished model, below that of its training."""

Card = TypeVar("Card", GeneratorCard, TranslatorCard, BaselineCard, covariant=True)


@dataclass(frozen=True, slots=True)
class TrainingResult(Generic[Card]):
    """Result of a training. folder: holds its checkpoints and, under MODEL, the model."""

    folder: Path
    card: Card
    fitted: FitResult
    parameters: int

    @property
    def model(self) -> Path:
        """Folder of the model."""
        return self.folder / MODEL


def require_windows(devices: int, data: DataSettings) -> None:
    """Raises: TrainingError - a batch has fewer windows than there are devices."""
    if devices > data.batch_size:
        raise TrainingError(f"{devices} devices cannot share batches of {data.batch_size} windows")


def train_schedule(schedule: ScheduleSettings) -> TrainSchedule:
    """Return the trainer's schedule from the settings."""
    return TrainSchedule(schedule.max_steps, schedule.eval_interval, schedule.save_interval, schedule.patience)


def sampler_config(data: DataSettings, seed: int) -> SamplerConfig:
    """Return the sampler's config from the settings."""
    return SamplerConfig(
        data.window_frames, data.batch_size, data.buffer_frames, data.balance, seed, data.windows_per_clip
    )


def load_best(fabric: Fabric, checkpoints: Checkpoints) -> tuple[dict[str, Any], int]:
    """Read the weights with the lowest validation loss, and their step.

    Raises: TrainingError - there are none, or they cannot be read.
    """
    checkpoint = read_on_all(fabric, checkpoints, BEST)
    if checkpoint is None:
        raise TrainingError(f"{checkpoints.folder} holds no best checkpoint; train with --no-resume")
    return checkpoint["weights"], int(checkpoint["step"])
