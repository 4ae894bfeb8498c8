"""What stage 1 learns: the landmark generator's losses, and how it is judged while it trains."""

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

Judge = Callable[[LandmarkGenerator, int], ValidationResult]
"""How a generator does on the val split after so many steps."""

_PARTS = ("sound", "pose", "reference")


def loss_weights(settings: Stage1Settings) -> LossWeights:
    """What is learned from, by the settings."""
    return LossWeights(settings.velocity, settings.motion)


class GeneratorTrainingModule:
    """Trains a landmark generator; a model.training.trainer.TrainingModule."""

    def __init__(
        self, fabric: Fabric, settings: Stage1Settings, judge: Judge, pose_filter: NDArray[np.float32] | None = None
    ) -> None:
        self._fabric, self._settings, self._judge = fabric, settings, judge
        torch.manual_seed(settings.seed)
        generator = LandmarkGenerator(settings.architecture)
        if pose_filter is not None:
            generator.strip(pose_filter)
        self.learner = NetworkOptimizer(fabric, generator, settings.optimiser, settings.schedule.max_steps)

    @property
    def generator(self) -> LandmarkGenerator:
        """The generator with averaged weights."""
        judged = self.learner.judged
        assert isinstance(judged, LandmarkGenerator)
        return judged

    def step(self, batch: GeneratorBatch, step: int) -> Mapping[str, Tensor]:
        """Learn from a batch.

        Raises: NotFiniteError - the loss is not finite.
        """
        batch = batch.to(self._fabric.device)
        predicted = self.learner.network(batch.mel_BCM, batch.pose_BTPXY, batch.reference_BRPXY, batch.used_BR)
        weights = loss_weights(self._settings)
        average = partial(over_devices, self._fabric)
        losses = landmark_loss(predicted.float(), batch.target_BTPXY, batch.counts_BT, weights, average)
        self.learner.step(losses["total"], step)
        told = {name: average(value.detach()) for name, value in losses.items()}
        fusion = self.learner.network.module.fusion.detach()
        return told | {f"fusion/{name}": weight for name, weight in zip(_PARTS, fusion, strict=True)}

    def validate(self, step: int) -> ValidationResult:
        """How the averaged generator does."""
        return self._judge(self.generator, step)

    def learning_rate(self) -> float:
        """The rate of the last step."""
        return self.learner.learning_rate()

    def state(self) -> dict[str, Any]:
        """Everything that training goes on from."""
        return self.learner.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state."""
        self.learner.restore(state)

    def weights(self) -> dict[str, Any]:
        """The averaged weights."""
        return self.generator.state_dict()
