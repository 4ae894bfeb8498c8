"""The gate, step by step: who meets whom on which clips, their scores, the evidence, the move."""

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
from .eligibility import require_fair, require_not_rolled_back, require_promotable, require_standing
from .evaluators import Contestants, StageEvaluator, judge_of, require_judgeable
from .ledger import Evidence, Move
from .model_scores import ModelScores
from .training_data import learned_from

if TYPE_CHECKING:
    from tasks.tracking.models import Version
    from tasks.tracking.store import Tracking


@dataclass(frozen=True, slots=True)
class Comparison:
    """Who meets whom, on what, by which rules. champion: None where there is none yet."""

    judge: StageEvaluator
    challenger: "Version"
    champion: "Version | None"
    benchmark: Benchmark
    policy: PromotionPolicy
    repaired: str

    @property
    def rule(self) -> ModelRule:
        """The rules for this model."""
        return self.policy.rule(self.judge.model)

    @property
    def title(self) -> str:
        """For people."""
        against = f"against {self.champion.number}" if self.champion else "as the first champion"
        return f"{self.judge.model} {self.challenger.number} {against}"


def open_comparison(settings: Settings, stage: str, name: str | None) -> Comparison:
    """Find challenger (by version, "@alias" or run id; else the newest) and champion, and freeze the benchmark.

    What an interrupted move left is put right first. Nothing is moved otherwise.

    Raises: PromotionError - the challenger is refused, is the champion, there is nothing to judge on, or the champion
    knows what there is.
    TrackingError - the store cannot be reached, or holds no such version. NotFoundError, SettingsError.
    """
    from tasks.tracking.registry import CHALLENGER, named_version, set_aliases

    judge, policy = judge_of(stage), load_promotion_policy(settings.promotion)
    require_judgeable(judge, policy.rule(judge.model))
    ws, tracking = _open(settings)
    standing = alias_moves.reconcile(tracking, ws, judge.model)
    challenger = named_version(tracking, judge.model, name)
    if challenger.number == standing.champion:
        raise PromotionError(f"{challenger} is the champion already")
    if name is None:
        require_not_rolled_back(challenger, ledger.moves(ws, judge.model))
    champion = None if standing.champion is None else named_version(tracking, judge.model, str(standing.champion))
    release = find_release(ws, None)
    benchmark = benchmarks.freeze(ws, release, judge.stage, f"first judged {judge.model}")
    benchmarks.verify(ws, benchmark, releases.current_versions(ws)[judge.stage.value])
    require_promotable(ws, challenger, benchmark, learned_from(tracking, ws, judge.stage, challenger))
    if champion is not None:
        require_fair(champion, benchmark, learned_from(tracking, ws, judge.stage, champion))
    set_aliases(tracking, judge.model, {CHALLENGER: challenger.number})
    return Comparison(judge, challenger, champion, benchmark, policy, standing.repaired)


def score(settings: Settings, comparison: Comparison) -> list[ModelScores]:
    """Score challenger and champion (in this order) on the same clips by the same code, here and now.

    Raises: ModelFileError - a model's files are not the ones that were logged. TrackingError - they cannot be
    fetched. Otherwise as the stage's judge.
    """
    with fetched(settings, comparison) as (ws, folders):
        return list(comparison.judge.grade(ws, settings, comparison.benchmark, folders, comparison.rule))


@contextmanager
def fetched(settings: Settings, comparison: Comparison) -> Iterator[tuple[Workspace, Contestants]]:
    """The workspace, and the candidates' own folders by version, held against their hashes; challenger first.

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


def decide(comparison: Comparison, sheets: list[ModelScores]) -> decision.PromotionDecision:
    """Apply the policy."""
    champion = sheets[1] if len(sheets) > 1 else None
    return decision.decide(
        sheets[0], champion, comparison.judge.directions, comparison.rule, comparison.policy.resampling
    )  # fmt: skip


def promote(
    settings: Settings, comparison: Comparison, verdict: decision.PromotionDecision, run: str, approved: str = ""
) -> Move:
    """Make the challenger the champion. approved: by whom, where a person was asked.

    A person may take a day, so the challenger is looked at again.

    Raises: PromotionError - somebody else moved the champion meanwhile, or took down what the challenger learned from.
    ModelFileError - its files were changed meanwhile. TrackingError - it was deleted meanwhile; else see move_champion.
    """
    from tasks.tracking.models import verify_version
    from tasks.tracking.registry import named_version

    ws, tracking = _open(settings)
    now = named_version(tracking, comparison.judge.model, str(comparison.challenger.number))
    require_standing(ws, now, learned_from(tracking, ws, comparison.judge.stage, now))
    verify_version(tracking, now)
    evidence = Evidence(run, comparison.benchmark.benchmark, comparison.policy.hash)
    before = comparison.champion.number if comparison.champion else None
    why = f"{verdict.why}; approved by {approved}" if approved else verdict.why
    return alias_moves.move_champion(
        tracking, ws, comparison.judge.model, "promote", comparison.challenger.number, before, why, evidence
    )


def benchmark(settings: Settings, stage: str, renew: bool, why: str) -> dict[str, Any]:
    """The frozen benchmark of the newest release's line, made if there is none; renew: freeze the test split anew.

    Raises: PromotionError - the test split is empty, or what stands is not whole or not what is stored. NotFoundError.
    """
    judge, ws = judge_of(stage), Workspace.open(settings.workspace)
    found = benchmarks.freeze(ws, find_release(ws, None), judge.stage, why, renew)
    benchmarks.verify(ws, found, releases.current_versions(ws)[judge.stage.value])
    told = {name: getattr(found, name) for name in ("benchmark", "sequence", "line", "created_utc", "release", "why")}
    return told | {"clips": len(found.clips), "speakers": found.speakers}


def _open(settings: Settings) -> tuple[Workspace, "Tracking"]:
    """The workspace and its tracking store. Raises: WorkspaceError, TrackingError, SettingsError."""
    from tasks.tracking.store import open_tracking

    ws = Workspace.open(settings.workspace)
    return ws, open_tracking(settings.tracking, ws)
