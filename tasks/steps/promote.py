"""The steps of a promotion as Prefect tasks. Each is thin: the work is done by the parts it calls."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from heterodub.schemas.errors import PromotionError
from heterodub.schemas.promotion import NOT_MOVED, REFUSED
from heterodub.tasks.monitoring.run_log import Counts, as_step
from heterodub.tasks.promotion import evidence, gate
from heterodub.tasks.promotion.candidates import ModelScores
from heterodub.tasks.promotion.comparison_page import comparison_page
from heterodub.tasks.promotion.decision import PromotionDecision, check_rows
from heterodub.tasks.promotion.gate import Comparison
from heterodub.tasks.steps.artifacts import show_table
from heterodub.tasks.steps.events import emit_kept, emit_promoted
from heterodub.tasks.tracking.ledger import Move


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
    show_table("promotion", check_rows(verdict), description=f"{comparison.title}: {verdict.reason}")
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
