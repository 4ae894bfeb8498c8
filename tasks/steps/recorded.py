"""Runs of flows in the run log, under the ids that Prefect gave them: one id finds flow run, rows and MLflow runs."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from prefect.runtime import flow_run

from heterodub.tasks.monitoring import run_log

P = ParamSpec("P")
R = TypeVar("R")


def recorded(flow: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Record each call as a run of the flow, below `@flow`; see tasks/monitoring/run_log.py."""
    return run_log.recorded(flow, flow_run.get_id)
