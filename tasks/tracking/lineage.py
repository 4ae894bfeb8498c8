"""Training data of registered models. A run keeps its own: ids alone, so that it outlives the rows and names nobody."""

import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from heterodub.schemas.errors import NotFoundError, PromotionError
from heterodub.tasks.releases import releases
from heterodub.tasks.stores import tombstones
from heterodub.tasks.stores.workspace import Workspace

from .kinds import KINDS, ModelKind
from .models import Version, version_of
from .registry import aliases_of, versions
from .runs import TrackedRun
from .store import NO_SUCH, Tracking, if_there, tracking_errors

FILE: Final = "lineage.parquet"

_ROWS: Final = pa.schema([(name, pa.string()) for name in ("media_id", "clip_id", "split")])

Clips = list[dict[str, str]]
"""Clips of a training, each with clip_id, media_id and split."""


@dataclass(frozen=True, slots=True)
class TouchedVersion:
    """Version that was trained on some footage. clips: number of its clips; None: its training data are not known, so
    it may be.
    """

    version: Version
    aliases: tuple[str, ...]
    clips: int | None


def keep_lineage(run: TrackedRun, clips: Iterable[tuple[str, str, str]]) -> None:
    """Store which clips a training was trained and validated on: (clip_id, media_id, split) of each."""
    rows = [{"clip_id": clip, "media_id": media, "split": split} for clip, media, split in clips]
    ordered = pa.Table.from_pylist(rows, _ROWS).sort_by([(name, "ascending") for name in _ROWS.names])
    written = BytesIO()
    # ids are random, so a clip costs its 12 bytes; its file is written once for all of its clips
    pq.write_table(ordered, written, compression="zstd", compression_level=9, use_dictionary=["media_id", "split"])
    run.content(FILE, written.getvalue())


def lineage_of(tracking: Tracking, version: Version) -> Clips | None:
    """Return the clips behind a version, by file; None where its run keeps none (it was deleted, or is older than this
    file).

    Raises: TrackingError - the store cannot be reached, or the files lie outside of a store of our own.
    """
    rows = _lineage(tracking, version)
    return None if rows is None else rows.to_pylist()


def _lineage(tracking: Tracking, version: Version) -> pa.Table | None:
    return if_there(f"run {version.run_id}", lambda: _stored_lineage(tracking, version.run_id), NO_SUCH)


def _stored_lineage(tracking: Tracking, run_id: str) -> pa.Table | None:
    tracking.require_held(tracking.client.get_run(run_id).info.artifact_uri, f"run {run_id}")
    if FILE not in {artifact.path for artifact in tracking.client.list_artifacts(run_id)}:
        return None
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        return pq.read_table(tracking.client.download_artifacts(run_id, FILE, scratch), partitioning=None)


def lineage_of_weights(tracking: Tracking, kind: ModelKind, weights: str) -> Clips | None:
    """Return the clips of the registered version whose weights have this sha256; None where there is none, or no list.

    Raises: TrackingError - the store cannot be reached.
    """
    with tracking_errors(f"{kind.name} at {tracking.place}"):
        registered = tracking.client.search_model_versions(
            f"name = '{kind.name}' and tags.weights_sha256 = '{weights}'"
        )
    lineages = [lineage_of(tracking, version_of(version)) for version in registered]
    return next((clips for clips in lineages if clips is not None), None)


def trained_on(tracking: Tracking, ws: Workspace, version: Version) -> Clips | None:
    """Return the clips behind a version: by its run, else by its release if that can still be read; None if neither is
    known.

    Raises: TrackingError - the store cannot be reached.
    """
    rows = _trained_on(tracking, ws, version)
    return None if rows is None else rows.to_pylist()


def _trained_on(tracking: Tracking, ws: Workspace, version: Version) -> pa.Table | None:
    logged = _lineage(tracking, version)
    if logged is not None:
        return logged
    try:
        release = releases.find(ws, version.release)
        rows = releases.release_clips(ws, release, version.kind.stage, None, _ROWS.names)
    except NotFoundError:
        return None
    return rows.filter(pc.is_in(rows["split"], pa.array(["train", "val"])))


def media_of(tracking: Tracking, ws: Workspace, version: Version) -> frozenset[str]:
    """Return the contents that a version was trained on; empty if they are not known. Raises: as trained_on."""
    rows = _trained_on(tracking, ws, version)
    return frozenset() if rows is None else frozenset(pc.unique(rows["media_id"]).to_pylist())


def require_not_taken_down(ws: Workspace, version: Version, trained_on: frozenset[str]) -> None:
    """Refuse a version trained on footage that was taken down. trained_on: contents, empty if not known.

    The tag alone is not enough: a training that was under way during the takedown registered its model afterwards.

    Raises: PromotionError - it was trained on footage that was taken down.
    """
    if takedowns := version.taken_down:
        raise PromotionError(f"{version} is refused: it was trained on footage that was taken down ({takedowns})")
    if gone := trained_on & tombstones.standing(ws).media:
        raise PromotionError(
            f"{version} is refused: {len(gone)} of the files that it was trained on were taken down, such as "
            f"{min(gone)[:12]}. Do the takedown again: it names this model, too"
        )


def models_trained_on(tracking: Tracking, ws: Workspace, media: Collection[str]) -> list[TouchedVersion]:
    """Return every version of every model that was, or may have been, trained or validated on one of the contents.

    Raises: TrackingError - the store cannot be reached.
    """
    touched, values = [], pa.array(sorted(media), pa.string())
    for model in KINDS:
        aliases = aliases_of(tracking, model)
        for version in versions(tracking, model):
            rows = _trained_on(tracking, ws, version)
            count = None if rows is None else pc.sum(pc.is_in(rows["media_id"], values)).as_py() or 0
            if count is None or count:
                touched.append(TouchedVersion(version, tuple(aliases.get(version.number, ())), count))
    return touched
