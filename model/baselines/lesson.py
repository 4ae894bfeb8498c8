"""What the lessons of all rivals share: learners by name, the judge, states."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from model.baselines.batches import TalkBatch
from model.baselines.painting import RivalNetwork
from model.perception.features import Features
from model.stage2.translator import Floats
from model.training.loop import Verdict
from model.training.single import Learner, require_finite
from schemas.rivals import RivalSettings

PAINTER: Final = "painter"
"""Learner of what is shipped, and its name among the weights."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a lesson is given. judge: how a painter does on the val split after so many steps. looked_at: some windows
    of the val split. faces: landmarks of the train split, (n, 216, 2), each in its face frame; asked for at most
    once. perception: feature networks of perceptual losses.
    """

    judge: Callable[[RivalNetwork, int], Verdict]
    looked_at: TalkBatch
    faces: Callable[[], Floats]
    perception: Sequence[Features]


class RivalLesson(ABC):
    """Trains a rival; a model.training.loop.Lesson."""

    def __init__(self, fabric: Fabric, settings: RivalSettings, given: Surroundings) -> None:
        """Call first, then add learners, the painter among them; new weights follow from the seed."""
        self.fabric, self.settings, self.given = fabric, settings, given
        self.learners: dict[str, Learner] = {}
        torch.manual_seed(settings.seed)

    def add(self, name: str, network: nn.Module, rate: float | None = None, steps: int | None = None) -> Learner:
        """A network that learns, at another rate or for fewer steps than the painter's if told so."""
        optimiser = self.settings.optimiser
        if rate is not None:
            optimiser = optimiser.model_copy(update={"learning_rate": rate})
        self.learners[name] = Learner(self.fabric, network, optimiser, steps or self.settings.pace.steps)
        return self.learners[name]

    @property
    def painter(self) -> RivalNetwork:
        """What is shipped, with averaged weights."""
        judged = self.learners[PAINTER].judged
        assert isinstance(judged, RivalNetwork)
        return judged

    @abstractmethod
    def learn(self, batch: TalkBatch, step: int) -> dict[str, Tensor]:
        """Learn from a batch on the device; losses by name, "total" among them. Raises: NotFiniteError."""

    def take(self, step: int, totals: Mapping[str, Tensor]) -> None:
        """A step of the learners of these names, once all their losses are known to be finite.

        Raises: NotFiniteError - one is not; nothing was learned.
        """
        require_finite(self.fabric, *totals.values())
        for name, total in totals.items():
            self.learners[name].step(total, step)

    def step(self, batch: TalkBatch, step: int) -> Mapping[str, Tensor]:
        """Learn from a batch.

        Raises: NotFiniteError - a loss is not finite.
        """
        told = self.learn(batch.to(self.fabric.device), step)
        return {name: value.detach() for name, value in told.items()}

    def looked(self) -> Mapping[str, float]:
        """Scores on the val split beside the judge's."""
        return {}

    def validate(self, step: int) -> Verdict:
        """How the averaged painter does."""
        verdict = self.given.judge(self.painter, step)
        return replace(verdict, scores=dict(verdict.scores) | dict(self.looked()))

    def learning_rate(self) -> float:
        """The painter's rate of the last step."""
        return self.learners[PAINTER].learning_rate()

    def state(self) -> dict[str, Any]:
        """Everything that training goes on from."""
        return {name: learner.state() for name, learner in self.learners.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state."""
        for name, learner in self.learners.items():
            learner.restore(state[name])

    def weights(self) -> dict[str, Any]:
        """The averaged painter."""
        return {PAINTER: self.painter.state_dict()}
