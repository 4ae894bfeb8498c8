"""Ingest: from a messy folder to an audited release."""

import time
from typing import Any

from prefect import flow
from pydantic import PositiveInt

from heterodub.schemas.endings import with_ending
from heterodub.tasks.steps.arguments import unvisited
from heterodub.tasks.steps.ingest import (
    check_drift,
    check_inputs,
    choose_policy,
    find_files,
    publish_release,
    show_summary,
    work_on_files,
)
from heterodub.tasks.steps.names import run_name
from heterodub.tasks.steps.recorded import recorded
from heterodub.tasks.steps.states import shown_by_prefect
from heterodub.tasks.stores.workspace import Workspace


@flow(name="ingest", flow_run_name=run_name("ingest", "source"))
@shown_by_prefect
@recorded("ingest")
def ingest(
    source: str,
    corpus: str = "default",
    workspace: str | None = None,
    config: str | None = None,
    policy: str | None = None,
    dask: str | None = None,
    workers: PositiveInt | None = None,
    retry_quarantined: bool = False,
    columns: str | None = None,
    switch: bool = False,
) -> dict[str, Any]:
    """Sort raw media into stage-1 and stage-2 stores and publish an audited release.

    What is not given is as `config` and HETERODUB_* variables say where the flow runs. Returns the run's summary.

    Args:
        source: Folder, file, URI (s3://bucket/place), manifest (.csv, .tsv, .jsonl, .parquet) or corpus file
            (.toml).
        corpus: Name of the corpus, unless a corpus file gives it.
        workspace: Folder or URI that holds every table; else as the settings say.
        config: Settings file where the flow runs; else heterodub.toml in its working folder.
        policy: Routing policy file or preset (lrs2, lrw), for a new workspace; `route` changes that of an old one.
        dask: Address of a running Dask scheduler, such as tcp://host:8786.
        workers: Local worker processes.
        retry_quarantined: Try quarantined files once more.
        columns: Columns of the manifest that are called otherwise, such as uri=file,speaker=speaker_id.
        switch: Switch to a new extractor's line though files are missing in it: they leave the workspace.

    Raises: HeterodubError - the source, the settings, the cluster or the audit; the text says what to do.
    """
    started = time.monotonic()
    settings = check_inputs(source, corpus, workspace, config, policy, dask, workers, columns)
    store = Workspace.open(settings.workspace, create=True)
    routing = choose_policy(store, settings.policy)
    plan = unvisited(find_files(store, source, corpus, settings, retry_quarantined, columns))
    tally = work_on_files(store, plan, settings, routing)
    drifts = check_drift(store, settings)
    published = publish_release(store, settings, routing, switch)
    summary: dict[str, Any] = show_summary(store, plan, tally, drifts, published, routing, time.monotonic() - started)
    return with_ending(summary, "partial" if summary["disputed"] else "done")
