"""The training loop of both stages: steps, validation, early stop, checkpoints. It knows no tracker and no store."""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from lightning_fabric import Fabric

from heterodub.model.training.callbacks import Callback, StepMetrics, ValidationMetrics
from heterodub.model.training.checkpoints import BEST, LAST, Checkpoints
from heterodub.model.training.module import TrainingModule, ValidationResult
from heterodub.model.training.optimization import NotFiniteError, over_devices
from heterodub.schemas.config.training import ScheduleSettings
from heterodub.schemas.errors import TrainingError


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


class Trainer:
    """Trains a module until the steps are done, validation stops improving or the time is up.

    The first process decides for all whether a step is the best and whether to stop: losses of others may differ by
    rounding, and their clocks may too.
    """

    def __init__(
        self, fabric: Fabric, schedule: ScheduleSettings, checkpoints: Checkpoints, callback: Callback
    ) -> None:
        self._fabric, self._schedule, self._checkpoints = fabric, schedule, checkpoints
        self._callback = callback if fabric.is_global_zero else Callback()
        self._state = _TrainState()

    def fit(self, module: TrainingModule, batches_from: Callable[[int], Iterable[Any]], seed: int) -> FitResult:
        """Train, or resume from the last checkpoint.

        batches_from: the batches from a step on, each with `clip_ids`. Randomness of a step follows from (seed, step),
        so a resumed training takes the steps it would have taken.

        Raises: TrainingError - a loss or gradient that is not finite (with the clips of its batch), a checkpoint of
        another training, or no room for one.
        """
        self._resume(module)
        state = self._state
        # a run that had ended already is reported as one of so many steps, none of which is left
        self._callback.on_train_start(state.step, state.step if state.reason else self._schedule.max_steps)
        if not state.reason:
            self._take_steps(module, batches_from, seed)
        reason = state.reason or "done"
        self._callback.on_train_end(state.step, reason)
        return FitResult(state.step, state.best_step, state.best_loss, reason)

    def _take_steps(self, module: TrainingModule, batches_from: Callable[[int], Iterable[Any]], seed: int) -> None:
        state, schedule = self._state, self._schedule
        requested = time.perf_counter()
        started = requested - state.spent_s
        for batch in batches_from(state.step):
            if state.step >= schedule.max_steps:
                break
            arrived = time.perf_counter()
            torch.manual_seed(_mixed(seed, state.step, self._fabric.global_rank))
            losses = self._training_step(module, batch)
            state.step += 1
            now = time.perf_counter()
            metrics = StepMetrics(state.step, losses, module.learning_rate(), now - requested, arrived - requested)
            self._callback.on_train_step_end(metrics)
            state.spent_s = now - started
            self._validate_and_save(module)
            if state.reason:
                break
            requested = time.perf_counter()

    def _training_step(self, module: TrainingModule, batch: Any) -> dict[str, float]:
        """Train on a batch; the losses are means over all devices."""
        try:
            losses = module.training_step(batch.to(self._fabric.device), self._state.step)
        except NotFiniteError as error:
            clips = ", ".join(dict.fromkeys(batch.clip_ids))
            raise TrainingError(f"step {self._state.step + 1}: {error}; the batch holds clips {clips}") from error
        return {name: float(over_devices(self._fabric, value.detach())) for name, value in losses.items()}

    def _validate_and_save(self, module: TrainingModule) -> None:
        """Validate and save at their intervals and at the end; a reason to stop is noted in the state."""
        state, schedule = self._state, self._schedule
        is_last = state.step == schedule.max_steps
        is_late = schedule.minutes is not None and bool(self._fabric.broadcast(state.spent_s >= 60 * schedule.minutes))
        if state.step % schedule.eval_interval == 0 or is_last or is_late:
            self._validate(module)
        if is_late and not is_last:
            state.reason = state.reason or f"time is up: {state.spent_s / 60:.3g} min"
        if state.step % schedule.save_interval == 0 or is_last or state.reason:
            self._save(module)

    def _validate(self, module: TrainingModule) -> None:
        state, patience = self._state, self._schedule.patience
        result = module.validation_step(state.step) if self._fabric.is_global_zero else ValidationResult({})
        scores = self._fabric.broadcast(dict(result.scores))
        loss = scores["loss"]
        if loss is None or not math.isfinite(loss):
            raise TrainingError(f"step {state.step}: the validation loss is {loss}")
        best = loss < state.best_loss
        state.worse = 0 if best else state.worse + 1
        if best:
            state.best_loss, state.best_step = loss, state.step
            if self._fabric.is_global_zero:
                self._checkpoints.save(BEST, {"weights": module.weights(), "step": state.step})
        if patience and state.worse >= patience:
            state.reason = f"early stop: no better than step {state.best_step} for {state.worse} validations"
        self._callback.on_validation_end(ValidationMetrics(state.step, scores, best))
        for name, data in result.pictures.items():
            self._callback.on_sample(name, data)

    def _save(self, module: TrainingModule) -> None:
        if self._fabric.is_global_zero:
            precision = self._fabric.strategy.precision.state_dict()
            checkpoint = {"state": asdict(self._state), "module": module.state_dict(), "precision": precision}
            self._callback.on_save_checkpoint(self._state.step, self._checkpoints.save(LAST, checkpoint))
        self._fabric.barrier()

    def _resume(self, module: TrainingModule) -> None:
        checkpoint = read_on_all(self._fabric, self._checkpoints, LAST)
        if checkpoint is None:
            return
        try:
            module.load_state_dict(checkpoint["module"])
            if checkpoint["precision"]:  # fp16's loss scale
                self._fabric.strategy.precision.load_state_dict(checkpoint["precision"])
            self._state = _state_of(checkpoint["state"])
        except Exception as error:  # a file that torch can read may hold anything
            path = self._checkpoints.folder / LAST
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


def _mixed(seed: int, step: int, rank: int) -> int:
    return (seed * 1_000_003 + step) * 1_009 + rank
