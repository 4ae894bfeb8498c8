"""Dubbing of the videos of a manifest."""

from typing import Any

from prefect import flow

from heterodub.schemas.config.settings import load_settings
from heterodub.schemas.errors import BatchError
from heterodub.tasks.dubbing.jobs import summary_of
from heterodub.tasks.monitoring.run_log import recorded
from heterodub.tasks.steps.dub import dub_jobs, read_jobs, show_dubbings
from heterodub.tasks.steps.names import run_name
from heterodub.tasks.steps.states import shown_by_prefect


@flow(name="dub", flow_run_name=run_name("dub", "manifest"))
@shown_by_prefect
@recorded("dub")
def dub(
    manifest: str,
    generator: str | None = None,
    translator: str | None = None,
    workspace: str | None = None,
    config: str | None = None,
    resume: bool = True,
) -> dict[str, Any]:
    """Dub every job of a CSV manifest (tasks/dubbing/jobs.py names its columns).

    Returns the counts of jobs that were dubbed, skipped and that failed, and each job's summary; a failed job carries
    its error and stops no other.

    Args:
        manifest: CSV where the flow runs: video, speech, out; where wanted face, length, appearance_from, finetune.
        generator: Landmark generator: folder, version number, @alias, run id, newest, or builtin, the one that ships;
            else the champion, and builtin where there is none.
        translator: Landmark translator, named the same way; or warp, the one without training.
        workspace: Folder or URI that holds every table; else as the settings say.
        config: Settings file where the flow runs; else heterodub.toml in its working folder.
        resume: Skip jobs that an earlier run finished, if nothing changed and the output is intact.

    Raises: HeterodubError - the manifest, the models or the store; the text says what to do. BatchError - every job
    failed.
    """
    settings = load_settings(config, workspace=workspace)
    outcomes = dub_jobs(read_jobs(manifest), generator, translator, settings, resume)
    show_dubbings(outcomes)
    summary = summary_of(outcomes)
    if summary["state"] == "failed":
        raise BatchError("no job was dubbed", summary)
    return summary
