"""The main job: from a messy folder to an audited release."""

import time
from typing import Any

from prefect import flow

from schemas.settings import Settings, load_settings
from tasks.extract.watching import Silent, Watcher
from tasks.ingest import choose_policy, find_files, publish_release, show_summary, work_on_files


@flow(name="ingest", validate_parameters=False)
def ingest(
    source: str,
    corpus: str = "default",
    workspace: str | None = None,
    retry_quarantined: bool = False,
    settings: Settings | None = None,
    watcher: Watcher | None = None,
) -> dict[str, Any]:
    """Sort raw media into stage-1 and stage-2 stores and publish an audited release.

    source: folder, file, fsspec URI, manifest (.csv, .parquet) or corpus file (.toml). Without `settings` they come
    from heterodub.toml and HETERODUB_* variables where the flow runs. Returns the run's summary.

    Raises: HeterodubError - the source, the settings, the cluster or the audit; the text says what to do.
    """
    started = time.monotonic()
    settings = settings or load_settings(workspace=workspace)
    watcher = watcher or Silent()
    policy = choose_policy(settings)
    plan = find_files(source, corpus, settings, retry_quarantined)
    tally = work_on_files(plan, settings, policy, watcher)
    published = publish_release(settings, policy, watcher)
    return show_summary(plan, tally, published, time.monotonic() - started, settings)
