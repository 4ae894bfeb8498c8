"""Base class of the baselines' training modules: optimisers by name, validation, states."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from model.baselines.batches import AVBatch
from model.baselines.inference import BaselineNetwork
from model.features.arrays import Floats
from model.perceptual.features import Features
from model.training.optimization import NetworkOptimizer, require_finite
from model.training.trainer import ValidationResult
from schemas.config.baselines import BaselineSettings

TRANSLATOR_NETWORK: Final = "translator"
"""Name of the exported network among optimisers and weights."""


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """Inputs of a training module beside its batches.

    validator: evaluates a translator on the val split after a number of steps. val_batch: some windows of the val
    split. faces: returns landmarks of the train split, (n, 216, 2), each in its face frame; called at most once.
    perception: feature networks of perceptual losses.
    """

    validator: Callable[[BaselineNetwork, int], ValidationResult]
    val_batch: AVBatch
    faces: Callable[[], Floats]
    perception: Sequence[Features]


class BaselineTrainingModule(ABC):
    """Trains a baseline; a model.training.trainer.TrainingModule."""

    def __init__(self, fabric: Fabric, settings: BaselineSettings, context: TrainingContext) -> None:
        """Call first, then add networks, the translator among them; new weights follow from the seed."""
        self.fabric, self.settings, self.context = fabric, settings, context
        self.optimizers: dict[str, NetworkOptimizer] = {}
        torch.manual_seed(settings.seed)

    def add(
        self, name: str, network: nn.Module, rate: float | None = None, steps: int | None = None
    ) -> NetworkOptimizer:
        """Add a network to optimise; rate, steps: its own learning rate and number of steps, else the settings'."""
        optimiser = self.settings.optimiser
        if rate is not None:
            optimiser = optimiser.model_copy(update={"learning_rate": rate})
        self.optimizers[name] = NetworkOptimizer(
            self.fabric, network, optimiser, steps or self.settings.schedule.max_steps
        )
        return self.optimizers[name]

    @property
    def translator(self) -> BaselineNetwork:
        """The exported network, with averaged weights."""
        network = self.optimizers[TRANSLATOR_NETWORK].ema_network
        assert isinstance(network, BaselineNetwork)
        return network

    @abstractmethod
    def learn(self, batch: AVBatch, step: int) -> dict[str, Tensor]:
        """Train on a batch on the device; losses by name, "total" among them. Raises: NotFiniteError."""

    def optimizer_step(self, step: int, totals: Mapping[str, Tensor]) -> None:
        """Take a step of the optimisers of these names, once all their losses are known to be finite.

        Raises: NotFiniteError - one is not; no weights were changed.
        """
        require_finite(self.fabric, *totals.values())
        for name, total in totals.items():
            self.optimizers[name].step(total, step)

    def training_step(self, batch: AVBatch, step: int) -> Mapping[str, Tensor]:
        """Take an optimiser step on a batch and return the losses by name.

        Raises: NotFiniteError - a loss is not finite.
        """
        losses = self.learn(batch.to(self.fabric.device), step)
        return {name: value.detach() for name, value in losses.items()}

    def extra_scores(self) -> Mapping[str, float]:
        """Return scores on the val split beside the validator's."""
        return {}

    def validation_step(self, step: int) -> ValidationResult:
        """Evaluate the averaged translator on the val split."""
        result = self.context.validator(self.translator, step)
        return replace(result, scores=dict(result.scores) | dict(self.extra_scores()))

    def learning_rate(self) -> float:
        """Return the translator's learning rate of the last step."""
        return self.optimizers[TRANSLATOR_NETWORK].learning_rate()

    def state_dict(self) -> dict[str, Any]:
        """Return the state that training resumes from."""
        return {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state of `state_dict`."""
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state[name])

    def weights(self) -> dict[str, Any]:
        """Return the averaged translator."""
        return {TRANSLATOR_NETWORK: self.translator.state_dict()}
