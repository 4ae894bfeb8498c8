"""Taking footage down, and naming every model that was trained on it."""

from typing import Any, Literal

from prefect import flow

from schemas.settings import load_settings
from tasks.erase import erase, plan_erasure


@flow(name="takedown")
def takedown(
    kind: Literal["speaker", "corpus", "file", "licence"],
    value: str,
    why: str,
    dry_run: bool = False,
    workspace: str | None = None,
    config: str | None = None,
    with_models: bool = False,
) -> dict[str, Any]:
    """Erase all footage of a speaker, corpus, file or licence, keep it from coming back, and publish a new release.

    dry_run: only say what would go. with_models: delete models and checkpoints that learned from it, too. Returns what
    goes and, unless dry, what was done.

    Raises: HeterodubError - nothing is called so, or a store or server is away; the text says what to do.
    """
    settings = load_settings(config, workspace=workspace)
    plan = plan_erasure(settings, kind, value)
    return plan.summary() if dry_run else erase(settings, plan, why, with_models)
