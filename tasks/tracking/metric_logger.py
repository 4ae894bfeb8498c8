"""Logging of a training's curves to its run, seldom and in batches; a store that goes away stops no training."""

import logging
import time
from collections.abc import Mapping
from typing import Final

from mlflow.entities import Metric

from heterodub.model.training.callbacks import Callback, StepMetrics, ValidationMetrics
from heterodub.schemas.errors import TrackingError

from .runs import TrackedRun

_log = logging.getLogger(__name__)

POINT_STEPS: Final = 10
"""Steps of one point of a curve, by default."""

POINTS_A_BATCH: Final = 5
"""Points that wait for each other before they are sent; validation sends what waits, too."""

_FIRST_PAUSE_S: Final = 30.0
_LONGEST_PAUSE_S: Final = 600.0
"""Pauses between attempts at a store that is away: each twice as long, so that waiting for it costs next to nothing."""

_FILES_KEPT: Final = 16
"""Pictures that wait for the store to come back, the newest; curves wait without bound, they are small."""


class TrackedTraining(Callback):
    """A callback (model/training/callbacks.py) that keeps a training's curves in its run.

    A point holds means over `point_steps` steps: each loss under "loss/", or under its own name if that has a slash,
    such as "fusion/sound"; "learning_rate"; "data_wait_frac" of the time spent waiting for data; "steps_per_s". Points
    stand at multiples of `point_steps`, so that a resumed training continues its curves; what the run already holds,
    since the killed training got further than its checkpoint, is not sent a second time. Checkpoints stay where they
    are.
    """

    def __init__(self, run: TrackedRun, point_steps: int = POINT_STEPS, first_pause_s: float = _FIRST_PAUSE_S) -> None:
        self._run, self._point_steps, self._first_pause_s = run, point_steps, first_pause_s
        self._window: list[StepMetrics] = []
        self._waiting: list[Metric] = []
        self._files: dict[str, bytes] = {}
        self._points = 0
        self._held: dict[str, set[int]] = {}
        self._pause_s, self._not_before = 0.0, 0.0
        run.at_end.append(self._last_try)

    def on_train_step_end(self, report: StepMetrics) -> None:
        """Count a step; every so many become a point, and every so many points are sent."""
        self._window.append(report)
        if report.step % self._point_steps == 0:
            self._point()
            if self._points >= POINTS_A_BATCH:
                self._send()

    def on_validation_end(self, report: ValidationMetrics) -> None:
        """Keep scores under "val/", unless their names have a slash; a score that is None is left out."""
        values = {_under("val", name): value for name, value in report.scores.items()}
        if report.best:
            values["val/best_step"] = float(report.step)
        self._add(values, report.step)
        self._send()

    def on_train_end(self, step: int, reason: str) -> None:
        """Send what is left."""
        self._point()
        self._last_try()

    def on_sample(self, name: str, data: bytes) -> None:
        """Keep a picture or film as the file `name`, such as "val/opening_000500.png", as soon as the store answers."""
        self._files.pop(name, None)
        self._files[name] = data
        while len(self._files) > _FILES_KEPT:
            self._files.pop(next(iter(self._files)))
        self._send()

    def _point(self) -> None:
        window, self._window = self._window, []
        if not window:
            return
        seconds = sum(report.seconds for report in window)
        names = dict.fromkeys(name for report in window for name in report.losses)
        values: dict[str, float | None] = {_under("loss", name): _mean(window, name) for name in names}
        values["learning_rate"] = window[-1].learning_rate
        if seconds > 0:
            values["data_wait_frac"] = sum(report.waiting_s for report in window) / seconds
            values["steps_per_s"] = len(window) / seconds
        self._add(values, window[-1].step)
        self._points += 1

    def _add(self, values: Mapping[str, float | None], step: int) -> None:
        now = time.time_ns() // 1_000_000
        self._waiting += [Metric(name, value, now, step) for name, value in values.items() if value is not None]

    def _send(self) -> None:
        """Send what waits, unless the store was away a moment ago."""
        if time.monotonic() < self._not_before:
            return
        try:
            self._send_now()
        except (TrackingError, OSError) as error:  # OSError: no room for files
            if not self._pause_s:
                _log.warning("the tracking store is away; training goes on and its curves are kept here: %s", error)
            self._pause_s = min(max(2 * self._pause_s, self._first_pause_s), _LONGEST_PAUSE_S)
            self._not_before = time.monotonic() + self._pause_s
            return
        if self._pause_s:
            _log.warning("the tracking store is back; what was kept has been sent")
        self._pause_s = self._not_before = 0.0

    def _send_now(self) -> None:
        self._points = 0
        if self._pause_s and not self._run.tracking.listens():  # costly attempts only once a server listens again
            raise TrackingError(f"no MLflow server answers at {self._run.tracking.place}")
        if self._run.resumed:
            self._waiting = [metric for metric in self._waiting if not self._is_held(metric)]
        self._run.send(self._waiting)
        self._waiting = []
        for name in list(self._files):
            self._run.content(name, self._files[name])
            del self._files[name]

    def _is_held(self, metric: Metric) -> bool:
        if metric.key not in self._held:
            self._held[metric.key] = self._run.steps_of(metric.key)
        return metric.step in self._held[metric.key]

    def _last_try(self) -> None:
        self._point()
        if not (self._waiting or self._files):
            return
        self._not_before = 0.0
        self._send()
        if self._waiting or self._files:
            _log.warning(
                "%d values and %d files of run %s never reached MLflow, so its curves end early",
                len(self._waiting),
                len(self._files),
                self._run.run_id,
            )
            self._waiting, self._files = [], {}


def _mean(window: list[StepMetrics], name: str) -> float:
    values = [report.losses[name] for report in window if name in report.losses]
    return sum(values) / len(values)


def _under(group: str, name: str) -> str:
    return name if "/" in name else f"{group}/{name}"
