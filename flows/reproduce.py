"""Reproduction of a table of the paper on a release."""

from typing import Any, Literal

from prefect import flow

from heterodub.tasks.preflight.models import check_reproduce
from heterodub.tasks.steps.names import run_name
from heterodub.tasks.steps.recorded import recorded
from heterodub.tasks.steps.reproduce import measure_table, save_table
from heterodub.tasks.stores.workspace import Workspace


@flow(name="reproduce", flow_run_name=run_name("reproduce", "table"))
@recorded("reproduce")
def reproduce(
    table: Literal["table1", "table3", "table4"],
    minutes: float = 60,
    release: str | None = None,
    folds: int | None = None,
    fold: int = 1,
    out: str | None = None,
    workspace: str | None = None,
    config: str | None = None,
    preset: str | None = None,
) -> dict[str, Any]:
    """Train the models that a table of the paper lacks, score them, and write it as Markdown, CSV and figure.

    minutes: for all of the table's trainings, which share them: a system that the paper compares with has as many as
    our two stages together. folds, fold: score on one fold of the speakers in place of the test split. out: folder;
    else reports/reproduction of the workspace.

    Raises: HeterodubError - the release, the settings or the store; the text says what to do.
    """
    settings = check_reproduce(table, minutes, release, folds, fold, out, workspace, config, preset)
    store = Workspace.open(settings.workspace)
    return save_table(store, measure_table(store, settings, table, minutes, release, folds, fold), out)
