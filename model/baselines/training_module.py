"""What the training modules of all baselines share: learners by name, the judge, states."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from model.baselines.batches import AVBatch
from model.baselines.inference import BaselineNetwork
from model.perceptual.features import Features
from model.stage2.translator import Floats
from model.training.optimization import NetworkOptimizer, require_finite
from model.training.trainer import ValidationResult
from schemas.config.baselines import BaselineSettings

TRANSLATOR_NETWORK: Final = "translator"
"""Learner of what is shipped, and its name among the weights."""


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """What a training module is given. judge: how a translator does on the val split after so many steps. looked_at:
    some windows of the val split. faces: landmarks of the train split, (n, 216, 2), each in its face frame; asked for
    at most once. perception: feature networks of perceptual losses.
    """

    judge: Callable[[BaselineNetwork, int], ValidationResult]
    looked_at: AVBatch
    faces: Callable[[], Floats]
    perception: Sequence[Features]


class BaselineTrainingModule(ABC):
    """Trains a baseline; a model.training.trainer.TrainingModule."""

    def __init__(self, fabric: Fabric, settings: BaselineSettings, given: TrainingContext) -> None:
        """Call first, then add learners, the translator among them; new weights follow from the seed."""
        self.fabric, self.settings, self.given = fabric, settings, given
        self.learners: dict[str, NetworkOptimizer] = {}
        torch.manual_seed(settings.seed)

    def add(
        self, name: str, network: nn.Module, rate: float | None = None, steps: int | None = None
    ) -> NetworkOptimizer:
        """A network that learns, at another rate or for fewer steps than the translator's if told so."""
        optimiser = self.settings.optimiser
        if rate is not None:
            optimiser = optimiser.model_copy(update={"learning_rate": rate})
        self.learners[name] = NetworkOptimizer(
            self.fabric, network, optimiser, steps or self.settings.schedule.max_steps
        )
        return self.learners[name]

    @property
    def translator(self) -> BaselineNetwork:
        """What is shipped, with averaged weights."""
        judged = self.learners[TRANSLATOR_NETWORK].judged
        assert isinstance(judged, BaselineNetwork)
        return judged

    @abstractmethod
    def learn(self, batch: AVBatch, step: int) -> dict[str, Tensor]:
        """Learn from a batch on the device; losses by name, "total" among them. Raises: NotFiniteError."""

    def take(self, step: int, totals: Mapping[str, Tensor]) -> None:
        """A step of the learners of these names, once all their losses are known to be finite.

        Raises: NotFiniteError - one is not; nothing was learned.
        """
        require_finite(self.fabric, *totals.values())
        for name, total in totals.items():
            self.learners[name].step(total, step)

    def step(self, batch: AVBatch, step: int) -> Mapping[str, Tensor]:
        """Learn from a batch.

        Raises: NotFiniteError - a loss is not finite.
        """
        told = self.learn(batch.to(self.fabric.device), step)
        return {name: value.detach() for name, value in told.items()}

    def looked(self) -> Mapping[str, float]:
        """Scores on the val split beside the judge's."""
        return {}

    def validate(self, step: int) -> ValidationResult:
        """How the averaged translator does."""
        verdict = self.given.judge(self.translator, step)
        return replace(verdict, scores=dict(verdict.scores) | dict(self.looked()))

    def learning_rate(self) -> float:
        """The translator's rate of the last step."""
        return self.learners[TRANSLATOR_NETWORK].learning_rate()

    def state(self) -> dict[str, Any]:
        """Everything that training goes on from."""
        return {name: learner.state() for name, learner in self.learners.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state."""
        for name, learner in self.learners.items():
            learner.restore(state[name])

    def weights(self) -> dict[str, Any]:
        """The averaged translator."""
        return {TRANSLATOR_NETWORK: self.translator.state_dict()}
