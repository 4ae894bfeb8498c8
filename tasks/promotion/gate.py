"""Promotion gate, step by step: selection of the candidates and clips, their scores, the decision, the move."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import PromotionError
from heterodub.schemas.promotion import ModelRule, PromotionPolicy, load_promotion_policy
from heterodub.tasks.releases.benchmarks import Benchmark
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.champions import Champions
from heterodub.tasks.tracking.ledger import Evidence, Move
from heterodub.tasks.tracking.models import Version, fetch_version
from heterodub.tasks.tracking.store import Tracking, open_workspace

from . import decision
from .benchmark import current_benchmark
from .eligibility import require_not_rolled_back, require_promotable, require_unseen_benchmark
from .evaluators import Candidates, StageEvaluator, evaluator_of, require_measured
from .model_scores import ModelScores


@dataclass(frozen=True, slots=True)
class Comparison:
    """Candidates, benchmark and policy of one promotion. champion: None if there is none yet."""

    evaluator: StageEvaluator
    challenger: Version
    champion: Version | None
    benchmark: Benchmark
    policy: PromotionPolicy
    repaired: str

    @property
    def rule(self) -> ModelRule:
        """Rules for this model."""
        return self.policy.rule(self.evaluator.model)

    @property
    def title(self) -> str:
        """Title for people."""
        against = f"against {self.champion.number}" if self.champion else "as the first champion"
        return f"{self.evaluator.model} {self.challenger.number} {against}"


def open_comparison(settings: Settings, stage: str, name: str | None) -> Comparison:
    """Find challenger (by version, "@alias" or run id; else the newest) and champion, and freeze the benchmark.

    An interrupted move is finished first. Nothing is moved otherwise.

    Raises: PromotionError - the challenger is refused, is the champion, the benchmark is empty, or the champion was
    trained on it.
    TrackingError - the store cannot be reached, or holds no such version. NotFoundError, SettingsError.
    """
    evaluator, policy = evaluator_of(stage), load_promotion_policy(settings.promotion)
    require_measured(evaluator, policy.rule(evaluator.model))
    champions = Champions.open(settings, evaluator.model)
    standing, challenger, champion = champions.candidates(name)
    if challenger.version.number == standing.champion:
        raise PromotionError(f"{challenger.version} is the champion already")
    if name is None:
        require_not_rolled_back(challenger.version, standing.moves)
    benchmark = current_benchmark(champions.ws, evaluator.stage, f"first evaluated {evaluator.model}")
    require_promotable(champions.ws, challenger, benchmark)
    if champion is not None:
        require_unseen_benchmark(champion, benchmark)
    champions.challenge(challenger.version.number)
    return Comparison(
        evaluator, challenger.version, standing.champion_version, benchmark, policy, standing.repaired
    )  # fmt: skip


def score(settings: Settings, comparison: Comparison) -> list[ModelScores]:
    """Score challenger and champion (in this order) on the same clips by the same code, here and now.

    Raises: ModelFileError - a model's files are not the ones that were logged. TrackingError - they cannot be
    fetched. Otherwise as the stage's evaluator.
    """
    with fetched(settings, comparison) as (ws, _, folders):
        evaluate = comparison.evaluator.load().evaluate
        return list(evaluate(ws, settings, comparison.benchmark, folders, comparison.rule))


@contextmanager
def fetched(settings: Settings, comparison: Comparison) -> Iterator[tuple[Workspace, Tracking, Candidates]]:
    """Yield the opened stores and the candidates' folders by version, verified by checksums; challenger first.

    Raises: ModelFileError - a model's files are not the ones that were logged. TrackingError - they cannot be fetched.
    """
    ws, tracking = open_workspace(settings)
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        folders = {}
        for version in (comparison.challenger, comparison.champion):
            if version is not None:
                place = Path(scratch) / str(version.number)
                place.mkdir()
                folders[version.number] = fetch_version(tracking, version, place)
        yield ws, tracking, folders


def decide(comparison: Comparison, model_scores: list[ModelScores]) -> decision.PromotionDecision:
    """Apply the policy."""
    champion = model_scores[1] if len(model_scores) > 1 else None
    return decision.decide(
        model_scores[0], champion, comparison.evaluator.directions, comparison.rule, comparison.policy.resampling
    )  # fmt: skip


def promote(
    settings: Settings, comparison: Comparison, verdict: decision.PromotionDecision, run: str, approved: str = ""
) -> Move:
    """Make the challenger the champion. approved: who approved, if a person was asked.

    A person may take a day, so the challenger is checked again.

    Raises: PromotionError - meanwhile the champion was moved, or footage of the challenger's training was taken down.
    ModelFileError - its files were changed meanwhile. TrackingError - it was deleted meanwhile; see Champions.move.
    """
    champions = Champions.open(settings, comparison.evaluator.model)
    challenger = champions.usable(str(comparison.challenger.number))
    evidence = Evidence(run, comparison.benchmark.benchmark, comparison.policy.hash)
    before = comparison.champion.number if comparison.champion else None
    reason = f"{verdict.reason}; approved by {approved}" if approved else verdict.reason
    return champions.move("promote", challenger.number, before, reason, evidence)
