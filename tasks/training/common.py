"""What every training does alike: how its batches are made, how long it lasts, and what it leaves behind."""

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
    """A finished training. folder holds its checkpoints and, under MODEL, the model."""

    folder: Path
    card: Card
    fitted: FitResult
    parameters: int

    @property
    def model(self) -> Path:
        """Folder of the model."""
        return self.folder / MODEL


def require_windows(devices: int, data: DataSettings) -> None:
    """Raises: TrainingError - some device would have no window of a batch."""
    if devices > data.batch_size:
        raise TrainingError(f"{devices} devices cannot share batches of {data.batch_size} windows")


def pace_of(schedule: ScheduleSettings) -> TrainSchedule:
    """How long, in the loop's words."""
    return TrainSchedule(schedule.max_steps, schedule.eval_interval, schedule.save_interval, schedule.patience)


def recipe_of(data: DataSettings, seed: int) -> SamplerConfig:
    """How a plan makes batches."""
    return SamplerConfig(
        data.window_frames, data.batch_size, data.buffer_frames, data.balance, seed, data.windows_per_clip
    )


def best_of(fabric: Fabric, checkpoints: Checkpoints) -> tuple[dict[str, Any], int]:
    """Weights with the lowest validation loss, as the training module has them, and the steps behind them.

    Raises: TrainingError - there are none, or they cannot be read.
    """
    found = read_on_all(fabric, checkpoints, BEST)
    if found is None:
        raise TrainingError(f"{checkpoints.folder} holds no best checkpoint; train with --fresh")
    return found["weights"], int(found["step"])
