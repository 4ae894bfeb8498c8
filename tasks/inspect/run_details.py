"""One run of a flow with all that belongs to it, found by its id or by that of its MLflow run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.display import visible
from heterodub.schemas.errors import NotFoundError
from heterodub.tasks.lineage.plan import tracking_if_there
from heterodub.tasks.monitoring.runs import RunRecord, runs, under_parents
from heterodub.tasks.stores.workspace import Workspace

if TYPE_CHECKING:
    from heterodub.tasks.tracking.flow_runs import LoggedRun
    from heterodub.tasks.tracking.store import Tracking


@dataclass(frozen=True, slots=True)
class RunDetails:
    """Runs of flows: the one that was asked for, then those that it started; and their runs in MLflow.

    The id of each is that of its flow run in Prefect, save for commands that need no Prefect.
    """

    runs: tuple[RunRecord, ...]
    logged: tuple["LoggedRun", ...]


def run_details(settings: Settings, name: str) -> RunDetails:
    """Return the run of a flow by its id, the beginning of it, or the id of an MLflow run that it made.

    Raises: NotFoundError - no run is called so, or several are. WorkspaceError. TrackingError - the tracking store
    cannot be reached.
    """
    ws = Workspace.open(settings.workspace)
    tracking, records = tracking_if_there(settings, ws), runs(ws)
    family = _family(records, _named(records, tracking, name))
    if tracking is None:
        return RunDetails(family, ())
    from heterodub.tasks.tracking.flow_runs import logged_runs

    return RunDetails(family, logged_runs(tracking, [record.run for record in family]))


def _named(records: Sequence[RunRecord], tracking: "Tracking | None", name: str) -> str:
    matching = [record.run for record in records if record.run.startswith(name)]
    if not matching and tracking is not None:
        from heterodub.tasks.tracking.flow_runs import flow_run_of

        made_by = flow_run_of(tracking, name)
        matching = [record.run for record in records if record.run == made_by]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise NotFoundError(f"{len(matching)} runs begin with {visible(name)!r}: {', '.join(matching[:5])}")
    raise NotFoundError(f"no run is called {visible(name)!r}; `heterodub status` lists the last ones")


def _family(records: Sequence[RunRecord], run: str) -> tuple[RunRecord, ...]:
    """Return a run and all that it started, each below its parent."""
    names = {run}
    for record in reversed(records):  # oldest first: a parent comes before what it starts
        if record.parent in names:
            names.add(record.run)
    return tuple(under_parents([record for record in records if record.run in names]))
