"""One training of any model, in a folder from which a later run resumes: a spec says what differs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from lightning_fabric import Fabric
from torch import nn

from heterodub.model.io import save_model
from heterodub.model.training.callbacks import Callback
from heterodub.model.training.checkpoints import BEST, Checkpoints
from heterodub.model.training.module import TrainingModule
from heterodub.model.training.sampler import WindowSampler
from heterodub.model.training.trainer import FitResult, Trainer, read_on_all
from heterodub.schemas.cards import BaselineCard, GeneratorCard, TranslatorCard
from heterodub.schemas.config.training import Device, ScheduleSettings, TrainingSettings
from heterodub.schemas.errors import TrainingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.training import run_dirs
from heterodub.tasks.training.clip_selection import TrainingClips
from heterodub.tasks.training.datasets import ClipDataset, batches_from
from heterodub.tasks.training.distributed import on_devices

MODEL: Final = "model"
"""Folder of the finished model, below that of its training."""

DrawSamples = Callable[[Any, Sequence[Any], int], Mapping[str, bytes]]
"""Draws samples of a model on evaluation clips after a number of steps: file contents by name."""

AnyCard = GeneratorCard | TranslatorCard | BaselineCard
Card = TypeVar("Card", bound=AnyCard, covariant=True)


@dataclass(frozen=True, slots=True)
class ExportedModel(Generic[Card]):
    """A finished model, in evaluation mode."""

    network: nn.Module
    card: Card
    discriminators: nn.Module | None = None


@dataclass(frozen=True, slots=True)
class TrainingParts(Generic[Card]):
    """Parts of a training on its device. export: makes the model of the best weights, by network."""

    dataset: ClipDataset[Any, Any]
    module: TrainingModule
    schedule: ScheduleSettings
    export: Callable[[Mapping[str, Any], FitResult], ExportedModel[Card]]


@dataclass(frozen=True, slots=True)
class TrainingSpec(Generic[Card]):
    """Differences between one training and another. Travels between processes.

    name: of the training, for its folder and run. model: name of the registered model. stage: whose clips it takes.
    build: makes the parts. params: returns further parameters of its run. tuned_from: sha256 of the weights that
    fine-tuning starts with.
    """

    name: str
    model: str
    stage: Stage
    clips: TrainingClips
    settings: TrainingSettings
    build: Callable[[Fabric, WindowSampler], TrainingParts[Card]]
    devices: int = 1
    params: Callable[[], Mapping[str, str]] = dict
    tuned_from: str | None = None


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


def run_training(
    spec: TrainingSpec[Card], folder: Path, callback: Callback, fresh: bool = False, device: Device = "auto"
) -> TrainingResult[Card]:
    """Train a model, or resume its training, and save it in the folder. fresh: delete what an earlier run left there.

    Raises: TrainingError - too few windows for the devices, a loss or clip that is not finite, no room, or time that
    ended before the model could be trained. WeightsMissingError - the settings ask for feature networks whose weights
    are not there. NotFoundError, WorkspaceError - the store cannot be read.
    """
    if spec.devices > (windows := spec.settings.data.batch_size):
        raise TrainingError(f"{spec.devices} devices cannot share batches of {windows} windows")
    run_dirs.prepare(folder, spec.clips, fresh)
    return on_devices(device, spec.devices, spec.settings.precision, _train, callback, spec, folder)


def _train(fabric: Fabric, callback: Callback, spec: TrainingSpec[Card], folder: Path) -> TrainingResult[Card]:
    settings, checkpoints = spec.settings, Checkpoints(folder)
    parts = spec.build(fabric, WindowSampler([clip.facts for clip in spec.clips.train], settings.data, settings.seed))
    data = batches_from(parts.dataset, settings.schedule.max_steps, settings.data.num_workers)
    fitted = Trainer(fabric, parts.schedule, checkpoints, callback).fit(parts.module, data, settings.seed)
    exported = parts.export(_best_weights(fabric, checkpoints), fitted)
    if fabric.is_global_zero:
        save_model(folder / MODEL, exported.network, exported.card, exported.discriminators)
    fabric.barrier()
    parameters = sum(value.numel() for value in exported.network.parameters())
    return TrainingResult(folder, exported.card, fitted, parameters)


def _best_weights(fabric: Fabric, checkpoints: Checkpoints) -> dict[str, Any]:
    """Read the weights with the lowest validation loss.

    Raises: TrainingError - there are none, or they cannot be read.
    """
    checkpoint = read_on_all(fabric, checkpoints, BEST)
    if checkpoint is None:
        raise TrainingError(f"{checkpoints.folder} holds no best checkpoint; train with --no-resume")
    weights: dict[str, Any] = checkpoint["weights"]
    return weights


def loaded(network: nn.Module, weights: Mapping[str, Any]) -> Any:
    """Return a network in evaluation mode, with weights."""
    network.load_state_dict(weights)
    return network.eval()


def no_samples(model: Any, eval_clips: Sequence[Any], step: int) -> Mapping[str, bytes]:
    """Draw nothing; a DrawSamples."""
    return {}
