"""The training loop of both stages: steps, validation, early stop, checkpoints. It knows no tracker and no store."""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric

from model.training.checkpoints import BEST, NEWEST, Checkpoints
from model.training.listening import Listener, Listeners, Stepped, Validated
from schemas.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at the val split found. scores: by name, None where undefined; "loss" decides what is best.

    pictures: files to look at, by name.
    """

    scores: Mapping[str, float | None]
    pictures: Mapping[str, bytes] = field(default_factory=dict)


class Lesson(Protocol):
    """What is learned: networks, losses and optimisers of a stage, behind what the loop needs to know."""

    def step(self, batch: Any, step: int) -> Mapping[str, torch.Tensor]:
        """Learn from a batch; losses by name, of which "total" must be finite, before anything was changed by them.

        Raises: NotFiniteError - a loss or its gradient is not finite; nothing was learned from it.
        """

    def validate(self, step: int) -> Verdict:
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
class Pace:
    """How long, and how often to look up. patience: validations without a better loss until it stops; 0: never.

    limit_s: seconds of all runs of this training together after which it stops; None: no limit.
    """

    steps: int
    validate_every: int
    save_every: int
    patience: int
    limit_s: float | None = None


@dataclass(frozen=True, slots=True)
class Fitted:
    """How a training ended. best_step: where the validation loss was lowest."""

    step: int
    best_step: int
    best_loss: float
    reason: str


@dataclass(slots=True)
class _Course:
    """Where a training stands."""

    step: int = 0
    best_step: int = 0
    best_loss: float = math.inf
    worse: int = 0
    reason: str = ""
    spent_s: float = 0.0


def fit(
    fabric: Fabric,
    lesson: Lesson,
    batches_from: Callable[[int], Iterable[Any]],
    pace: Pace,
    checkpoints: Checkpoints,
    listener: Listener,
    seed: int,
) -> Fitted:
    """Train until the steps are done, validation stops getting better or the time is up; goes on from the newest
    checkpoint.

    batches_from: the batches from a step on, each with `clip_ids`. Randomness of a step follows from (seed, step), so
    a resumed training takes the steps it would have taken.

    Whether a step is the best, and whether to stop, is decided by the first process for all: others may find another
    loss by a rounding, and have another time.

    Raises: TrainingError - a loss or gradient that is not finite (with the clips of its batch), or no room for a
    checkpoint.
    """
    course = _resume(fabric, lesson, checkpoints)
    listener = listener if fabric.is_global_zero else Listeners()
    # a run that had ended already is told as one of so many steps, none of which is left
    listener.started(course.step, course.step if course.reason else pace.steps)
    if course.reason:
        return _end(course, listener)
    asked = time.perf_counter()
    begun = asked - course.spent_s
    for batch in batches_from(course.step):
        if course.step >= pace.steps:
            break
        arrived = time.perf_counter()
        torch.manual_seed(_mixed(seed, course.step, fabric.global_rank))
        losses = _learn(lesson, batch, course.step)
        course.step += 1
        now = time.perf_counter()
        listener.stepped(Stepped(course.step, losses, lesson.learning_rate(), now - asked, arrived - asked))
        course.spent_s = now - begun
        late = pace.limit_s is not None and bool(fabric.broadcast(course.spent_s >= pace.limit_s))
        if course.step % pace.validate_every == 0 or course.step == pace.steps or late:
            _validate(fabric, lesson, course, pace, checkpoints, listener)
        if late and course.step < pace.steps:
            course.reason = course.reason or f"time is up: {course.spent_s / 60:.3g} min"
        if course.step % pace.save_every == 0 or course.step == pace.steps or course.reason:
            _save(fabric, lesson, course, checkpoints, listener)
        if course.reason:
            break
        asked = time.perf_counter()
    return _end(course, listener)


def _learn(lesson: Lesson, batch: Any, step: int) -> dict[str, float]:
    try:
        losses = lesson.step(batch, step)
    except NotFiniteError as error:
        clips = ", ".join(dict.fromkeys(batch.clip_ids))
        raise TrainingError(f"step {step + 1}: {error}; the batch holds clips {clips}") from error
    return {name: float(value) for name, value in losses.items()}


def _validate(
    fabric: Fabric, lesson: Lesson, course: _Course, pace: Pace, checkpoints: Checkpoints, listener: Listener
) -> None:
    verdict = lesson.validate(course.step) if fabric.is_global_zero else Verdict({})
    scores = fabric.broadcast(dict(verdict.scores))
    loss = scores["loss"]
    if loss is None or not math.isfinite(loss):
        raise TrainingError(f"step {course.step}: the validation loss is {loss}")
    best = loss < course.best_loss
    course.worse = 0 if best else course.worse + 1
    if best:
        course.best_loss, course.best_step = loss, course.step
        if fabric.is_global_zero:
            checkpoints.save(BEST, {"weights": lesson.weights(), "step": course.step})
    if pace.patience and course.worse >= pace.patience:
        course.reason = f"early stop: no better than step {course.best_step} for {course.worse} validations"
    listener.validated(Validated(course.step, scores, best))
    for name, data in verdict.pictures.items():
        listener.shown(name, data)


def _save(fabric: Fabric, lesson: Lesson, course: _Course, checkpoints: Checkpoints, listener: Listener) -> None:
    if fabric.is_global_zero:
        stands = {name: getattr(course, name) for name in _Course.__slots__}
        kept = {"course": stands, "lesson": lesson.state(), "precision": fabric.strategy.precision.state_dict()}
        listener.saved(course.step, checkpoints.save(NEWEST, kept))
    fabric.barrier()


def _resume(fabric: Fabric, lesson: Lesson, checkpoints: Checkpoints) -> _Course:
    found = read_on_all(fabric, checkpoints, NEWEST)
    if found is None:
        return _Course()
    lesson.restore(found["lesson"])
    if found["precision"]:  # fp16's loss scale
        fabric.strategy.precision.load_state_dict(found["precision"])
    return _Course(**found["course"])


def read_on_all(fabric: Fabric, checkpoints: Checkpoints, name: str) -> dict[str, Any] | None:
    """A checkpoint, read by the first process and told to the others: their machines need not see the folder."""
    return fabric.broadcast(checkpoints.load(name) if fabric.is_global_zero else None)


def _end(course: _Course, listener: Listener) -> Fitted:
    reason = course.reason or "done"
    listener.ended(course.step, reason)
    return Fitted(course.step, course.best_step, course.best_loss, reason)


def _mixed(seed: int, step: int, rank: int) -> int:
    return (seed * 1_000_003 + step) * 1_009 + rank
