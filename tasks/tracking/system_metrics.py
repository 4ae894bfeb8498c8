"""Load of the machine during a training: cores, memory, disk, network and GPUs, as MLflow's own monitor measures it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from .runs import TrackedRun

_SAMPLE_S: Final = 10.0
_SAMPLES: Final = 6
"""Samples of one point of a curve: a point a minute."""


@contextmanager
def system_metrics(run: TrackedRun, wanted: bool = True) -> Iterator[None]:
    """Log the machine's load to a run, once a minute, under "system/"; a store that goes away ends the curve alone."""
    if not wanted:
        yield
        return
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor = SystemMetricsMonitor(  # type: ignore[no-untyped-call]
        run.run_id, _SAMPLE_S, _SAMPLES, resume_logging=run.resumed, tracking_uri=run.tracking.place.uri
    )
    monitor.start()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        monitor.finish()  # type: ignore[no-untyped-call]
