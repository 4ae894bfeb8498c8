"""Minutes to steps: how many steps of a training this machine takes in its share of a budget.

A limit in minutes would give every cell of a table as many steps as the machine happened to spare it. So the minutes
are turned into steps once, by a short training of the same kind, and written down: every cell takes the same steps, in
the same order, and a run that goes on tomorrow takes them, too.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from model.training.callbacks import Callbacks, StepMetrics, ValidationMetrics
from schemas.errors import TrainingError

PROBE_STEPS: Final = 16
WARM_STEPS: Final = 4
"""Steps at a training's beginning that are slower than the rest."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Steps of a training, and what they were worked out from: seconds of a step and of a look at the val split."""

    steps: int
    minutes: float
    step_s: float
    look_s: float


class StepTimer(Callbacks):
    """Times the steps and looks of a training."""

    def __init__(self) -> None:
        super().__init__()
        self._steps: list[float] = []
        self._looks: list[float] = []
        self._last = 0.0

    def stepped(self, report: StepMetrics) -> None:
        """A step was taken."""
        self._steps.append(report.seconds)
        self._last = time.perf_counter()

    def validated(self, report: ValidationMetrics) -> None:
        """The val split was looked at."""
        self._looks.append(time.perf_counter() - self._last)

    def budget(self, minutes: float, looks: int) -> Budget:
        """What fits into so many minutes with so many looks, a step at least.

        Raises: TrainingError - nothing was timed.
        """
        timed = self._steps[WARM_STEPS:] or self._steps
        if not timed or not self._looks:
            raise TrainingError("the trial training ended before a step could be timed")
        step_s, look_s = sum(timed) / len(timed), sum(self._looks) / len(self._looks)
        return Budget(max(1, int((60 * minutes - looks * look_s) / step_s)), minutes, step_s, look_s)


def kept(path: Path) -> Budget | None:
    """A budget that was written down; None if there is none.

    Raises: TrainingError - it cannot be read.
    """
    try:
        return Budget(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise TrainingError(f"{path} is damaged ({error}); delete it to time a training anew") from error


def keep(path: Path, budget: Budget) -> None:
    """Write a budget down, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(asdict(budget)) + "\n")
    unfinished.replace(path)
