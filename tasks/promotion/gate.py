"""Promotion gate, step by step: selection of the candidates and clips, their scores, the decision, the move.

The stores are opened once, with the comparison; every later step takes them from it.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.display import counted
from heterodub.schemas.errors import NotFoundError, PromotionError
from heterodub.schemas.promotion import ModelRule, PromotionPolicy, load_promotion_policy
from heterodub.schemas.strata import ClipStrata
from heterodub.tasks.releases import benchmarks, releases
from heterodub.tasks.releases.benchmarks import Benchmark
from heterodub.tasks.releases.releases import Release
from heterodub.tasks.releases.strata import clip_strata
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.champions import Candidate, Champions
from heterodub.tasks.tracking.ledger import Evidence, Move
from heterodub.tasks.tracking.lineage import require_not_taken_down
from heterodub.tasks.tracking.models import Version, fetch_version
from heterodub.tasks.tracking.rights import require_rights
from heterodub.tasks.tracking.store import open_tracking
from heterodub.tasks.training.clip_selection import find_release

from . import decision
from .candidates import Candidates, ModelScores
from .evaluators import StageEvaluator, evaluator_of, require_measured


@dataclass(frozen=True, slots=True)
class Comparison:
    """Candidates, benchmark and policy of one promotion, and its opened stores. champion: None if there is none yet."""

    settings: Settings
    champions: Champions
    evaluator: StageEvaluator
    challenger: Version
    champion: Version | None
    release: Release
    benchmark: Benchmark
    policy: PromotionPolicy
    strata: ClipStrata
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
    ws = Workspace.open(settings.workspace)
    champions = Champions(open_tracking(settings.tracking, ws), ws, evaluator.model)
    standing, challenger, champion = champions.candidates(name)
    if challenger.version.number == standing.champion:
        raise PromotionError(f"{challenger.version} is the champion already")
    if name is None:
        _require_not_rolled_back(challenger.version, standing.moves)
    release = find_release(ws, None)
    benchmark = benchmarks.frozen(ws, release, evaluator.stage, f"first evaluated {evaluator.model}")
    _require_promotable(ws, challenger, benchmark)
    if champion is not None:
        _require_unseen_benchmark(champion, benchmark)
    scored = benchmarks.scored(ws, benchmark)
    strata = clip_strata(ws, release, {clip.clip_id for clip in scored.clips})
    champions.challenge(challenger.version.number)
    return Comparison(
        settings, champions, evaluator, challenger.version, standing.champion_version, release, scored, policy,
        strata, standing.repaired,
    )  # fmt: skip


def score(comparison: Comparison) -> list[ModelScores]:
    """Score challenger and champion (in this order) on the same clips by the same code, here and now.

    Raises: ModelFileError - a model's files are not the ones that were logged. TrackingError - they cannot be
    fetched. Otherwise as the stage's evaluator.
    """
    with fetched(comparison) as candidates:
        return list(comparison.evaluator.load().evaluate(candidates))


@contextmanager
def fetched(comparison: Comparison) -> Iterator[Candidates]:
    """Yield the candidates in folders of their own, verified by checksums; challenger first.

    Raises: ModelFileError - a model's files are not the ones that were logged. TrackingError - they cannot be fetched.
    """
    champions = comparison.champions
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        folders = {}
        for version in (comparison.challenger, comparison.champion):
            if version is not None:
                place = Path(scratch) / str(version.number)
                place.mkdir()
                folders[version.number] = fetch_version(champions.tracking, version, place)
        yield Candidates(
            champions.ws, comparison.settings, comparison.release, comparison.benchmark, comparison.rule, folders
        )


def decide(comparison: Comparison, model_scores: list[ModelScores]) -> decision.PromotionDecision:
    """Apply the policy."""
    champion = model_scores[1] if len(model_scores) > 1 else None
    return decision.decide(
        model_scores[0],
        champion,
        comparison.evaluator.directions,
        comparison.rule,
        comparison.policy.resampling,
        comparison.strata,
    )


def promote(comparison: Comparison, verdict: decision.PromotionDecision, run: str, approved: str = "") -> Move:
    """Make the challenger the champion. approved: who approved, if a person was asked.

    A person may take a day, so the challenger is checked again.

    Raises: PromotionError - meanwhile the champion was moved, or footage of the challenger's training was taken down.
    ModelFileError - its files were changed meanwhile. TrackingError - it was deleted meanwhile; see Champions.move.
    """
    champions = comparison.champions
    challenger = champions.usable(str(comparison.challenger.number))
    evidence = Evidence(run, comparison.benchmark.benchmark, comparison.policy.hash)
    before = comparison.champion.number if comparison.champion else None
    reason = f"{verdict.reason}; approved by {approved}" if approved else verdict.reason
    return champions.move("promote", challenger.number, before, reason, evidence)


def _require_promotable(ws: Workspace, challenger: Candidate, benchmark: Benchmark) -> None:
    """Refuse a version of unverified origin.

    Raises: PromotionError - its release is not one of this workspace or its audit failed; it was trained on footage
    that was taken down or may not be used so, or on files of the benchmark.
    """
    _require_release(ws, challenger.version)
    require_not_taken_down(ws, challenger.version, challenger.media)
    require_rights(ws, challenger.version, challenger.media)
    if seen := challenger.media & _media(benchmark):
        raise PromotionError(
            f"{challenger.version} is refused: it was trained on {counted(len(seen), 'file')} of benchmark "
            f"{benchmark.benchmark}, such as {min(seen)[:12]}, so its scores there are not valid"
        )


def _require_unseen_benchmark(champion: Candidate, benchmark: Benchmark) -> None:
    """Refuse to compare with a champion that was trained on the benchmark, which an override makes possible.

    Raises: PromotionError - some of the contents that it was trained on are of the benchmark.
    """
    if seen := champion.media & _media(benchmark):
        raise PromotionError(
            f"the champion, {champion.version}, was trained on {counted(len(seen), 'file')} of benchmark "
            f"{benchmark.benchmark}, such as {min(seen)[:12]}, so nothing can be compared with it there: roll back to "
            "another one (`--to`)"
        )


def _media(benchmark: Benchmark) -> set[str]:
    return {clip.media_id for clip in benchmark.clips}


def _require_not_rolled_back(version: Version, model_moves: Sequence[Move]) -> None:
    """Refuse an unnamed newest version that was rolled back from: a scheduled run would promote it again.

    model_moves: moves of its model, oldest first. Raises: PromotionError - its last move is a rollback from it.
    """
    moved = [move for move in model_moves if version.number in (move.from_version, move.to_version)]
    if moved and moved[-1].kind == "rollback" and moved[-1].from_version == version.number:
        last = moved[-1]
        raise PromotionError(
            f"{version} is the newest, and {last.who} rolled back from it at {last.created_utc} ({last.reason}): train "
            f"again, or name it (`--model {version.number}`) to have it evaluated again"
        )


def _require_release(ws: Workspace, version: Version) -> None:
    if not version.release:
        raise PromotionError(f"{version} is refused: it has no tag release, so its training data are not known")
    try:
        release = releases.find(ws, version.release)
    except NotFoundError as error:
        raise PromotionError(f"{version} is refused: its release is unknown here ({error})") from error
    if not release.audit.get("passed"):
        raise PromotionError(f"{version} is refused: release {version.release} has no audit that passed")
