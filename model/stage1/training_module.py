"""Training module of stage 1: the landmark generator with its losses."""

from collections.abc import Mapping
from functools import partial
from typing import Final

import numpy as np
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor

from heterodub.model.stage1.batches import GeneratorBatch
from heterodub.model.stage1.linear import LinearMotion
from heterodub.model.stage1.network import LandmarkGenerator, LossWeights, landmark_loss
from heterodub.model.training.module import TrainingModule, Validator
from heterodub.model.training.optimization import over_devices
from heterodub.schemas.config.training import Stage1Settings

GENERATOR_NETWORK: Final = "generator"
"""Name of the exported network among optimisers and weights."""

_PARTS = ("sound", "pose", "reference")


def loss_weights(settings: Stage1Settings) -> LossWeights:
    """Return the loss weights that the settings ask for."""
    return LossWeights(settings.velocity, settings.motion)


class GeneratorTrainingModule(TrainingModule):
    """Trains a landmark generator."""

    def __init__(
        self,
        fabric: Fabric,
        settings: Stage1Settings,
        validator: Validator,
        pose_filter: NDArray[np.float32] | None = None,
        linear: LinearMotion | None = None,
    ) -> None:
        super().__init__(fabric, settings, validator)
        self._weights = loss_weights(settings)
        generator = LandmarkGenerator(settings.architecture)
        if pose_filter is not None:
            generator.set_pose_filter(pose_filter)
        if linear is not None:
            generator.set_linear(linear)
        self.add(GENERATOR_NETWORK, generator)

    def training_step(self, batch: GeneratorBatch, step: int) -> Mapping[str, Tensor]:
        """Train on the landmark losses; the weights of the fusion are reported as well."""
        network = self.optimizers[GENERATOR_NETWORK].network
        predicted = network(batch.mel_BCM, batch.pose_BTPXY, batch.reference_BRPXY, batch.used_BR).float()
        average = partial(over_devices, self.fabric)
        losses = landmark_loss(predicted, batch.target_BTPXY, batch.counts_BT, self._weights, average)
        self.optimizer_step(step, {GENERATOR_NETWORK: losses["total"]})
        fusion = network.module.fusion
        return losses | {f"fusion/{name}": weight for name, weight in zip(_PARTS, fusion, strict=True)}
