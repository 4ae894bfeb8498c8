"""The training loop of both stages: steps, validation, early stop, checkpoints. It knows no tracker and no store."""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric

from model.training.callbacks import Callback, Callbacks, StepMetrics, ValidationMetrics
from model.training.checkpoints import BEST, NEWEST, Checkpoints
from schemas.errors import TrainingError


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """What a look at the val split found. scores: by name, None where undefined; "loss" decides what is best.

    pictures: files to look at, by name.
    """

    scores: Mapping[str, float | None]
    pictures: Mapping[str, bytes] = field(default_factory=dict)


class TrainingModule(Protocol):
    """What is learned: networks, losses and optimisers of a stage, behind what the loop needs to know."""

    def step(self, batch: Any, step: int) -> Mapping[str, torch.Tensor]:
        """Learn from a batch; losses by name, of which "total" must be finite, before anything was changed by them.

        Raises: NotFiniteError - a loss or its gradient is not finite; nothing was learned from it.
        """

    def validate(self, step: int) -> ValidationResult:
        """How it does on the val split after `step` steps. Draws nothing at random."""

    def learning_rate(self) -> float:
        """The rate of the last step."""

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs to go on as if nothing had happened: tensors, numbers, texts."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state."""

    def weights(self) -> dict[str, Any]:
        """The weights that are judged and shipped."""


class NotFiniteError(Exception):
    """A loss or its gradient is NaN or infinite."""


@dataclass(frozen=True, slots=True)
class TrainSchedule:
    """How long, and how often to look up. patience: validations without a better loss until it stops; 0: never.

    limit_s: seconds of all runs of this training together after which it stops; None: no limit.
    """

    max_steps: int
    eval_interval: int
    save_interval: int
    patience: int
    limit_s: float | None = None


@dataclass(frozen=True, slots=True)
class FitResult:
    """How a training ended. best_step: where the validation loss was lowest."""

    step: int
    best_step: int
    best_loss: float
    reason: str


@dataclass(slots=True)
class _TrainState:
    """Where a training stands."""

    step: int = 0
    best_step: int = 0
    best_loss: float = math.inf
    worse: int = 0
    reason: str = ""
    spent_s: float = 0.0


def fit(
    fabric: Fabric,
    module: TrainingModule,
    batches_from: Callable[[int], Iterable[Any]],
    schedule: TrainSchedule,
    checkpoints: Checkpoints,
    listener: Callback,
    seed: int,
) -> FitResult:
    """Train until the steps are done, validation stops getting better or the time is up; goes on from the newest
    checkpoint.

    batches_from: the batches from a step on, each with `clip_ids`. Randomness of a step follows from (seed, step), so
    a resumed training takes the steps it would have taken.

    Whether a step is the best, and whether to stop, is decided by the first process for all: others may find another
    loss by a rounding, and have another time.

    Raises: TrainingError - a loss or gradient that is not finite (with the clips of its batch), or no room for a
    checkpoint.
    """
    course = _resume(fabric, module, checkpoints)
    listener = listener if fabric.is_global_zero else Callbacks()
    # a run that had ended already is told as one of so many steps, none of which is left
    listener.started(course.step, course.step if course.reason else schedule.max_steps)
    if course.reason:
        return _end(course, listener)
    asked = time.perf_counter()
    begun = asked - course.spent_s
    for batch in batches_from(course.step):
        if course.step >= schedule.max_steps:
            break
        arrived = time.perf_counter()
        torch.manual_seed(_mixed(seed, course.step, fabric.global_rank))
        losses = _learn(module, batch, course.step)
        course.step += 1
        now = time.perf_counter()
        listener.stepped(StepMetrics(course.step, losses, module.learning_rate(), now - asked, arrived - asked))
        course.spent_s = now - begun
        late = schedule.limit_s is not None and bool(fabric.broadcast(course.spent_s >= schedule.limit_s))
        if course.step % schedule.eval_interval == 0 or course.step == schedule.max_steps or late:
            _validate(fabric, module, course, schedule, checkpoints, listener)
        if late and course.step < schedule.max_steps:
            course.reason = course.reason or f"time is up: {course.spent_s / 60:.3g} min"
        if course.step % schedule.save_interval == 0 or course.step == schedule.max_steps or course.reason:
            _save(fabric, module, course, checkpoints, listener)
        if course.reason:
            break
        asked = time.perf_counter()
    return _end(course, listener)


def _learn(module: TrainingModule, batch: Any, step: int) -> dict[str, float]:
    try:
        losses = module.step(batch, step)
    except NotFiniteError as error:
        clips = ", ".join(dict.fromkeys(batch.clip_ids))
        raise TrainingError(f"step {step + 1}: {error}; the batch holds clips {clips}") from error
    return {name: float(value) for name, value in losses.items()}


def _validate(
    fabric: Fabric,
    module: TrainingModule,
    course: _TrainState,
    schedule: TrainSchedule,
    checkpoints: Checkpoints,
    listener: Callback,
) -> None:
    verdict = module.validate(course.step) if fabric.is_global_zero else ValidationResult({})
    scores = fabric.broadcast(dict(verdict.scores))
    loss = scores["loss"]
    if loss is None or not math.isfinite(loss):
        raise TrainingError(f"step {course.step}: the validation loss is {loss}")
    best = loss < course.best_loss
    course.worse = 0 if best else course.worse + 1
    if best:
        course.best_loss, course.best_step = loss, course.step
        if fabric.is_global_zero:
            checkpoints.save(BEST, {"weights": module.weights(), "step": course.step})
    if schedule.patience and course.worse >= schedule.patience:
        course.reason = f"early stop: no better than step {course.best_step} for {course.worse} validations"
    listener.validated(ValidationMetrics(course.step, scores, best))
    for name, data in verdict.pictures.items():
        listener.shown(name, data)


def _save(
    fabric: Fabric, module: TrainingModule, course: _TrainState, checkpoints: Checkpoints, listener: Callback
) -> None:
    if fabric.is_global_zero:
        stands = {name: getattr(course, name) for name in _TrainState.__slots__}
        kept = {"course": stands, "module": module.state(), "precision": fabric.strategy.precision.state_dict()}
        listener.saved(course.step, checkpoints.save(NEWEST, kept))
    fabric.barrier()


def _resume(fabric: Fabric, module: TrainingModule, checkpoints: Checkpoints) -> _TrainState:
    found = read_on_all(fabric, checkpoints, NEWEST)
    if found is None:
        return _TrainState()
    module.restore(found["module"])
    if found["precision"]:  # fp16's loss scale
        fabric.strategy.precision.load_state_dict(found["precision"])
    return _TrainState(**found["course"])


def read_on_all(fabric: Fabric, checkpoints: Checkpoints, name: str) -> dict[str, Any] | None:
    """A checkpoint, read by the first process and told to the others: their machines need not see the folder."""
    return fabric.broadcast(checkpoints.load(name) if fabric.is_global_zero else None)


def _end(course: _TrainState, listener: Callback) -> FitResult:
    reason = course.reason or "done"
    listener.ended(course.step, reason)
    return FitResult(course.step, course.best_step, course.best_loss, reason)


def _mixed(seed: int, step: int, rank: int) -> int:
    return (seed * 1_000_003 + step) * 1_009 + rank
