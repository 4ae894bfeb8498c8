"""Training footage of registered models."""

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
"""Every registered model, with the stage under which its clips are listed."""


@dataclass(frozen=True, slots=True)
class TouchedVersion:
    """Version that was trained on some footage. clips: number of its clips; None: its training data are not known, so
    it may be.
    """

    version: "Version"
    aliases: tuple[str, ...]
    clips: int | None


def models_trained_on(tracking: "Tracking", ws: Workspace, media: Collection[str]) -> list[TouchedVersion]:
    """Return every version of every model that was, or may have been, trained or validated on one of the contents.

    Raises: TrackingError - the store cannot be reached.
    """
    from tasks.tracking.registry import aliases_of, versions

    touched = []
    for model, stage in MODELS.items():
        aliases = aliases_of(tracking, model)
        for version in versions(tracking, model):
            clips = trained_on(tracking, ws, version, stage)
            count = None if clips is None else sum(clip["media_id"] in media for clip in clips)
            if count is None or count:
                touched.append(TouchedVersion(version, tuple(aliases.get(version.number, ())), count))
    return touched


def trained_on(
    tracking: "Tracking", ws: Workspace, version: "Version", stage: Stage
) -> list[dict[str, str]] | None:  # fmt: skip
    """Return the clips behind a version, each with clip_id, media_id and split: by its run, else by its release if that
    can still be read; None if neither is known.

    Raises: TrackingError - the store cannot be reached.
    """
    from tasks.tracking.lineage import lineage_of

    logged = lineage_of(tracking, version)
    if logged is not None:
        return logged
    try:
        release = releases.find(ws, version.tags.get("release", ""))
        rows = releases.release_clips(ws, release, stage, None, ["clip_id", "media_id", "split"])
    except NotFoundError:
        return None
    return [row for row in rows.to_pylist() if row["split"] in ("train", "val")]


def trained_on_media(tracking: "Tracking", ws: Workspace, stage: Stage, version: "Version") -> frozenset[str]:
    """Return the contents behind a version; empty if they are not known. Raises: TrackingError - as trained_on."""
    return frozenset(clip["media_id"] for clip in trained_on(tracking, ws, version, stage) or [])
