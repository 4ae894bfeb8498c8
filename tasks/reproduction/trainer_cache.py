"""Cache of the tables' trainings: missing ones are trained, finished ones are reused.

A training's folder is named by release, clips, settings (with the steps of its budget) and code. So an interrupted
table resumes, tables share trainings, and no stale training is reused.

A limit in minutes would give every cell of a table another number of steps, depending on the machine's load. So the
minutes are converted to steps once, by a short trial training of the same kind, and stored: every cell takes the same
steps in the same order, also after a resume.
"""

import hashlib
import json
import logging
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Final

from heterodub.model.files import write_atomic
from heterodub.model.training.callbacks import Callback, StepMetrics, ValidationMetrics
from heterodub.schemas.cards import CARD
from heterodub.schemas.config.baselines import BASELINES
from heterodub.schemas.config.sections import Section, merged
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import TrainingError, WeightsMissingError
from heterodub.tasks.reproduction.footage import ExperimentData
from heterodub.tasks.reproduction.jobs import KINDS, LOOKS, WARM_STEPS, TrainingJob
from heterodub.tasks.stores.removal import remove_below
from heterodub.tasks.training.clip_selection import Selection
from heterodub.tasks.training.run import MODEL
from heterodub.tasks.training.run_dirs import training_folder

PROBE_STEPS: Final = 16


@dataclass(frozen=True, slots=True)
class Budget:
    """Steps of a training, with the measured seconds of a step and of a validation (look_s)."""

    steps: int
    minutes: float
    step_s: float
    look_s: float


class StepTimer(Callback):
    """Times the steps and validations of a training."""

    def __init__(self) -> None:
        self._steps: list[float] = []
        self._looks: list[float] = []
        self._last = 0.0

    def on_train_step_end(self, report: StepMetrics) -> None:
        """Record a step's time."""
        self._steps.append(report.seconds)
        self._last = time.perf_counter()

    def on_validation_end(self, report: ValidationMetrics) -> None:
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


_log = logging.getLogger(__name__)

_CODE: Final = ("model/features", "model/perceptual.py", "model/stage1", "model/stage2", "model/training", "schemas",
                "tasks/training")  # fmt: skip
"""Folders and files whose code affects every training; a change of other code does not repeat trainings."""


@dataclass(frozen=True, slots=True)
class TrainedModels:
    """models: folders of the models, by training. refused: trainings of baselines that failed, with the reason."""

    models: Mapping[TrainingJob, Path]
    refused: Mapping[TrainingJob, str]


class TrainerCache:
    """Trains models of jobs, or finds them. minutes: of one share; a kind of training has one or more."""

    def __init__(self, settings: Settings, footage: ExperimentData, minutes: float, callback: Callback) -> None:
        self._settings, self._footage = settings, footage
        self._minutes, self._callback = minutes, callback

    def train(self, jobs: Collection[TrainingJob]) -> TrainedModels:
        """Return the models by job, training the missing ones. A baseline that cannot be trained does not stop the
        others.

        Raises: as the jobs' kinds (run_training).
        """
        models, refused = dict[TrainingJob, Path](), dict[TrainingJob, str]()
        for job in dict.fromkeys(jobs):
            try:
                models[job] = self._trained(job)
            except (TrainingError, WeightsMissingError) as error:
                if job.kind not in BASELINES:
                    raise
                _log.warning("%s is not trained: %s", job.kind, error)
                refused[job] = str(error)
        return TrainedModels(models, refused)

    def budget(self, kind: str) -> Budget:
        """Return the budget of a kind of training; measured by a trial, the first time.

        Raises: TrainingError - its file is damaged; and as `train`.
        """
        path = self.budget_file(kind)
        budget = read_budget(path)
        if budget is None:
            timer, folder = StepTimer(), path.with_suffix("")
            with suppress(FileNotFoundError):  # unless a trial was killed
                remove_below(folder.parent, folder)
            KINDS[kind].train(*self._trial(kind), self._settings, folder, timer)
            budget = timer.budget(self._minutes_of(kind), LOOKS)
            write_budget(path, budget)
            remove_below(folder.parent, folder)
        return budget

    def budget_file(self, kind: str) -> Path:
        """Return the file of a kind's budget, beside the trainings."""
        folder = self._folder(kind, *self._trial(kind))
        return folder.with_name(f"{folder.name}-{self._minutes_of(kind):.6g}-min.json")

    def _minutes_of(self, kind: str) -> float:
        return self._minutes * KINDS[kind].shares

    def _folder(self, kind: str, selection: Selection, section: Section) -> Path:
        code = code_of((*_CODE, *KINDS[kind].code))
        return training_folder(selection, section, f"paper-{kind}-{code}")

    def _trial(self, kind: str) -> tuple[Selection, Section]:
        section = KINDS[kind].section(self._settings, TrainingJob(kind), PROBE_STEPS)
        once = {
            "schedule": {"eval_interval": PROBE_STEPS, "save_interval": PROBE_STEPS}
        }  # one validation and one checkpoint are enough
        return self._selection(TrainingJob(kind)), type(section).model_validate(merged(section.model_dump(), once))

    def _trained(self, job: TrainingJob) -> Path:
        selection, section = self._selection(job), self._section(job)
        folder = self._folder(job.kind, selection, section)
        model = folder / MODEL
        if (model / CARD).exists():  # a card is written last
            return model
        return KINDS[job.kind].train(selection, section, self._settings, folder, self._callback)

    def _selection(self, job: TrainingJob) -> Selection:
        footage = self._footage.half() if job.half else self._footage
        return KINDS[job.kind].selection(footage)

    def _section(self, job: TrainingJob) -> Section:
        return KINDS[job.kind].section(self._settings, job, self.budget(job.kind).steps)


@cache
def code_of(parts: tuple[str, ...]) -> str:
    """Return a hash of the code in some folders and files."""
    root, digest = Path(__file__).parents[2], hashlib.sha256()
    for part in parts:
        for path in sorted((root / part).rglob("*.py")) or [root / part]:
            digest.update(json.dumps([path.relative_to(root).as_posix(), path.read_text()]).encode())
    return digest.hexdigest()[:8]
