"""Callbacks of the training loop. The loop knows no tracker; trackers and progress bars implement them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """Metrics of one optimiser step. seconds: of the whole step; waiting_s: of those, spent waiting for the batch."""

    step: int
    losses: Mapping[str, float]
    learning_rate: float
    seconds: float
    waiting_s: float


@dataclass(frozen=True, slots=True)
class ValidationMetrics:
    """Scores on the val split after `step` steps, by name, None where undefined. best: lowest loss so far."""

    step: int
    scores: Mapping[str, float | None]
    best: bool


class Callback(Protocol):
    """Receives the events of a training. An exception it raises ends the training."""

    def started(self, first_step: int, steps: int) -> None:
        """Training begins at a step (0, or where it resumes); `steps`: the most it takes in all."""

    def stepped(self, report: StepMetrics) -> None:
        """An optimiser step was taken."""

    def validated(self, report: ValidationMetrics) -> None:
        """Validation ran."""

    def shown(self, name: str, data: bytes) -> None:
        """A picture or film of the last validation, as the file `name`, such as "val/opening_000500.png"."""

    def saved(self, step: int, checkpoint: Path) -> None:
        """A checkpoint was written."""

    def ended(self, step: int, reason: str) -> None:
        """Training ended. reason: "done", or "early stop" with the reason in words."""


class Callbacks:
    """Passes every event to several callbacks, in order."""

    def __init__(self, *callbacks: Callback) -> None:
        self._callbacks = callbacks

    def started(self, first_step: int, steps: int) -> None:
        """Pass it on."""
        for callback in self._callbacks:
            callback.started(first_step, steps)

    def stepped(self, report: StepMetrics) -> None:
        """Pass it on."""
        for callback in self._callbacks:
            callback.stepped(report)

    def validated(self, report: ValidationMetrics) -> None:
        """Pass it on."""
        for callback in self._callbacks:
            callback.validated(report)

    def shown(self, name: str, data: bytes) -> None:
        """Pass it on."""
        for callback in self._callbacks:
            callback.shown(name, data)

    def saved(self, step: int, checkpoint: Path) -> None:
        """Pass it on."""
        for callback in self._callbacks:
            callback.saved(step, checkpoint)

    def ended(self, step: int, reason: str) -> None:
        """Pass it on."""
        for callback in self._callbacks:
            callback.ended(step, reason)
