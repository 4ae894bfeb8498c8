"""A run in MLflow: started or resumed, filled with results and provenance, and ended with its status."""

import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE
from pydantic import BaseModel

from heterodub.schemas.addresses import without_password
from heterodub.schemas.errors import TrackingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.monitoring.run_log import current_run
from heterodub.tasks.releases.releases import Release
from heterodub.tasks.stores.workspace import Workspace

from .provenance import provenance_of
from .store import Tracking, tracking_errors

LONGEST_TAG: Final = 8000
"""Characters of a tag that MLflow keeps (mlflow.utils.validation.MAX_TAG_VAL_LENGTH)."""

_log = logging.getLogger(__name__)

_AT_ONCE: Final = 100
"""Parameters or tags in one request (mlflow.utils.validation.MAX_PARAMS_TAGS_PER_BATCH)."""

_METRICS_AT_ONCE: Final = 1000
"""Metrics in one request (mlflow.utils.validation.MAX_METRICS_PER_BATCH)."""

_LONGEST_FAILURE: Final = 1000


class InputData(NamedTuple):
    """A data set that a run reads. context: its use, such as train or test."""

    data: Dataset
    context: str

    def input(self) -> DatasetInput:
        """Return it as MLflow logs it."""
        return DatasetInput(self.data, [InputTag("mlflow.data.context", self.context)])


class TrackedRun:
    """A run that is going on. Every method raises TrackingError when the store cannot be reached or refuses."""

    def __init__(self, tracking: Tracking, run_id: str, resumed: bool) -> None:
        self.tracking, self.run_id, self.resumed = tracking, run_id, resumed
        self.at_end: list[Callable[[], None]] = []
        """Called before the run is ended, however it ends."""

    def origin(self, settings: BaseModel | Mapping[str, Any], seed: int) -> None:
        """Store what the run is made with: settings, seed, code and packages, the long ones as files too.

        Where a resumed run differs from its beginning, a tag "resumed.<name>" holds the new value; the old one stays.
        """
        params, tags, files = provenance_of(settings, seed)
        self.params(params)
        stored = self._run().data.tags
        self.tags(
            {name if stored.get(name, value) == value else f"resumed.{name}": value for name, value in tags.items()}
        )
        for name, content in files.items():
            self.content(name, content)

    def params(self, values: Mapping[str, str]) -> None:
        """Store parameters. MLflow never changes one: where a value differs, the tag "resumed.<name>" holds the new."""
        stored = self._run().data.params
        fresh = [Param(name, value) for name, value in values.items() if name not in stored]
        self._batches("params", fresh, _AT_ONCE)
        differing = {name: value for name, value in values.items() if stored.get(name, value) != value}
        self.tags({f"resumed.{name}": value for name, value in differing.items()})

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags; one of the same name is replaced."""
        self._batches("tags", [RunTag(name, value) for name, value in values.items()], _AT_ONCE)

    def describe(self, text: str) -> None:
        """Set the run's description, in Markdown, which is cut where it is too long for MLflow."""
        self.tags({MLFLOW_RUN_NOTE: text[:LONGEST_TAG]})

    def data(self, ws: Workspace, release: Release, stage: Stage) -> None:
        """Log the release as input: one data set for each split that trainings read, whose context is the split."""
        self.tags({"release": release.release_id})
        inputs = [InputData(release_input(ws, release, stage, split), split).input() for split in ("train", "val")]
        with tracking_errors(f"run {self.run_id}"):
            self.tracking.client.log_inputs(self.run_id, inputs)

    def metrics(
        self,
        values: Mapping[str, float | None],
        step: int = 0,
        model_id: str | None = None,
        data: "InputData | None" = None,
    ) -> None:
        """Store scores at a step; None means that there is none, and is left out. model_id, data: what was scored, and
        on which data set, by which MLflow shows the scores with the model too.
        """
        now, where = time.time_ns() // 1_000_000, (None, None) if data is None else (data.data.name, data.data.digest)
        self.send(
            [Metric(name, value, now, step, model_id, *where) for name, value in values.items() if value is not None]
        )

    def send(self, metrics: Sequence[Metric]) -> None:
        """Store metrics with their own times and steps. Sending some again changes nothing."""
        self._batches("metrics", metrics, _METRICS_AT_ONCE)

    def at_step(self, prefix: str, step: int) -> dict[str, float]:
        """Return the values at a step of the metrics whose names begin so."""
        names = [name for name in self._run().data.metrics if name.startswith(prefix)]
        with tracking_errors(f"run {self.run_id}"):
            histories = {name: self.tracking.client.get_metric_history(self.run_id, name) for name in names}
        return {name: entry.value for name, history in histories.items() for entry in history if entry.step == step}

    def inputs(self, model_id: str | None, data: "InputData | None") -> None:
        """Log a model and a data set as inputs, for runs that score models."""
        models = [] if model_id is None else [LoggedModelInput(model_id)]
        data_sets = [] if data is None else [data.input()]
        with tracking_errors(f"run {self.run_id}"):
            self.tracking.client.log_inputs(self.run_id, data_sets, models)

    def steps_of(self, metric: str) -> set[int]:
        """Return the steps at which the run holds a value of this metric."""
        with tracking_errors(f"run {self.run_id}"):
            return {entry.step for entry in self.tracking.client.get_metric_history(self.run_id, metric)}

    def content(self, name: str, data: bytes | str | Mapping[str, Any] | Sequence[Any]) -> None:
        """Store a picture, a text or a tree (as JSON) as the file `name`, such as "val/opening_000500.png"."""
        folder, _, base = name.rpartition("/")
        if not isinstance(data, bytes | str):
            data = json.dumps(data, indent=2) + "\n"
        with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
            path = Path(scratch) / base
            path.write_bytes(data if isinstance(data, bytes) else data.encode())
            with tracking_errors(f"run {self.run_id}, {base}"):
                self.tracking.client.log_artifact(self.run_id, str(path), folder or None)

    def _batches(self, kind: str, entries: Sequence[Any], at_once: int) -> None:
        with tracking_errors(f"run {self.run_id}"):
            for start in range(0, len(entries), at_once):
                batch: dict[str, Any] = {kind: entries[start : start + at_once]}
                self.tracking.client.log_batch(self.run_id, **batch)

    def _run(self) -> Any:
        with tracking_errors(f"run {self.run_id}"):
            return self.tracking.client.get_run(self.run_id)


@contextmanager
def tracked_run(tracking: Tracking, name: str, resume: str | None = None) -> Iterator[TrackedRun]:
    """Provide a run to fill. `resume` resumes a run by its id, whatever its status; else a new one of that name begins.

    An error inside ends it as FAILED, with its text in the tag "failure", an interrupt as KILLED; both are raised on.

    Raises: TrackingError - there is no such run, it was deleted or is of another experiment; or no store answers.
    """
    run = _resumed(tracking, resume) if resume else _begun(tracking, name)
    status = "FAILED"
    try:
        yield run
        status = "FINISHED"
    except Exception as error:
        with suppress(TrackingError):
            run.tags({"failure": without_password(f"{type(error).__name__}: {error}")[:_LONGEST_FAILURE]})
        raise
    except BaseException:  # Ctrl-C, a cancelled flow, a service that is stopped
        status = "KILLED"
        raise
    finally:
        _end(run, status)


def release_input(ws: Workspace, release: Release, stage: Stage, split: str) -> Dataset:
    """Describe a release as an MLflow data set: named by its id; the profile holds table versions and counts.

    MLflow takes two inputs of one name and digest for the same and drops one, so the digest ends in the split.
    """
    profile = {
        "stage": stage.value,
        "split": split,
        "tables": release.versions,
        "sequence": release.sequence,
        "backend": release.backend,
        "extractor": release.extractor,
        "counts": release.counts.get(stage.value, {}),
    }
    return _data_set(ws, release.release_id, f"{release.release_id}-{split}", profile)


def benchmark_input(ws: Workspace, benchmark: str, stage: Stage) -> Dataset:
    """Describe a frozen benchmark as an MLflow data set, named and digested by its hash."""
    return _data_set(ws, benchmark, benchmark, {"stage": stage.value, "benchmark": benchmark})


def _data_set(ws: Workspace, name: str, digest: str, profile: Mapping[str, Any]) -> Dataset:
    root = without_password(ws.root)
    kind = "local" if ws.is_local else root.partition("://")[0]
    return Dataset(name, digest, kind, source=json.dumps({"uri": root}), profile=json.dumps(profile))


FLOW_RUN: Final = "flow_run"
"""Tag of a run: the run of a flow that made it, or resumed it last, by the id in `metrics` and in Prefect."""


def _flow_run() -> dict[str, str]:
    run = current_run()
    return {} if run is None else {FLOW_RUN: run.run}


def _begun(tracking: Tracking, name: str) -> TrackedRun:
    with tracking_errors(f"experiment {tracking.experiment_id} at {tracking.place}"):
        run = tracking.client.create_run(tracking.experiment_id, tags=_flow_run(), run_name=name)
    return TrackedRun(tracking, run.info.run_id, resumed=False)


def _resumed(tracking: Tracking, run_id: str) -> TrackedRun:
    with tracking_errors(f"run {run_id} at {tracking.place}"):
        run = tracking.client.get_run(run_id)
        if run.info.lifecycle_stage != "active":
            raise TrackingError(
                f"run {run_id} was deleted; `mlflow gc` has not yet erased it: restore it, or begin anew"
            )
        if run.info.experiment_id != tracking.experiment_id:
            raise TrackingError(f"run {run_id} belongs to another experiment; set [tracking] experiment to that one")
        tracking.client.update_run(run_id, status="RUNNING")
    resumed = TrackedRun(tracking, run_id, resumed=True)
    resumed.tags(_flow_run())
    return resumed


def _end(run: TrackedRun, status: str) -> None:
    """End a run. Its work is kept, so a store that is gone by now is only logged."""
    for last in run.at_end:
        last()
    try:
        with tracking_errors(f"run {run.run_id}"):
            run.tracking.client.set_terminated(run.run_id, status)
    except TrackingError as error:
        _log.warning(
            "the run %s ended as %s, but MLflow could not be reached and shows it as running: %s",
            run.run_id,
            status,
            error,
        )
