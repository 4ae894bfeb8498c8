"""MLflow runs of a flow run, and the flow run of an MLflow run, by the tag `flow_run`."""

from collections.abc import Collection
from dataclasses import dataclass

from .registry import search_runs
from .runs import FLOW_RUN
from .store import Tracking, if_there, tracking_errors


@dataclass(frozen=True, slots=True)
class LoggedRun:
    """A run in MLflow. run: its id. status: RUNNING, FINISHED, FAILED or KILLED. flow_run: the run that made it."""

    run: str
    name: str
    experiment: str
    status: str
    flow_run: str


def logged_runs(tracking: Tracking, flow_runs: Collection[str]) -> tuple[LoggedRun, ...]:
    """Return the runs that some runs of flows made, or resumed last, in any experiment, oldest first.

    Raises: TrackingError - the store cannot be reached.
    """
    with tracking_errors(f"tracking store {tracking.place}"):
        names = {entity.experiment_id: entity.name for entity in tracking.client.search_experiments()}
    found = [
        run for flow_run in flow_runs for run in search_runs(tracking, f"tags.{FLOW_RUN} = '{flow_run}'", list(names))
    ]
    return tuple(
        LoggedRun(
            run.info.run_id,
            run.info.run_name,
            names[run.info.experiment_id],
            run.info.status,
            run.data.tags[FLOW_RUN],
        )
        for run in sorted(found, key=lambda run: int(run.info.start_time))
    )


def flow_run_of(tracking: Tracking, run_id: str) -> str | None:
    """Return the run of a flow that made an MLflow run; None where there is no such run, or nothing made it.

    Raises: TrackingError - the store cannot be reached.
    """
    run = if_there(f"run {run_id}", lambda: tracking.client.get_run(run_id))
    return None if run is None else run.data.tags.get(FLOW_RUN)
