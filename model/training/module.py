"""Base of the training modules: networks with their optimisers, validation and state."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from heterodub.model.perceptual import Features, perceptual_distance
from heterodub.model.training.optimization import NetworkOptimizer, for_features, require_finite
from heterodub.schemas.config.training import TrainingSettings


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """Scores on the val split, by name, None where undefined; the lowest "loss" is the best.

    pictures: image and video files, by name.
    """

    scores: Mapping[str, float | None]
    pictures: Mapping[str, bytes] = field(default_factory=dict)


Validator = Callable[[Any, int], ValidationResult]
"""Evaluates a network on the val split after a number of steps. Deterministic."""


class TrainingModule(ABC):
    """Networks, losses and optimisers of a training: what the loop needs."""

    def __init__(self, fabric: Fabric, settings: TrainingSettings, validator: Validator) -> None:
        """Call first, then add networks, the exported one first; new weights follow from the seed."""
        self.fabric, self.validator, self._settings = fabric, validator, settings
        self.optimizers: dict[str, NetworkOptimizer] = {}
        torch.manual_seed(settings.seed)

    def add(self, name: str, network: nn.Module, rate: float | None = None, steps: int | None = None) -> None:
        """Add a network to optimise; rate, steps: its own learning rate and number of steps, else the settings'."""
        optimiser = self._settings.optimiser
        if rate is not None:
            optimiser = optimiser.model_copy(update={"learning_rate": rate})
        steps = steps or self._settings.schedule.max_steps
        self.optimizers[name] = NetworkOptimizer(self.fabric, network, optimiser, steps)

    @abstractmethod
    def training_step(self, batch: Any, step: int) -> Mapping[str, Tensor]:
        """Take an optimiser step on a batch on the device, and return this device's losses by name, "total" among them.

        Raises: NotFiniteError - a loss or its gradient is not finite; the weights are unchanged.
        """

    def optimizer_step(self, step: int, totals: Mapping[str, Tensor]) -> None:
        """Take a step of the optimisers of these names, once all their losses are known to be finite.

        Raises: NotFiniteError - one is not; no weights were changed.
        """
        require_finite(self.fabric, *totals.values())
        for name, total in totals.items():
            self.optimizers[name].step(total, step)

    def perceptual_loss(self, networks: Sequence[Features], generated: Tensor, true: Tensor) -> Tensor:
        """Return the sum of the networks' mean perceptual distances of pictures (B, 3, H, W)."""
        with for_features(self.fabric):
            return torch.stack([perceptual_distance(network, generated, true).mean() for network in networks]).sum()

    @property
    def exported(self) -> str:
        """Name of the network that is evaluated and exported, with averaged weights."""
        return next(iter(self.optimizers))

    @property
    def ema_network(self) -> nn.Module:
        """The exported network with averaged weights."""
        return self.optimizers[self.exported].ema_network

    def validation_step(self, step: int) -> ValidationResult:
        """Evaluate the averaged network on the val split."""
        return self.validator(self.ema_network, step)

    def learning_rate(self) -> float:
        """Return the exported network's learning rate of the last step."""
        return self.optimizers[self.exported].learning_rate()

    def state_dict(self) -> dict[str, Any]:
        """Return all that `load_state_dict` needs to resume exactly: tensors, numbers, texts."""
        return {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state of `state_dict`."""
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state[name])

    def weights(self) -> dict[str, Any]:
        """Return the weights that are evaluated and exported, by network."""
        return {self.exported: self.ema_network.state_dict()}


def on_device(networks: Sequence[Features], device: torch.device) -> list[Features]:
    """Return feature networks on a device."""
    return [network.to(device) if isinstance(network, nn.Module) else network for network in networks]
