"""Promotion gate, step by step: selection of the candidates and clips, their scores, the decision, the move."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.config.settings import Settings
from schemas.errors import PromotionError
from schemas.promotion import ModelRule, PromotionPolicy, load_promotion_policy
from tasks.releases import benchmarks, releases
from tasks.releases.benchmarks import Benchmark
from tasks.stores.workspace import Workspace
from tasks.training.clip_selection import find_release

from . import alias_moves, decision, ledger
from .eligibility import require_not_rolled_back, require_not_taken_down, require_promotable, require_unseen_benchmark
from .evaluators import Candidates, StageEvaluator, evaluator_of, require_measured
from .ledger import Evidence, Move
from .model_scores import ModelScores
from .training_data import trained_on_media

if TYPE_CHECKING:
    from tasks.tracking.models import Version
    from tasks.tracking.store import Tracking


@dataclass(frozen=True, slots=True)
class Comparison:
    """Candidates, benchmark and policy of one promotion. champion: None if there is none yet."""

    evaluator: StageEvaluator
    challenger: "Version"
    champion: "Version | None"
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
    from tasks.tracking.registry import CHALLENGER, named_version, set_aliases

    evaluator, policy = evaluator_of(stage), load_promotion_policy(settings.promotion)
    require_measured(evaluator, policy.rule(evaluator.model))
    ws, tracking = _open(settings)
    state = alias_moves.reconcile(tracking, ws, evaluator.model)
    challenger = named_version(tracking, evaluator.model, name)
    if challenger.number == state.champion:
        raise PromotionError(f"{challenger} is the champion already")
    if name is None:
        require_not_rolled_back(challenger, ledger.moves(ws, evaluator.model))
    champion = None if state.champion is None else named_version(tracking, evaluator.model, str(state.champion))
    release = find_release(ws, None)
    benchmark = benchmarks.freeze(ws, release, evaluator.stage, f"first evaluated {evaluator.model}")
    benchmarks.verify(ws, benchmark, releases.current_versions(ws)[evaluator.stage.value])
    require_promotable(ws, challenger, benchmark, trained_on_media(tracking, ws, evaluator.stage, challenger))
    if champion is not None:
        require_unseen_benchmark(champion, benchmark, trained_on_media(tracking, ws, evaluator.stage, champion))
    set_aliases(tracking, evaluator.model, {CHALLENGER: challenger.number})
    return Comparison(evaluator, challenger, champion, benchmark, policy, state.repaired)


def score(settings: Settings, comparison: Comparison) -> list[ModelScores]:
    """Score challenger and champion (in this order) on the same clips by the same code, here and now.

    Raises: ModelFileError - a model's files are not the ones that were logged. TrackingError - they cannot be
    fetched. Otherwise as the stage's evaluator.
    """
    with fetched(settings, comparison) as (ws, folders):
        return list(comparison.evaluator.evaluate(ws, settings, comparison.benchmark, folders, comparison.rule))


@contextmanager
def fetched(settings: Settings, comparison: Comparison) -> Iterator[tuple[Workspace, Candidates]]:
    """Yield the workspace and the candidates' folders by version, verified by checksums; challenger first.

    Raises: ModelFileError - a model's files are not the ones that were logged. TrackingError - they cannot be fetched.
    """
    from tasks.tracking.models import fetch_version

    ws, tracking = _open(settings)
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        folders = {}
        for version in (comparison.challenger, comparison.champion):
            if version is not None:
                place = Path(scratch) / str(version.number)
                place.mkdir()
                folders[version.number] = fetch_version(tracking, version, place)
        yield ws, folders


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
    ModelFileError - its files were changed meanwhile. TrackingError - it was deleted meanwhile; else see move_champion.
    """
    from tasks.tracking.models import verify_version
    from tasks.tracking.registry import named_version

    ws, tracking = _open(settings)
    challenger = named_version(tracking, comparison.evaluator.model, str(comparison.challenger.number))
    require_not_taken_down(ws, challenger, trained_on_media(tracking, ws, comparison.evaluator.stage, challenger))
    verify_version(tracking, challenger)
    evidence = Evidence(run, comparison.benchmark.benchmark, comparison.policy.hash)
    before = comparison.champion.number if comparison.champion else None
    why = f"{verdict.why}; approved by {approved}" if approved else verdict.why
    return alias_moves.move_champion(
        tracking, ws, comparison.evaluator.model, "promote", comparison.challenger.number, before, why, evidence
    )


def benchmark(settings: Settings, stage: str, renew: bool, why: str) -> dict[str, Any]:
    """Return the frozen benchmark of the newest release's line; freeze one if there is none or renew is set.

    Raises: PromotionError - the test split is empty, or the benchmark is not what is stored. NotFoundError.
    """
    evaluator, ws = evaluator_of(stage), Workspace.open(settings.workspace)
    frozen = benchmarks.freeze(ws, find_release(ws, None), evaluator.stage, why, renew)
    benchmarks.verify(ws, frozen, releases.current_versions(ws)[evaluator.stage.value])
    facts = {name: getattr(frozen, name) for name in ("benchmark", "sequence", "line", "created_utc", "release", "why")}
    return facts | {"clips": len(frozen.clips), "speakers": frozen.speakers}


def _open(settings: Settings) -> tuple[Workspace, "Tracking"]:
    """Open the workspace and its tracking store. Raises: WorkspaceError, TrackingError, SettingsError."""
    from tasks.tracking.store import open_tracking

    ws = Workspace.open(settings.workspace)
    return ws, open_tracking(settings.tracking, ws)
