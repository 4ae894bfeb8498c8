"""Takedown of footage, with every model that was trained on it."""

from typing import Any, Literal

from prefect import flow
from pydantic import SecretStr

from heterodub.schemas.endings import with_ending
from heterodub.tasks.preflight.data import check_takedown
from heterodub.tasks.steps.arguments import unvisited
from heterodub.tasks.steps.names import run_name
from heterodub.tasks.steps.recorded import recorded
from heterodub.tasks.steps.states import shown_by_prefect
from heterodub.tasks.steps.takedown import erase, forget_name, plan_erasure


@flow(name="takedown", flow_run_name=run_name("takedown", "kind", "dry_run"))
@shown_by_prefect
@recorded("takedown")
def takedown(
    kind: Literal["speaker", "corpus", "file", "licence"],
    value: SecretStr,
    reason: SecretStr,
    dry_run: bool = False,
    workspace: str | None = None,
    config: str | None = None,
    with_models: bool = False,
    with_near_copies: bool = False,
) -> dict[str, Any]:
    """Erase all footage of a speaker, corpus, file or licence, keep it from coming back, and publish a new release.

    Returns the footage that goes and, unless dry, the work that was done.

    Args:
        kind: Kind of the name.
        value: Its name; a file by its path, its whole name, or the start of its id. Prefect stores asterisks.
        reason: Kept with the tombstone, and nowhere else.
        dry_run: Only report the footage that would go.
        with_models: Delete models and checkpoints trained on it, too.
        with_near_copies: Take near-copies of it down as well, and keep copies of any kind from coming back.
        workspace: Folder or URI that holds every table; else as the settings say.
        config: Settings file where the flow runs; else heterodub.toml in its working folder.

    Raises: HeterodubError - nothing is called so, or a store or server is away; the text says what to do.
    """
    name = value.get_secret_value()
    forget_name(kind, name)
    settings = check_takedown(kind, name, workspace, config)
    plan = plan_erasure(settings, kind, name, with_near_copies)
    if dry_run:
        return with_ending(plan.summary(), "dry_run")
    summary: dict[str, Any] = erase(settings, unvisited(plan), reason.get_secret_value(), with_models)
    return with_ending(summary, "partial" if summary["unfinished_left"] else "done")
