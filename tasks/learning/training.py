"""What every training does alike: how its batches are made, how long it lasts, and what it leaves behind."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from lightning_fabric import Fabric

from model.training.checkpoints import BEST, Checkpoints
from model.training.loop import Fitted, Pace, read_on_all
from model.training.plan import Recipe
from schemas.cards import GeneratorCard, RivalCard, TranslatorCard
from schemas.errors import TrainingError
from schemas.training import FeedSettings, PaceSettings

MODEL: Final = "model"
"""Folder of the finished model, below that of its training."""

Card = TypeVar("Card", GeneratorCard, TranslatorCard, RivalCard, covariant=True)


@dataclass(frozen=True, slots=True)
class Trained(Generic[Card]):
    """A finished training. folder holds its checkpoints and, under MODEL, the model."""

    folder: Path
    card: Card
    fitted: Fitted
    parameters: int

    @property
    def model(self) -> Path:
        """Folder of the model."""
        return self.folder / MODEL


def require_windows(devices: int, feed: FeedSettings) -> None:
    """Raises: TrainingError - some device would have no window of a batch."""
    if devices > feed.batch:
        raise TrainingError(f"{devices} devices cannot share batches of {feed.batch} windows")


def pace_of(pace: PaceSettings) -> Pace:
    """How long, in the loop's words."""
    return Pace(pace.steps, pace.validate_every, pace.save_every, pace.patience)


def recipe_of(feed: FeedSettings, seed: int) -> Recipe:
    """How a plan makes batches."""
    return Recipe(feed.window_frames, feed.batch, feed.buffer_frames, feed.balance, seed, feed.windows_per_clip)


def best_of(fabric: Fabric, checkpoints: Checkpoints) -> tuple[dict[str, Any], int]:
    """Weights with the lowest validation loss, as the lesson has them, and the steps behind them.

    Raises: TrainingError - there are none, or they cannot be read.
    """
    found = read_on_all(fabric, checkpoints, BEST)
    if found is None:
        raise TrainingError(f"{checkpoints.folder} holds no best checkpoint; train with --fresh")
    return found["weights"], int(found["step"])
