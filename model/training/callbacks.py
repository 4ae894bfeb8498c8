"""Callbacks of the training loop. The loop knows no tracker; trackers and progress bars implement them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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


class Callback:
    """Receives the events of a training; does nothing by default. An exception it raises ends the training."""

    def on_train_start(self, first_step: int, steps: int) -> None:
        """Training begins at a step (0, or where it resumes); `steps`: the most it takes in all."""

    def on_train_step_end(self, report: StepMetrics) -> None:
        """An optimiser step was taken."""

    def on_validation_end(self, report: ValidationMetrics) -> None:
        """Validation ran."""

    def on_sample(self, name: str, data: bytes) -> None:
        """A picture or film of the last validation, as the file `name`, such as "val/opening_000500.png"."""

    def on_save_checkpoint(self, step: int, checkpoint: Path) -> None:
        """A checkpoint was written."""

    def on_train_end(self, step: int, reason: str) -> None:
        """Training ended. reason: "done", or "early stop" with the reason in words."""


class ForwardingCallback(Callback):
    """Passes every event on, as its name and its arguments."""

    def __init__(self, forward: Callable[[str, tuple[Any, ...]], None]) -> None:
        for event in (name for name in vars(Callback) if name.startswith("on_")):
            setattr(self, event, lambda *values, event=event: forward(event, values))


class CallbackList(ForwardingCallback):
    """Passes every event to several callbacks, in order."""

    def __init__(self, *callbacks: Callback) -> None:
        def forward(event: str, values: tuple[Any, ...]) -> None:
            for callback in callbacks:
                getattr(callback, event)(*values)

        super().__init__(forward)
