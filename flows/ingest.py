"""The main job: from a messy folder to an audited release."""

import time
from typing import Any

from prefect import flow

from schemas.settings import load_settings
from tasks.ingest import choose_policy, find_files, look_for_drift, publish_release, show_summary, work_on_files
from tasks.journal.recording import recorded


@flow(name="ingest")
@recorded("ingest")
def ingest(
    source: str,
    corpus: str = "default",
    workspace: str | None = None,
    config: str | None = None,
    policy: str | None = None,
    dask: str | None = None,
    workers: int | None = None,
    retry_quarantined: bool = False,
) -> dict[str, Any]:
    """Sort raw media into stage-1 and stage-2 stores and publish an audited release.

    source: folder, file, fsspec URI, manifest (.csv, .parquet) or corpus file (.toml). corpus: its name, unless a
    corpus file tells it. workspace, policy, dask, workers: in place of what `config` (else heterodub.toml) and
    HETERODUB_* variables say where the flow runs. Returns the run's summary.

    Raises: HeterodubError - the source, the settings, the cluster or the audit; the text says what to do.
    """
    started = time.monotonic()
    settings = load_settings(config, workspace=workspace, policy=policy, run={"dask": dask, "workers": workers})
    routing = choose_policy(settings)
    plan = find_files(source, corpus, settings, retry_quarantined)
    tally = work_on_files(plan, settings, routing)
    drifts = look_for_drift(settings)
    published = publish_release(settings, routing)
    return show_summary(plan, tally, drifts, published, time.monotonic() - started, settings)
