"""The steps of a promotion as Prefect tasks. Each is thin: the work is done by the parts it calls.

Approval by a person: the flow run pauses, and the Prefect UI shows a form below the checks and sample clips.
"""

import base64
from collections.abc import Iterator
from typing import Final

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.exceptions import FlowPauseTimeout, PrefectHTTPStatusError
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput, delete_flow_run_input, keyset_from_base_key
from prefect.settings import get_current_settings
from prefect.utilities.urls import url_for
from pydantic import Field

from heterodub.schemas.errors import PromotionError, SettingsError
from heterodub.schemas.promotion import NOT_MOVED, REFUSED
from heterodub.tasks.monitoring.run_log import Counts, as_step
from heterodub.tasks.promotion import evidence, gate
from heterodub.tasks.promotion.candidates import ModelScores
from heterodub.tasks.promotion.comparison_page import ComparisonPage, comparison_page
from heterodub.tasks.promotion.decision import PromotionDecision
from heterodub.tasks.promotion.gate import Comparison
from heterodub.tasks.steps.artifacts import show_table
from heterodub.tasks.steps.events import emit_kept, emit_promoted
from heterodub.tasks.steps.own_server import is_own
from heterodub.tasks.tracking.ledger import Move

KEY: Final = "approval"
"""Key of the pause; a flow run asks for approval once."""

_POLL_S: Final = 2
"""Seconds between two checks for an answer."""


def _decided(verdict: PromotionDecision) -> Counts:
    return Counts(clips=verdict.clips, facts={"outcome": verdict.outcome, "reason": verdict.reason})


def _moved(move: Move) -> Counts:
    return Counts(facts={"model": move.model, "version": move.to_version, "from": move.from_version})


def _selected(comparison: Comparison) -> Counts:
    return Counts(clips=len(comparison.benchmark.clips))


open_comparison = task(cache_policy=NO_CACHE)(as_step("select", _selected)(gate.open_comparison))
score_candidates = task(name="score_candidates", cache_policy=NO_CACHE)(as_step("score")(gate.score))
draw_comparison = task(name="draw_comparison", cache_policy=NO_CACHE)(as_step("draw")(comparison_page))
log_evidence = task(cache_policy=NO_CACHE)(as_step("log")(evidence.log_evidence))
"""Parts of the gate as they are."""


@task(cache_policy=NO_CACHE)
@as_step("decide", _decided)
def decide_promotion(comparison: Comparison, model_scores: list[ModelScores]) -> PromotionDecision:
    """Apply the policy, and show every check in the Prefect UI."""
    verdict = gate.decide(comparison, model_scores)
    show_table("promotion", verdict.rows, description=f"{comparison.title}: {verdict.reason}")
    return verdict


@task(cache_policy=NO_CACHE)
@as_step("move", _moved)
def move_champion(comparison: Comparison, verdict: PromotionDecision, run: str, approved: str = "") -> Move:
    """Make the challenger the champion: ledger, aliases, ledger. approved: who approved, if a person was asked.

    Raises: PromotionError - another promotion moved the champion first. TrackingError - the store went away.
    """
    try:
        move = gate.promote(comparison, verdict, run, approved)
    except PromotionError as error:
        evidence.log_outcome(comparison, run, NOT_MOVED, str(error))
        raise
    emit_promoted(comparison, run, move.reason)
    return move


@task(cache_policy=NO_CACHE)
def keep_champion(comparison: Comparison, verdict: PromotionDecision, run: str, refused: str = "") -> None:
    """Keep the champion. refused: reason of a person's refusal, which is logged to the MLflow run, too.

    Raises: TrackingError - the store went away.
    """
    if refused:
        evidence.log_outcome(comparison, run, REFUSED, refused)
    emit_kept(comparison, run, refused or verdict.reason)


class Approval(RunInput):
    """Form for the person who decides. Nothing is filled in: no answer means no."""

    approve: bool = Field(False, description="make the challenger the champion; left off, it is refused")
    who: str = Field("", description="who decides")
    reason: str = Field("", description="why; a refusal needs one")


def require_shared_server() -> None:
    """Require a Prefect server that was not started for this run alone, whose form nobody would find.

    Raises: SettingsError - there is none.
    """
    if is_own(get_current_settings().api.url):
        raise SettingsError(
            "the policy requires a person's approval, which nobody can give on a Prefect server of this run alone: "
            "`prefect server start` in another terminal, then run this again"
        )


def ask_approval(comparison: Comparison, verdict: PromotionDecision, run: str, page: ComparisonPage) -> tuple[str, str]:
    """Pause until a person answers: (reason of the refusal, who approved); one of them is empty.

    Called from a flow. No answer in time is a refusal. The text above the form, which shows faces, is deleted from
    Prefect's database afterwards: a takedown does not reach it there.
    """
    form = Approval.with_initial_data(description=_description(comparison, verdict, run, page))
    timeout_s = comparison.rule.approval.timeout_s
    try:
        answer = pause_flow_run(wait_for_input=form, timeout=timeout_s, poll_interval=_POLL_S, key=KEY)
    except FlowPauseTimeout:
        return f"nobody answered within {timeout_s} s", ""
    finally:
        _delete_description()
    who = answer.who.strip() or "a person who gave no name"
    if answer.approve:
        return "", f"{who}: {answer.reason}" if answer.reason.strip() else who
    return f"{who} refused: {answer.reason.strip() or 'no reason was given'}", ""


def approval_notice(comparison: Comparison) -> str:
    """Return the line that the terminal shows while the flow waits for an approval."""
    context = FlowRunContext.get()
    url = url_for("flow-run", context.flow_run.id) if context and context.flow_run else None
    wait = f"waits for a person's approval, {comparison.rule.approval.timeout_s} s at most"
    return f"{wait}: Resume, at {url or 'the flow run in the Prefect UI'}"


def _delete_description() -> None:
    try:
        delete_flow_run_input(key=keyset_from_base_key(f"paused-{KEY}")["description"])
    except PrefectHTTPStatusError as error:  # the decision stands anyway
        get_run_logger().warning("the text above the form, with its films, is still in Prefect's database: %s", error)


def _description(comparison: Comparison, verdict: PromotionDecision, run: str, page: ComparisonPage) -> str:
    """Return the text above the form, as Markdown."""
    rows = [
        f"| {row['held']} | {row['check']} | {row['result']} | {row['required']} |" for row in verdict.rows
    ]  # fmt: skip
    head = ["| held | check | result | required |", "|---|---|---|---|"]
    return "\n".join(
        [
            f"**{comparison.title}**: {verdict.reason}",
            "",
            *head,
            *rows,
            "",
            *_films(page),
            f"Everything: `promotion/comparison.html` of MLflow run `{run}`.",
        ]
    )


def _films(page: ComparisonPage) -> Iterator[str]:
    """Yield films of both models on the challenger's best and worst clip as HTML, which Prefect's UI plays."""
    clips = list(page.films)
    for clip, what in dict.fromkeys([(clips[0], "best"), (clips[-1], "worst")]) if clips else ():
        for title, film in list(page.films[clip].items())[:2]:
            data = base64.b64encode(film).decode("ascii")
            yield f"Clip `{clip[:12]}`, where it does {what}: {title}"
            yield ""
            yield f'<video controls loop width="100%" src="data:video/mp4;base64,{data}"></video>'
            yield ""
