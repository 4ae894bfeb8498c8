"""Plan of a takedown: files and clips of a speaker, corpus, licence or file, and everything that holds them."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.contract import FPS
from heterodub.schemas.display import visible
from heterodub.schemas.errors import NotFoundError
from heterodub.tasks.inspect.lookup import find
from heterodub.tasks.media.paths import path_to_uri
from heterodub.tasks.monitoring.run_log import as_step
from heterodub.tasks.releases.barred import copies_of
from heterodub.tasks.releases.erasure import older_files, releases_with
from heterodub.tasks.stores import tables, tombstones
from heterodub.tasks.stores.labels import ClipLabel, read_labels
from heterodub.tasks.stores.standby import standing_by
from heterodub.tasks.stores.tombstones import Kind, Unfinished
from heterodub.tasks.stores.workspace import Workspace

from .weights import TrainingFolder, training_folders

if TYPE_CHECKING:
    from heterodub.tasks.tracking.lineage import TouchedVersion
    from heterodub.tasks.tracking.store import Tracking

_FILE_COLUMNS: Final = ["uri", "media_id", "corpus", "speaker", "licence"]
_CLIP_COLUMNS: Final = ["clip_id", "media_id", "speaker", "frames", "stage1", "stage2"]


@dataclass(frozen=True, slots=True)
class Scope:
    """Footage that one takedown reaches. Same bytes under another name are the same content, so they go, too."""

    kind: Kind
    value: str
    media: frozenset[str]
    files: tuple[dict[str, Any], ...]
    clips: tuple[dict[str, Any], ...]
    copies: tuple[dict[str, Any], ...] = ()
    """Files of other bytes that show the same recording. They go as well if that is said (`with_copies`)."""
    with_copies: bool = False
    labels: tuple[ClipLabel, ...] = ()
    """Labels of people on the clips; they go as well."""
    older: tuple[dict[str, Any], ...] = ()
    """Files of it that only older releases know."""

    @property
    def unread(self) -> frozenset[str]:
        """Addresses of files of which no content is known."""
        return frozenset(str(row["uri"]) for row in (*self.files, *self.older) if row["media_id"] is None)

    @property
    def speakers(self) -> frozenset[str]:
        """Speakers of the clips."""
        return frozenset(str(clip["speaker"]) for clip in self.clips)


@dataclass(frozen=True, slots=True)
class TakedownPlan:
    """Everything that a takedown reaches. benchmarks: hash and number of clips that it loses."""

    scope: Scope
    releases: tuple[str, ...]
    benchmarks: dict[str, int]
    models: "tuple[TouchedVersion, ...]"
    trainings: tuple[TrainingFolder, ...]

    def summary(self) -> dict[str, Any]:
        """Return the plan ready for JSON."""
        clips = self.scope.clips
        return {
            "kind": self.scope.kind,
            "value": self.scope.value,
            "files": list(self.scope.files),
            "near_copies": list(self.scope.copies),
            "with_near_copies": self.scope.with_copies,
            "clips": len(clips),
            "labels": [asdict(label) | {"text": label.text} for label in self.scope.labels],
            "stage1": sum(bool(clip["stage1"]) for clip in clips),
            "stage2": sum(bool(clip["stage2"]) for clip in clips),
            "seconds": round(sum(clip["frames"] for clip in clips) / FPS, 2),
            "speakers": sorted(self.scope.speakers),
            "releases": list(self.releases),
            "benchmarks": dict(self.benchmarks),
            "models": [_model_row(touched) for touched in self.models],
            "trainings": [training.row() for training in self.trainings],
        }


def _model_row(touched: "TouchedVersion") -> dict[str, Any]:
    version = touched.version
    return {
        "model": version.name,
        "version": version.number,
        "aliases": list(touched.aliases),
        "clips": touched.clips,
        "run": version.run_id,
    }


@as_step("plan")
def plan(settings: Settings, kind: Kind, value: str, with_near_copies: bool = False) -> TakedownPlan:
    """Plan a takedown, read-only.

    Raises: NotFoundError - nothing is called so. TrackingError, WorkspaceError - the text says what to do.
    """
    ws = Workspace.open(settings.workspace)
    return plan_takedown(ws, tracking_if_there(settings, ws), find_scope(ws, kind, value, with_near_copies))


def tracking_if_there(settings: Settings, ws: Workspace) -> "Tracking | None":
    """Open the registry read-only; None if the workspace has none yet.

    Raises: TrackingError - a server does not answer. SettingsError - a remote workspace names no server.
    """
    from heterodub.tasks.tracking.address import place_of

    place = place_of(settings.tracking, ws)
    if not place.exists:
        return None
    from heterodub.tasks.tracking.store import open_at

    return open_at(place)


def plan_takedown(ws: Workspace, tracking: "Tracking | None", scope: Scope) -> TakedownPlan:
    """Search tables, releases, benchmarks and models, read-only. tracking: None if there are no models yet.

    Raises: TrackingError - the registry cannot be read. WorkspaceError - a table cannot be read.
    """
    rows = tables.read_any(ws, "benchmarks", ["benchmark", "media_id"]).to_pylist()
    lost = dict(Counter(row["benchmark"] for row in rows if row["media_id"] in scope.media))
    models = _models(tracking, ws, scope) if tracking else []
    return TakedownPlan(
        scope,
        tuple(releases_with(ws, scope.media)),
        lost,
        tuple(models),
        training_folders(ws, scope.media, models),
    )


def _models(tracking: "Tracking", ws: Workspace, scope: Scope) -> "list[TouchedVersion]":
    from heterodub.tasks.tracking.lineage import models_trained_on  # with MLflow, which takes seconds

    return models_trained_on(tracking, ws, scope.media)


def _different(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [dict(row) for row in dict.fromkeys(tuple(row.items()) for row in rows)]


@dataclass(frozen=True, slots=True)
class _Known:
    """Rows of the catalog and of clips: those of now, in every line, and of media that only older releases hold
    (`older`, `clips`).
    """

    files: list[dict[str, Any]]
    older: list[dict[str, Any]]
    clips: list[dict[str, Any]]

    @classmethod
    def of(cls, ws: Workspace) -> "_Known":
        """Read them."""
        lines = (ws, *standing_by(ws))
        files, clips = (
            pa.concat_tables(tables.read_any(line, table, columns) for line in lines)
            for table, columns in (("catalog", _FILE_COLUMNS), ("clips", _CLIP_COLUMNS))
        )
        now = pa.chunked_array([*files["media_id"].chunks, *clips["media_id"].chunks], pa.string()).combine_chunks()
        older, older_clips = (
            tables.read(ws, table, columns, older_files(ws, table), ~pc.field("media_id").isin(now)).to_pylist()
            for table, columns in (("catalog", _FILE_COLUMNS), ("clips", _CLIP_COLUMNS))
        )
        by_id = {row["clip_id"]: row for row in (*older_clips, *clips.to_pylist())}
        rows = files.to_pylist()
        return cls(_different(rows) if len(lines) > 1 else rows, _different(older), [*by_id.values()])

    def media(self, files: list[dict[str, Any]], is_speaker: Callable[[str], bool] | None) -> frozenset[str]:
        """Return the contents of some files, and of the clips of a speaker."""
        clips = [clip["media_id"] for clip in self.clips if is_speaker and is_speaker(clip["speaker"])]
        return frozenset([*clips, *(row["media_id"] for row in files if row["media_id"])])

    def scope(self, kind: Kind, value: str, media: frozenset[str], named: Collection[str]) -> Scope:
        """Return the scope of some contents, and of files that are named."""
        return Scope(
            kind,
            value,
            media,
            tuple(row for row in self.files if row["uri"] in named or row["media_id"] in media),
            tuple(clip for clip in self.clips if clip["media_id"] in media),
            older=tuple(row for row in self.older if row["uri"] in named or row["media_id"] in media),
        )


def find_scope(ws: Workspace, kind: Kind, value: str, with_copies: bool = False) -> Scope:
    """Find all of a speaker, corpus, licence or file that the workspace or a release holds, or held at its first taken
    down; and the files that are near-copies of it.

    Raises: NotFoundError - there is nothing of that name, nor was there; the text suggests what is near.
    """
    known, earlier = _Known.of(ws), tombstones.media_of(ws, kind, value)
    names = ("uri", "media_id") if kind == "file" else (kind,)
    older = [row for row in known.older if value in {row[name] for name in names}]
    named = {str(uri) for uri in _uris(ws, known.files, kind, value, required=not (earlier or older))}
    files = [*older, *(row for row in known.files if row["uri"] in named)]
    media = earlier | known.media(files, (lambda speaker: speaker == value) if kind == "speaker" else None)
    if not (files or media):
        raise NotFoundError(_nothing(known.files, [*known.clips], kind, value))
    copied = copies_of(ws, media)
    named |= {row["uri"] for row in older}
    scope = known.scope(kind, value, media | copied if with_copies else media, named)
    return replace(
        scope,
        copies=tuple(row for row in known.files if row["media_id"] in copied),
        with_copies=with_copies,
        labels=tuple(label for label in read_labels(ws).values() if label.media_id in scope.media),
    )


def scope_left(ws: Workspace, left: Unfinished) -> Scope:
    """Scope of a takedown that was not finished. Its name is not known any more, only the hash of it."""
    known = _Known.of(ws)

    def is_meant(value: str | None) -> bool:
        return value is not None and tombstones.mark(value) == left.mark

    column = "uri" if left.kind == "file" else left.kind
    files = [row for row in (*known.files, *known.older) if is_meant(row[column])]
    media = left.media | known.media(files, is_meant if left.kind == "speaker" else None)
    corpora = tables.read_any(ws, "metrics", ["corpus"])["corpus"].to_pylist() if left.kind == "corpus" else []
    value = next(filter(is_meant, corpora), None) or left.takedown
    return known.scope(left.kind, value, media, {row["uri"] for row in files if is_meant(row[column])})


def _uris(ws: Workspace, files: list[dict[str, Any]], kind: Kind, value: str, required: bool) -> Iterator[str]:
    if kind != "file":
        yield from (row["uri"] for row in files if row[kind] == value)
        return
    exact = {value, path_to_uri(Path(value))} if "://" not in value else {value}
    if named := {row["uri"] for row in files if row["uri"] in exact or row["media_id"] == value}:
        yield from named  # of whatever line
        return
    try:
        match = find(ws, value, whole=True)
    except NotFoundError:
        if required:
            raise
        return
    if match.uri is not None:
        yield match.uri
        return
    media = tables.read(ws, "clips", ["media_id"], filter=pc.field("clip_id") == match.clip_id)["media_id"].to_pylist()
    yield from (row["uri"] for row in files if row["media_id"] in media)


def _nothing(files: list[dict[str, Any]], clips: list[dict[str, Any]], kind: Kind, value: str) -> str:
    names = {str(row[kind]) for row in files if kind != "file" and row[kind] is not None}
    names |= {str(clip["speaker"]) for clip in clips} if kind == "speaker" else set()
    near = get_close_matches(value, sorted(names), n=5, cutoff=0.5)
    hint = f"; did you mean {', '.join(map(visible, near))}?" if near else f"; {len(names)} are known"
    return f"nothing in the workspace is of {kind} {visible(value)!r}{hint}"
