"""The steps of a table of the paper as Prefect tasks. Each is thin: the work is done by the plain parts it calls."""

from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import WorkspaceError
from heterodub.tasks.monitoring.run_log import Counts, as_step
from heterodub.tasks.reproduction.experiments import make_table
from heterodub.tasks.reproduction.table import Table, markdown, write_table
from heterodub.tasks.steps.artifacts import show_text
from heterodub.tasks.steps.progress import training_callback
from heterodub.tasks.stores.workspace import Workspace


@task(cache_policy=NO_CACHE)
@as_step("measure", lambda table: Counts(facts={"table": table.name}))
def measure_table(
    workspace: Workspace,
    settings: Settings,
    table: str,
    minutes: float,
    release: str | None,
    folds: int | None,
    fold: int,
) -> Table:
    """Measure a table of the paper. Not retried: the same flow run again continues from the trained models.

    Raises: TrainingError, NotFoundError, WorkspaceError, WeightsMissingError - the text says what to do.
    """
    return make_table(workspace, settings, table, minutes, release, folds, fold, training_callback())


@task(cache_policy=NO_CACHE)
def save_table(workspace: Workspace, table: Table, out: str | None) -> dict[str, Any]:
    """Write a table into `out`, else reports/reproduction of a local workspace, and show it in the Prefect UI.

    Raises: WorkspaceError - it cannot be written, or a remote workspace needs `out`.
    """
    if out is None and not workspace.is_local:
        raise WorkspaceError(f"{workspace.root} is no folder of this machine: name one with --out")
    paths = write_table(table, Path(out) if out else Path(workspace.folder("reports")) / "reproduction")
    text = markdown(table)
    show_text(table.name, text, description=table.title)
    return {"table": table.name, "files": [str(path) for path in paths], "markdown": text}
