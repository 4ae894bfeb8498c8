"""Conditions that a version must meet before it is evaluated or moved, whatever its scores."""

from collections.abc import Sequence

from heterodub.schemas.errors import NotFoundError, PromotionError
from heterodub.schemas.wording import counted
from heterodub.tasks.releases import releases
from heterodub.tasks.releases.benchmarks import Benchmark
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.champions import Candidate
from heterodub.tasks.tracking.ledger import Move
from heterodub.tasks.tracking.lineage import require_not_taken_down
from heterodub.tasks.tracking.models import Version


def require_promotable(ws: Workspace, challenger: Candidate, benchmark: Benchmark) -> None:
    """Refuse a version of unverified origin.

    Raises: PromotionError - its release is not one of this workspace or its audit failed; it was trained on footage
    that was taken down, or on files of the benchmark.
    """
    _require_release(ws, challenger.version)
    require_not_taken_down(ws, challenger.version, challenger.media)
    if seen := challenger.media & _media(benchmark):
        raise PromotionError(
            f"{challenger.version} is refused: it was trained on {counted(len(seen), 'file')} of benchmark "
            f"{benchmark.benchmark}, such as {min(seen)[:12]}, so its scores there are not valid"
        )


def require_unseen_benchmark(champion: Candidate, benchmark: Benchmark) -> None:
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


def require_not_rolled_back(version: Version, model_moves: Sequence[Move]) -> None:
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
