"""Conversion of a training's time budget from minutes to steps on this machine.

A limit in minutes would give every cell of a table another number of steps, depending on the machine's load. So the
minutes are converted to steps once, by a short trial training of the same kind, and stored: every cell takes the same
steps in the same order, also after a resume.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from model.files import write_atomic
from model.training.callbacks import Callbacks, StepMetrics, ValidationMetrics
from schemas.errors import TrainingError

PROBE_STEPS: Final = 16
WARM_STEPS: Final = 4
"""Steps at a training's beginning that are slower than the rest and not timed."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Steps of a training, with the measured seconds of a step and of a validation (look_s)."""

    steps: int
    minutes: float
    step_s: float
    look_s: float


class StepTimer(Callbacks):
    """Times the steps and validations of a training."""

    def __init__(self) -> None:
        super().__init__()
        self._steps: list[float] = []
        self._looks: list[float] = []
        self._last = 0.0

    def stepped(self, report: StepMetrics) -> None:
        """Record a step's time."""
        self._steps.append(report.seconds)
        self._last = time.perf_counter()

    def validated(self, report: ValidationMetrics) -> None:
        """Record a validation's time."""
        self._looks.append(time.perf_counter() - self._last)

    def budget(self, minutes: float, looks: int) -> Budget:
        """Return the budget of so many minutes with so many validations, at least one step.

        Raises: TrainingError - nothing was timed.
        """
        timed = self._steps[WARM_STEPS:] or self._steps
        if not timed or not self._looks:
            raise TrainingError("the trial training ended before a step could be timed")
        step_s, look_s = sum(timed) / len(timed), sum(self._looks) / len(self._looks)
        return Budget(max(1, int((60 * minutes - looks * look_s) / step_s)), minutes, step_s, look_s)


def read_budget(path: Path) -> Budget | None:
    """Read a stored budget; None if there is none.

    Raises: TrainingError - it cannot be read.
    """
    try:
        return Budget(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise TrainingError(f"{path} is damaged ({error}); delete it to time a training anew") from error


def write_budget(path: Path, budget: Budget) -> None:
    """Store a budget, atomically."""
    write_atomic(path, json.dumps(asdict(budget)) + "\n")
