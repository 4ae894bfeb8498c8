"""Promotion of a trained model to champion, and rollback."""

import sys
from typing import Any, Literal

from prefect import flow

from heterodub.tasks.preflight.models import check_promote
from heterodub.tasks.promotion import manual
from heterodub.tasks.promotion.evidence import promotion_summary
from heterodub.tasks.steps.names import run_name
from heterodub.tasks.steps.promote import (
    approval_notice,
    ask_approval,
    decide_promotion,
    draw_comparison,
    keep_champion,
    log_evidence,
    move_champion,
    open_comparison,
    require_shared_server,
    score_candidates,
)
from heterodub.tasks.steps.recorded import recorded


@flow(name="promote", flow_run_name=run_name("promote", "stage", "model", "override"))
@recorded("promote")
def promote(
    stage: Literal["stage1", "stage2"] = "stage1",
    model: str | None = None,
    policy: str | None = None,
    workspace: str | None = None,
    config: str | None = None,
    override: bool = False,
    reason: str | None = None,
) -> dict[str, Any]:
    """Compare a challenger with the champion on the frozen benchmark, and promote it if the policy says so.

    Where the policy requires a person's approval, the run pauses before the move and asks in the Prefect UI.

    Returns the decision and every check behind it; after an override the move.

    Args:
        stage: stage1 is the landmark generator, stage2 the landmark translator.
        model: Version number, @alias or run id of the challenger; else the newest version.
        policy: Promotion policy file where the flow runs; else the settings' one.
        workspace: Folder or URI that holds every table; else as the settings say.
        config: Settings file where the flow runs; else heterodub.toml in its working folder.
        override: Make it the champion without evaluation, which the ledger keeps as an override.
        reason: Of an override; kept in the ledger.

    Raises: HeterodubError - the challenger is refused, the store or server is away, or another promotion moved first;
    the text says what to do.
    """
    settings = check_promote(stage, model, policy, workspace, config, override, reason)
    if override:
        return manual.promote_override(settings, stage, model, reason or "").summary()
    comparison = open_comparison(settings, stage, model)
    if comparison.rule.approval.required:
        require_shared_server()
    model_scores = score_candidates(comparison)
    verdict = decide_promotion(comparison, model_scores)
    page = draw_comparison(comparison, model_scores, verdict)
    run = log_evidence(comparison, model_scores, verdict, page.html)
    move, refused, approved = None, "", ""
    if verdict.outcome == "promote" and comparison.rule.approval.required:
        print(approval_notice(comparison), file=sys.stderr, flush=True)
        refused, approved = ask_approval(comparison, verdict, run, page)
    if verdict.outcome == "promote" and not refused:
        move = move_champion(comparison, verdict, run, approved)
    else:
        keep_champion(comparison, verdict, run, refused)
    return promotion_summary(comparison, model_scores, verdict, run, move, refused)


@flow(name="rollback", flow_run_name=run_name("rollback", "stage", "to"))
def rollback(
    reason: str,
    stage: Literal["stage1", "stage2"] = "stage1",
    to: int | None = None,
    adopt: bool = False,
    workspace: str | None = None,
    config: str | None = None,
) -> dict[str, Any]:
    """Make an earlier champion the champion again: the one before the present one, or version `to`.

    adopt: take over a registry whose champions another workspace moved; the champion it has stays, or the one before.
    Returns the move as the ledger has it.

    Raises: HeterodubError - no such version was ever champion, its files are not those that were logged, or no
    store answers.
    """
    return manual.rollback(reason, stage, to, adopt, workspace, config)
