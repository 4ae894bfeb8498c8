"""Training module of stage 1: the landmark generator with its losses and its validation."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor

from model.stage1.batches import GeneratorBatch
from model.stage1.network import LandmarkGenerator, LossWeights, landmark_loss
from model.training.optimization import NetworkOptimizer, over_devices
from model.training.trainer import ValidationResult
from schemas.config.training import Stage1Settings

Validator = Callable[[LandmarkGenerator, int], ValidationResult]
"""Evaluates a generator on the val split after a number of steps."""

_PARTS = ("sound", "pose", "reference")


def loss_weights(settings: Stage1Settings) -> LossWeights:
    """Return the loss weights that the settings ask for."""
    return LossWeights(settings.velocity, settings.motion)


class GeneratorTrainingModule:
    """Trains a landmark generator; a model.training.trainer.TrainingModule."""

    def __init__(
        self,
        fabric: Fabric,
        settings: Stage1Settings,
        validator: Validator,
        pose_filter: NDArray[np.float32] | None = None,
    ) -> None:
        self._fabric, self._settings, self._validator = fabric, settings, validator
        torch.manual_seed(settings.seed)
        generator = LandmarkGenerator(settings.architecture)
        if pose_filter is not None:
            generator.set_pose_filter(pose_filter)
        self.optimizer = NetworkOptimizer(fabric, generator, settings.optimiser, settings.schedule.max_steps)

    @property
    def generator(self) -> LandmarkGenerator:
        """The generator with averaged weights."""
        generator = self.optimizer.ema_network
        assert isinstance(generator, LandmarkGenerator)
        return generator

    def training_step(self, batch: GeneratorBatch, step: int) -> Mapping[str, Tensor]:
        """Take an optimiser step on a batch and return the losses by name.

        Raises: NotFiniteError - the loss is not finite.
        """
        batch = batch.to(self._fabric.device)
        predicted = self.optimizer.network(batch.mel_BCM, batch.pose_BTPXY, batch.reference_BRPXY, batch.used_BR)
        weights = loss_weights(self._settings)
        average = partial(over_devices, self._fabric)
        losses = landmark_loss(predicted.float(), batch.target_BTPXY, batch.counts_BT, weights, average)
        self.optimizer.step(losses["total"], step)
        means = {name: average(value.detach()) for name, value in losses.items()}
        fusion = self.optimizer.network.module.fusion.detach()
        return means | {f"fusion/{name}": weight for name, weight in zip(_PARTS, fusion, strict=True)}

    def validation_step(self, step: int) -> ValidationResult:
        """Evaluate the averaged generator on the val split."""
        return self._validator(self.generator, step)

    def learning_rate(self) -> float:
        """Return the learning rate of the last step."""
        return self.optimizer.learning_rate()

    def state_dict(self) -> dict[str, Any]:
        """Return the state that training resumes from."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state of `state_dict`."""
        self.optimizer.load_state_dict(state)

    def weights(self) -> dict[str, Any]:
        """Return the averaged weights."""
        return self.generator.state_dict()
