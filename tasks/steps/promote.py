"""The steps of a promotion as Prefect tasks. Each is thin: the work is done by the parts it calls."""

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import PromotionError
from heterodub.schemas.promotion import NOT_MOVED, REFUSED
from heterodub.tasks.monitoring.run_log import Counts, as_step
from heterodub.tasks.promotion import evidence, gate
from heterodub.tasks.promotion.comparison_page import ComparisonPage, comparison_page
from heterodub.tasks.promotion.decision import PromotionDecision, check_rows
from heterodub.tasks.promotion.gate import Comparison
from heterodub.tasks.promotion.model_scores import ModelScores
from heterodub.tasks.steps.events import emit_kept, emit_promoted
from heterodub.tasks.tracking.ledger import Move


def _decided(verdict: PromotionDecision) -> Counts:
    return Counts(clips=verdict.clips, facts={"outcome": verdict.outcome, "reason": verdict.reason})


def _moved(move: Move) -> Counts:
    return Counts(facts={"model": move.model, "version": move.to_version, "from": move.from_version})


@task(cache_policy=NO_CACHE)
@as_step("select", lambda comparison: Counts(clips=len(comparison.benchmark.clips)))
def open_comparison(settings: Settings, stage: str, model: str | None) -> Comparison:
    """Select challenger, champion and frozen clips; an interrupted move is repaired first.

    Raises: PromotionError, TrackingError, NotFoundError, SettingsError - the text says what to do.
    """
    return gate.open_comparison(settings, stage, model)


@task(cache_policy=NO_CACHE)
@as_step("score")
def score_candidates(settings: Settings, comparison: Comparison) -> list[ModelScores]:
    """Score challenger and champion on the same clips by the same code.

    Raises: ModelFileError, TrackingError, PromotionError, TrainingError, NotFoundError - the text says what to do.
    """
    return gate.score(settings, comparison)


@task(cache_policy=NO_CACHE)
@as_step("decide", _decided)
def decide_promotion(comparison: Comparison, model_scores: list[ModelScores]) -> PromotionDecision:
    """Apply the policy, and show every check in the Prefect UI."""
    verdict = gate.decide(comparison, model_scores)
    create_table_artifact(
        key="promotion", table=check_rows(verdict), description=f"{comparison.title}: {verdict.reason}"
    )
    return verdict


@task(cache_policy=NO_CACHE)
@as_step("draw")
def draw_comparison(
    settings: Settings, comparison: Comparison, model_scores: list[ModelScores], verdict: PromotionDecision
) -> ComparisonPage:
    """Render both models side by side on a page for people.

    Raises: TrackingError - the store cannot be reached. ModelFileError, NotFoundError - as when it was scored.
    """
    return comparison_page(settings, comparison, model_scores, verdict)


@task(cache_policy=NO_CACHE)
@as_step("log")
def log_evidence(
    settings: Settings,
    comparison: Comparison,
    model_scores: list[ModelScores],
    verdict: PromotionDecision,
    page: ComparisonPage,
) -> str:
    """Write scores, checks, policy and the page for people to an MLflow run; returns its id.

    Raises: TrackingError - the store cannot be reached.
    """
    return evidence.log_evidence(settings, comparison, model_scores, verdict, page.html)


@task(cache_policy=NO_CACHE)
@as_step("move", _moved)
def move_champion(
    settings: Settings, comparison: Comparison, verdict: PromotionDecision, run: str, approved: str = ""
) -> Move:
    """Make the challenger the champion: ledger, aliases, ledger. approved: who approved, if a person was asked.

    Raises: PromotionError - another promotion moved the champion first. TrackingError - the store went away.
    """
    try:
        move = gate.promote(settings, comparison, verdict, run, approved)
    except PromotionError as error:
        evidence.log_outcome(settings, run, NOT_MOVED, str(error))
        raise
    emit_promoted(comparison, run, move.reason)
    return move


@task(cache_policy=NO_CACHE)
def keep_champion(
    settings: Settings, comparison: Comparison, verdict: PromotionDecision, run: str, refused: str = ""
) -> None:
    """Keep the champion. refused: reason of a person's refusal, which is logged to the MLflow run, too.

    Raises: TrackingError - the store went away.
    """
    if refused:
        evidence.log_outcome(settings, run, REFUSED, refused)
    emit_kept(comparison, run, refused or verdict.reason)
