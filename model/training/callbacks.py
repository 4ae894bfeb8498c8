"""What a training tells while it runs. The loop knows these words and no tracker; trackers and bars listen."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """One optimiser step. seconds: of the whole step; waiting_s: of those, spent waiting for the batch."""

    step: int
    losses: Mapping[str, float]
    learning_rate: float
    seconds: float
    waiting_s: float


@dataclass(frozen=True, slots=True)
class ValidationMetrics:
    """A look at the val split after `step` steps. scores: by name, None where undefined. best: lowest loss so far."""

    step: int
    scores: Mapping[str, float | None]
    best: bool


class Callback(Protocol):
    """Told of a training as it happens. What it raises ends the training."""

    def started(self, first_step: int, steps: int) -> None:
        """Training begins at a step (0, or where it was resumed) and will take so many in all at most."""

    def stepped(self, report: StepMetrics) -> None:
        """A step was taken."""

    def validated(self, report: ValidationMetrics) -> None:
        """The val split was looked at."""

    def shown(self, name: str, data: bytes) -> None:
        """A picture or film of the last validation, as the file `name`, such as "val/opening_000500.png"."""

    def saved(self, step: int, checkpoint: Path) -> None:
        """A checkpoint was written."""

    def ended(self, step: int, reason: str) -> None:
        """Training is over: "done", or "early stop" with the reason in words."""


class Callbacks:
    """Several listeners as one."""

    def __init__(self, *listeners: Callback) -> None:
        self._all = listeners

    def started(self, first_step: int, steps: int) -> None:
        """Tell all."""
        for listener in self._all:
            listener.started(first_step, steps)

    def stepped(self, report: StepMetrics) -> None:
        """Tell all."""
        for listener in self._all:
            listener.stepped(report)

    def validated(self, report: ValidationMetrics) -> None:
        """Tell all."""
        for listener in self._all:
            listener.validated(report)

    def shown(self, name: str, data: bytes) -> None:
        """Tell all."""
        for listener in self._all:
            listener.shown(name, data)

    def saved(self, step: int, checkpoint: Path) -> None:
        """Tell all."""
        for listener in self._all:
            listener.saved(step, checkpoint)

    def ended(self, step: int, reason: str) -> None:
        """Tell all."""
        for listener in self._all:
            listener.ended(step, reason)
