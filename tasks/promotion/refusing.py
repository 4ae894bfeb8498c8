"""What keeps a version from being judged at all, whatever it would score."""

from typing import TYPE_CHECKING, Final

from schemas.errors import NotFoundError, PromotionError
from tasks.stores import releases
from tasks.stores.benchmarks import Benchmark
from tasks.stores.workspace import Workspace

if TYPE_CHECKING:
    from tasks.tracking.models import Version

TAKEN_DOWN: Final = "taken_down"
"""Tag of versions that were trained on footage which was taken down since."""


def require_promotable(ws: Workspace, version: "Version", benchmark: Benchmark, trained_on: frozenset[str]) -> None:
    """Refuse a version whose origin nobody vouches for. trained_on: media it was trained on, empty if not known.

    Raises: PromotionError - its release is not one of this workspace or its audit failed; it was trained on footage
    that was taken down, or on files of the benchmark.
    """
    _require_release(ws, version)
    require_standing(version)
    if seen := trained_on & {clip.media_id for clip in benchmark.clips}:
        raise PromotionError(
            f"{version} is refused: it was trained on {len(seen)} files of benchmark {benchmark.benchmark}, such as "
            f"{min(seen)[:12]}, so its scores there say nothing"
        )


def require_standing(version: "Version") -> None:
    """Refuse a version that a takedown has touched.

    Raises: PromotionError - it was trained on footage that was taken down.
    """
    if told := version.tags.get(TAKEN_DOWN):
        raise PromotionError(f"{version} is refused: it was trained on footage that was taken down ({told})")


def _require_release(ws: Workspace, version: "Version") -> None:
    told = version.tags.get("release")
    if not told:
        raise PromotionError(f"{version} is refused: it has no tag release, so nobody knows what it was trained on")
    try:
        release = releases.find(ws, told)
    except NotFoundError as error:
        raise PromotionError(f"{version} is refused: its release is unknown here ({error})") from error
    if not release.audit.get("passed"):
        raise PromotionError(f"{version} is refused: release {told} has no audit that passed")
