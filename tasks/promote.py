"""The steps of a promotion and a rollback as Prefect tasks. Each is thin: the work is done by the parts it calls."""

from typing import Any

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from schemas.errors import PromotionError
from schemas.settings import Settings
from tasks.events import tell_kept, tell_promoted
from tasks.journal.recording import Counts, as_step
from tasks.promotion import by_hand, evidence, gate
from tasks.promotion.answers import check_rows
from tasks.promotion.comparing import Page, comparison_page
from tasks.promotion.deciding import Verdict
from tasks.promotion.gate import Contest
from tasks.promotion.ledger import Move
from tasks.promotion.sheets import Sheet


def _decided(verdict: Verdict) -> Counts:
    return Counts(clips=verdict.clips, facts={"outcome": verdict.outcome, "why": verdict.why})


def _moved(move: Move) -> Counts:
    return Counts(facts={"model": move.model, "version": move.to_version, "from": move.from_version})


@task(cache_policy=NO_CACHE)
@as_step("meet", lambda contest: Counts(clips=len(contest.benchmark.clips)))
def open_contest(settings: Settings, stage: str, model: str | None) -> Contest:
    """Who meets whom on which frozen clips; an interrupted move is put right first.

    Raises: PromotionError, TrackingError, NotFoundError, SettingsError - the text says what to do.
    """
    return gate.open_contest(settings, stage, model)


@task(cache_policy=NO_CACHE)
@as_step("score")
def score_contestants(settings: Settings, contest: Contest) -> list[Sheet]:
    """Score challenger and champion on the same clips by the same code.

    Raises: ModelFileError, TrackingError, PromotionError, TrainingError, NotFoundError - the text says what to do.
    """
    return gate.score(settings, contest)


@task(cache_policy=NO_CACHE)
@as_step("decide", _decided)
def judge_contest(contest: Contest, sheets: list[Sheet]) -> Verdict:
    """Apply the policy, and show every check in the Prefect UI."""
    verdict = gate.decide(contest, sheets)
    create_table_artifact(key="promotion", table=check_rows(verdict), description=f"{contest.title}: {verdict.why}")
    return verdict


@task(cache_policy=NO_CACHE)
@as_step("draw")
def draw_comparison(settings: Settings, contest: Contest, sheets: list[Sheet], verdict: Verdict) -> Page:
    """Draw both models side by side, for people.

    Raises: TrackingError - the store cannot be reached. ModelFileError, NotFoundError - as when it was scored.
    """
    return comparison_page(settings, contest, sheets, verdict)


@task(cache_policy=NO_CACHE)
@as_step("keep")
def keep_evidence(settings: Settings, contest: Contest, sheets: list[Sheet], verdict: Verdict, page: Page) -> str:
    """Write scores, checks, policy and the page for people to an MLflow run; returns its id.

    Raises: TrackingError - the store cannot be reached.
    """
    return evidence.keep_evidence(settings, contest, sheets, verdict, page.html)


@task(cache_policy=NO_CACHE)
@as_step("move", _moved)
def move_champion(settings: Settings, contest: Contest, verdict: Verdict, run: str, approved: str = "") -> Move:
    """Make the challenger the champion: ledger, aliases, ledger. approved: by whom, where a person was asked.

    Raises: PromotionError - somebody else was faster. TrackingError - the store went away.
    """
    try:
        move = gate.promote(settings, contest, verdict, run, approved)
    except PromotionError as error:
        evidence.keep_outcome(settings, run, evidence.NOT_MOVED, str(error))
        raise
    tell_promoted(contest, run, move.why)
    return move


@task(cache_policy=NO_CACHE)
def keep_champion(settings: Settings, contest: Contest, verdict: Verdict, run: str, refused: str = "") -> None:
    """Leave everything as it is. refused: why a person said no, which the evidence in the MLflow run then says too.

    Raises: TrackingError - the store went away.
    """
    if refused:
        evidence.keep_outcome(settings, run, evidence.REFUSED, refused)
    tell_kept(contest, run, refused or verdict.why)


@task(cache_policy=NO_CACHE)
def roll_back(settings: Settings, stage: str, to: int | None, why: str, adopt: bool) -> dict[str, Any]:
    """Make an earlier champion the champion again. adopt: of a registry that another ledger led.

    Raises: PromotionError, ModelFileError, TrackingError - the text says what to do.
    """
    return by_hand.roll_back(settings, stage, to, why, adopt).made()


@task(cache_policy=NO_CACHE)
def override_policy(settings: Settings, stage: str, model: str | None, reason: str) -> dict[str, Any]:
    """Make a version the champion whatever the policy says of it.

    Raises: PromotionError, ModelFileError, TrackingError - the text says what to do.
    """
    return by_hand.promote_unjudged(settings, stage, model, reason).made()
