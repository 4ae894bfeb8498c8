"""Which registered models were trained on which footage."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from schemas.cards import FINETUNED, GENERATOR, TRANSLATOR
from schemas.config.baselines import BASELINES
from schemas.errors import NotFoundError
from schemas.reasons import Stage
from tasks.releases import releases
from tasks.stores.workspace import Workspace

if TYPE_CHECKING:
    from tasks.tracking.models import Version
    from tasks.tracking.store import Tracking


MODELS: Final[Mapping[str, Stage]] = {
    GENERATOR: Stage.STAGE1,
    TRANSLATOR: Stage.STAGE2,
    FINETUNED: Stage.STAGE2,
    **dict.fromkeys(BASELINES, Stage.STAGE2),
}
"""Every registered model, and the stage that its clips are listed under."""


@dataclass(frozen=True, slots=True)
class Touched:
    """A version that was trained on some footage. clips: how many of its clips; None: nothing is known of what it was
    trained on, so it may be.
    """

    version: "Version"
    aliases: tuple[str, ...]
    clips: int | None


def models_on(tracking: "Tracking", ws: Workspace, media: Collection[str]) -> list[Touched]:
    """Every version of every model that learned from, or looked at, one of the contents, or may have.

    Raises: TrackingError - the store cannot be reached.
    """
    from tasks.tracking.registry import aliases_of, versions

    found = []
    for model, stage in MODELS.items():
        aliases = aliases_of(tracking, model)
        for version in versions(tracking, model):
            own = trained_on(tracking, ws, version, stage)
            count = None if own is None else sum(clip["media_id"] in media for clip in own)
            if count is None or count:
                found.append(Touched(version, tuple(aliases.get(version.number, ())), count))
    return found


def trained_on(
    tracking: "Tracking", ws: Workspace, version: "Version", stage: Stage
) -> list[dict[str, str]] | None:  # fmt: skip
    """The clips behind a version, each with clip_id, media_id and split: by its run, else by its release if that can
    still be read; None if neither tells.

    Raises: TrackingError - the store cannot be reached.
    """
    from tasks.tracking.lineage import lineage_of

    told = lineage_of(tracking, version)
    if told is not None:
        return told
    try:
        release = releases.find(ws, version.tags.get("release", ""))
        rows = releases.release_clips(ws, release, stage, None, ["clip_id", "media_id", "split"])
    except NotFoundError:
        return None
    return [row for row in rows.to_pylist() if row["split"] in ("train", "val")]


def learned_from(tracking: "Tracking", ws: Workspace, stage: Stage, version: "Version") -> frozenset[str]:
    """Contents behind a version; none where nothing is known of it. Raises: TrackingError - as trained_on."""
    return frozenset(clip["media_id"] for clip in trained_on(tracking, ws, version, stage) or [])
