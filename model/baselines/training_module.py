"""Base class of the baselines' training modules."""

from abc import ABC
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from lightning_fabric import Fabric

from heterodub.model.baselines.batches import AVBatch
from heterodub.model.features.arrays import Floats
from heterodub.model.perceptual import Features
from heterodub.model.training.module import TrainingModule, Validator
from heterodub.schemas.config.baselines import BaselineSettings

TRANSLATOR_NETWORK: Final = "translator"
"""Name of the exported network among optimisers and weights."""


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """Inputs of a training module beside its batches.

    validator: evaluates a translator on the val split after a number of steps. val_batch: some windows of the val
    split. faces: returns landmarks of the train split, (n, 216, 2), each in its face frame; called at most once.
    perception: feature networks of perceptual losses.
    """

    validator: Validator
    val_batch: AVBatch
    faces: Callable[[], Floats]
    perception: Sequence[Features]


class BaselineTrainingModule(TrainingModule, ABC):
    """Trains a baseline."""

    def __init__(self, fabric: Fabric, settings: BaselineSettings, context: TrainingContext) -> None:
        super().__init__(fabric, settings, context.validator)
        self.settings, self.context = settings, context
