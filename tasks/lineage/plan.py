"""Plan of a takedown."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schemas.contract import FPS
from schemas.errors import NotFoundError
from tasks.releases import releases
from tasks.releases.releases import Release
from tasks.stores import tables
from tasks.stores.workspace import Workspace

from .scope import Scope
from .weights import TrainingFolder, training_folders

if TYPE_CHECKING:
    from tasks.tracking.lineage import TouchedVersion
    from tasks.tracking.store import Tracking


@dataclass(frozen=True, slots=True)
class TakedownPlan:
    """Everything that a takedown reaches. benchmarks: hash and number of clips that it loses."""

    scope: Scope
    releases: tuple[str, ...]
    unreadable: tuple[str, ...]
    benchmarks: dict[str, int]
    models: "tuple[TouchedVersion, ...]"
    trainings: tuple[TrainingFolder, ...]

    def summary(self) -> dict[str, Any]:
        """Return the plan ready for JSON."""
        clips = self.scope.clips
        return {
            "kind": self.scope.kind,
            "value": self.scope.value,
            "files": [_file_row(row) for row in self.scope.files],
            "near_copies": [_file_row(row) for row in self.scope.copies],
            "with_near_copies": self.scope.with_copies,
            "clips": len(clips),
            "stage1": sum(bool(clip["stage1"]) for clip in clips),
            "stage2": sum(bool(clip["stage2"]) for clip in clips),
            "seconds": round(sum(clip["frames"] for clip in clips) / FPS, 2),
            "speakers": sorted(self.scope.speakers),
            "releases": list(self.releases),
            "releases_erased_before": list(self.unreadable),
            "benchmarks": dict(self.benchmarks),
            "models": [model_row(touched) for touched in self.models],
            "trainings": [training.row() for training in self.trainings],
        }


def _file_row(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("uri", "media_id", "corpus", "speaker", "licence")}


def model_row(touched: "TouchedVersion") -> dict[str, Any]:
    """Return a version that was trained on the footage, ready for JSON."""
    version = touched.version
    return {
        "model": version.name,
        "version": version.number,
        "aliases": list(touched.aliases),
        "clips": touched.clips,
        "run": version.run_id,
    }


def plan_takedown(ws: Workspace, tracking: "Tracking | None", scope: Scope) -> TakedownPlan:
    """Search tables, releases, benchmarks and models, read-only. tracking: None if there are no models yet.

    Raises: TrackingError - the registry cannot be read. WorkspaceError - a table cannot be read.
    """
    holding, unreadable = releases_with(ws, scope.media)
    rows = tables.read_any(ws, "benchmarks", ["benchmark", "media_id"]).to_pylist()
    lost: dict[str, int] = {}
    for row in rows:
        if row["media_id"] in scope.media:
            lost[row["benchmark"]] = lost.get(row["benchmark"], 0) + 1
    models = _models(tracking, ws, scope) if tracking else []
    return TakedownPlan(
        scope,
        tuple(release.release_id for release in holding),
        tuple(release.release_id for release in unreadable),
        lost,
        tuple(models),
        training_folders(ws, scope.media, models),
    )


def _models(tracking: "Tracking", ws: Workspace, scope: Scope) -> "list[TouchedVersion]":
    from tasks.tracking.lineage import models_trained_on

    return models_trained_on(tracking, ws, scope.media)


def releases_with(ws: Workspace, media: frozenset[str]) -> tuple[list[Release], list[Release]]:
    """Return releases whose clips hold one of the contents, and those that can no longer be read."""
    holding: list[Release] = []
    gone: list[Release] = []
    for release in releases.every(ws):
        try:
            clips = tables.read(ws, "clips", ["media_id"], release.clips_version)
        except NotFoundError:
            gone.append(release)
            continue
        if not media.isdisjoint(clips["media_id"].to_pylist()):
            holding.append(release)
    return holding, gone
