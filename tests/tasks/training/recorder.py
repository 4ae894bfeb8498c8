"""A listener that remembers, one that pulls the plug, and one that interrupts."""

import os
import signal

from heterodub.model.training.callbacks import Callback, StepMetrics, ValidationMetrics


class RecordingCallback(Callback):
    def __init__(self) -> None:
        self.losses: dict[int, float] = {}
        self.fusions: list[dict[str, float]] = []
        self.validated_at: list[int] = []
        self.scores: list[dict] = []
        self.files: dict[str, bytes] = {}
        self.began_at, self.end = None, None
        self.waited = self.spent = 0.0

    def on_train_start(self, first_step, steps):
        self.began_at = first_step

    def on_train_step_end(self, report: StepMetrics):
        self.losses[report.step] = report.losses["total"]
        self.fusions.append({name: value for name, value in report.losses.items() if name.startswith("fusion/")})
        self.waited, self.spent = self.waited + report.waiting_s, self.spent + report.seconds

    def on_validation_end(self, report: ValidationMetrics):
        self.validated_at.append(report.step)
        self.scores.append(dict(report.scores))

    def on_sample(self, name, data):
        self.files[name] = data

    def on_train_end(self, step, reason):
        self.end = (step, reason)


class PulledAt(RecordingCallback):
    """Kills this process, as the out-of-memory killer would, at a step."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def on_train_step_end(self, report):
        super().on_train_step_end(report)
        if report.step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


class StoppedAt(RecordingCallback):
    """Interrupts the training at a step, as Ctrl-C would."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def on_train_step_end(self, report):
        super().on_train_step_end(report)
        if report.step == self.step:
            raise KeyboardInterrupt
