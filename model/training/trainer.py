"""The training loop of both stages: steps, validation, early stop, checkpoints. It knows no tracker and no store."""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from lightning_fabric import Fabric

from model.training.callbacks import Callback, StepMetrics, ValidationMetrics
from model.training.checkpoints import BEST, LAST, Checkpoints
from model.training.module import TrainingModule, ValidationResult
from model.training.optimization import NotFiniteError, over_devices
from schemas.config.training import ScheduleSettings
from schemas.errors import TrainingError


@dataclass(frozen=True, slots=True)
class FitResult:
    """Result of a training. best_step: where the validation loss was lowest."""

    step: int
    best_step: int
    best_loss: float
    reason: str


@dataclass(slots=True)
class _TrainState:
    """Progress of a training, stored in checkpoints."""

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
    schedule: ScheduleSettings,
    checkpoints: Checkpoints,
    callback: Callback,
    seed: int,
) -> FitResult:
    """Train until the steps are done, validation stops improving or the time is up; resumes from the last checkpoint.

    batches_from: the batches from a step on, each with `clip_ids`. Randomness of a step follows from (seed, step), so
    a resumed training takes the steps it would have taken.

    The first process decides for all whether a step is the best and whether to stop: losses of others may differ by
    rounding, and their clocks may too.

    Raises: TrainingError - a loss or gradient that is not finite (with the clips of its batch), or no room for a
    checkpoint.
    """
    state = _resume(fabric, module, checkpoints)
    callback = callback if fabric.is_global_zero else Callback()
    # a run that had ended already is reported as one of so many steps, none of which is left
    callback.on_train_start(state.step, state.step if state.reason else schedule.max_steps)
    if state.reason:
        return _end(state, callback)
    asked = time.perf_counter()
    begun = asked - state.spent_s
    for batch in batches_from(state.step):
        if state.step >= schedule.max_steps:
            break
        arrived = time.perf_counter()
        torch.manual_seed(_mixed(seed, state.step, fabric.global_rank))
        losses = _training_step(fabric, module, batch, state.step)
        state.step += 1
        now = time.perf_counter()
        callback.on_train_step_end(
            StepMetrics(state.step, losses, module.learning_rate(), now - asked, arrived - asked)
        )
        state.spent_s = now - begun
        late = schedule.minutes is not None and bool(fabric.broadcast(state.spent_s >= 60 * schedule.minutes))
        if state.step % schedule.eval_interval == 0 or state.step == schedule.max_steps or late:
            _validate(fabric, module, state, schedule, checkpoints, callback)
        if late and state.step < schedule.max_steps:
            state.reason = state.reason or f"time is up: {state.spent_s / 60:.3g} min"
        if state.step % schedule.save_interval == 0 or state.step == schedule.max_steps or state.reason:
            _save(fabric, module, state, checkpoints, callback)
        if state.reason:
            break
        asked = time.perf_counter()
    return _end(state, callback)


def _training_step(fabric: Fabric, module: TrainingModule, batch: Any, step: int) -> dict[str, float]:
    """Train on a batch; the losses are means over all devices."""
    try:
        losses = module.training_step(batch.to(fabric.device), step)
    except NotFiniteError as error:
        clips = ", ".join(dict.fromkeys(batch.clip_ids))
        raise TrainingError(f"step {step + 1}: {error}; the batch holds clips {clips}") from error
    return {name: float(over_devices(fabric, value.detach())) for name, value in losses.items()}


def _validate(
    fabric: Fabric,
    module: TrainingModule,
    state: _TrainState,
    schedule: ScheduleSettings,
    checkpoints: Checkpoints,
    callback: Callback,
) -> None:
    result = module.validation_step(state.step) if fabric.is_global_zero else ValidationResult({})
    scores = fabric.broadcast(dict(result.scores))
    loss = scores["loss"]
    if loss is None or not math.isfinite(loss):
        raise TrainingError(f"step {state.step}: the validation loss is {loss}")
    best = loss < state.best_loss
    state.worse = 0 if best else state.worse + 1
    if best:
        state.best_loss, state.best_step = loss, state.step
        if fabric.is_global_zero:
            checkpoints.save(BEST, {"weights": module.weights(), "step": state.step})
    if schedule.patience and state.worse >= schedule.patience:
        state.reason = f"early stop: no better than step {state.best_step} for {state.worse} validations"
    callback.on_validation_end(ValidationMetrics(state.step, scores, best))
    for name, data in result.pictures.items():
        callback.on_sample(name, data)


def _save(
    fabric: Fabric, module: TrainingModule, state: _TrainState, checkpoints: Checkpoints, callback: Callback
) -> None:
    if fabric.is_global_zero:
        progress = {name: getattr(state, name) for name in _TrainState.__slots__}
        kept = {"state": progress, "module": module.state_dict(), "precision": fabric.strategy.precision.state_dict()}
        callback.on_save_checkpoint(state.step, checkpoints.save(LAST, kept))
    fabric.barrier()


def _resume(fabric: Fabric, module: TrainingModule, checkpoints: Checkpoints) -> _TrainState:
    checkpoint = read_on_all(fabric, checkpoints, LAST)
    if checkpoint is None:
        return _TrainState()
    try:
        module.load_state_dict(checkpoint["module"])
        if checkpoint["precision"]:  # fp16's loss scale
            fabric.strategy.precision.load_state_dict(checkpoint["precision"])
        return _state_of(checkpoint["state"])
    except Exception as error:  # a file that torch can read may hold anything
        path = checkpoints.folder / LAST
        raise TrainingError(
            f"checkpoint {path} is not one of this training ({error}); delete it to start anew"
        ) from error


def _state_of(values: Mapping[str, Any]) -> _TrainState:
    """Raises: TypeError, ValueError - something is missing, of another kind, or a count below 0."""
    state = _TrainState(**values)
    kinds = asdict(_TrainState())
    for name, value in asdict(state).items():
        if type(value) is not type(kinds[name]) or (isinstance(value, int) and value < 0):
            raise ValueError(f"{name} is {value!r}")
    return state


def read_on_all(fabric: Fabric, checkpoints: Checkpoints, name: str) -> dict[str, Any] | None:
    """Read a checkpoint in the first process and broadcast it: other machines need not see the folder."""
    return fabric.broadcast(checkpoints.load(name) if fabric.is_global_zero else None)


def _end(state: _TrainState, callback: Callback) -> FitResult:
    reason = state.reason or "done"
    callback.on_train_end(state.step, reason)
    return FitResult(state.step, state.best_step, state.best_loss, reason)


def _mixed(seed: int, step: int, rank: int) -> int:
    return (seed * 1_000_003 + step) * 1_009 + rank
