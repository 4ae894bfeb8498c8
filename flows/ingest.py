"""The main job: from a messy folder to an audited release."""

import time
from typing import Any

from prefect import flow

from schemas.policy import load_policy
from schemas.settings import Settings, load_settings
from tasks.extract.watching import Silent, Watcher
from tasks.ingest import find_files, publish_release, show_summary, work_on_files


@flow(name="ingest", log_prints=False)
def ingest(
    source: str, corpus: str = "default", workspace: str | None = None, retry_quarantined: bool = False
) -> dict[str, Any]:
    """Sort raw media into stage-1 and stage-2 stores and publish an audited release.

    source: folder, file, fsspec URI, manifest (.csv, .parquet) or corpus file (.toml). Settings come from
    heterodub.toml and HETERODUB_* variables where the flow runs. Returns the run's summary.

    Raises: HeterodubError - the source, the settings, the cluster or the audit; the text says what to do.
    """
    return run_ingest(source, corpus, load_settings(workspace=workspace), retry_quarantined, Silent())


def run_ingest(
    source: str, corpus: str, settings: Settings, retry_quarantined: bool, watcher: Watcher
) -> dict[str, Any]:
    """The steps, in order; for callers inside a flow run that bring settings and a watcher of their own."""
    started = time.monotonic()
    policy = load_policy(settings.policy)
    plan = find_files(source, corpus, settings, retry_quarantined)
    tally = work_on_files(plan, settings, policy, watcher)
    published = publish_release(settings, policy, watcher)
    return show_summary(plan, tally, published, time.monotonic() - started, settings)
