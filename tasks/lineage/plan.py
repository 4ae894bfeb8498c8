"""Plan of a takedown: files and clips of a speaker, corpus, licence or file, and everything that holds them."""

from collections import Counter
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.contract import FPS
from heterodub.schemas.display import visible
from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.licences import canonical_licence, spellings
from heterodub.tasks.identity.corrections import read_corrections
from heterodub.tasks.inspect.lookup import find
from heterodub.tasks.media.paths import path_to_uri
from heterodub.tasks.monitoring.run_log import as_step
from heterodub.tasks.releases.copies import copies_of
from heterodub.tasks.releases.erasure import releases_with
from heterodub.tasks.stores import tables, tombstones
from heterodub.tasks.stores.labels import ClipLabel, read_labels
from heterodub.tasks.stores.tombstones import Kind, Unfinished
from heterodub.tasks.stores.where import RowCondition, among, equal
from heterodub.tasks.stores.workspace import Workspace

from .footage import FootageRows, Row, marked
from .weights import TrainingFolder, training_folders

if TYPE_CHECKING:
    from heterodub.tasks.tracking.lineage import TouchedVersion
    from heterodub.tasks.tracking.store import Tracking


@dataclass(frozen=True, slots=True)
class Scope:
    """FootageRows that one takedown reaches. Same bytes under another name are the same content, so they go, too."""

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
    same_people: tuple[dict[str, Any], ...] = ()
    """Other files in which the same people were recognised. They stay."""

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
            "same_people": list(self.scope.same_people),
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


def find_scope(ws: Workspace, kind: Kind, value: str, with_copies: bool = False) -> Scope:
    """Find all of a speaker, corpus, licence or file that the workspace or a release holds, or held at its first taken
    down; and the files that are near-copies of it.

    Raises: NotFoundError - there is nothing of that name, nor was there; the text suggests what is near.
    """
    footage, named = FootageRows(ws), require_named(ws, kind, value)
    value = canonical_licence(value) if kind == "licence" else value
    copied = copies_of(ws, named.media)
    scope = _scope(footage, kind, value, named.media | copied if with_copies else named.media, named.uris)
    return replace(
        scope,
        copies=tuple(footage.now("catalog", among("media_id", copied))) if copied else (),
        with_copies=with_copies,
        same_people=tuple(_same_people(footage, scope)),
    )


def _same_people(footage: FootageRows, scope: Scope) -> list[Row]:
    """Return other files with clips of the people whom the scope shows."""
    people = {clip["person"] for clip in scope.clips if clip["person"]}
    shown = footage.now("clips", among("person", people)) if people else []
    others = {clip["media_id"] for clip in shown} - scope.media
    return footage.now("catalog", among("media_id", others)) if others else []


@dataclass(frozen=True, slots=True)
class NamedFootage:
    """Addresses of the files, and the contents, that a name means."""

    uris: frozenset[str]
    media: frozenset[str]


def require_named(ws: Workspace, kind: Kind, value: str) -> NamedFootage:
    """Find what a name means: that the workspace or a release holds, or held at its first taken down.

    Raises: NotFoundError - there is nothing of that name, nor was there; the text suggests what is near.
    """
    footage, earlier = FootageRows(ws), tombstones.media_of(ws, kind, value)
    by_name = equal("uri", value) | equal("media_id", value) if kind == "file" else _labelled(kind, value)
    older = footage.older("catalog", by_name)
    files = [*older, *_files(footage, kind, value, required=not (earlier or older))]
    clips = (
        footage.clips(equal("speaker", value) | among("person", people_named(ws, value))) if kind == "speaker" else []
    )
    media = earlier | {str(row["media_id"]) for row in (*files, *clips) if row["media_id"]}
    if not (files or media):
        raise NotFoundError(_nothing(footage, kind, value))
    return NamedFootage(frozenset(str(row["uri"]) for row in files), media)


def people_named(ws: Workspace, value: str) -> set[str]:
    """Return the people whom a text means: by id, that of a merged one too, or by a name that they were given.

    Raises: WorkspaceError - the table cannot be read.
    """
    corrections = read_corrections(ws)
    return {value, corrections.person(value)} | {one for one, name in corrections.names.items() if name == value}


def scope_left(ws: Workspace, left: Unfinished) -> Scope:
    """Scope of a takedown that was not finished. Its name is not known any more, only the hash of it."""
    footage, meant = FootageRows(ws), marked("uri" if left.kind == "file" else left.kind, left.mark)
    files = [*footage.now("catalog", meant), *footage.older("catalog", meant)]
    clips = footage.clips(meant) if left.kind == "speaker" else []
    media = left.media | {str(row["media_id"]) for row in (*files, *clips) if row["media_id"]}
    corpora = tables.read_any(ws, "metrics", ["corpus"])["corpus"].to_pylist() if left.kind == "corpus" else []
    value = next((name for name in corpora if name and tombstones.mark(name) == left.mark), left.takedown)
    return _scope(footage, left.kind, value, media, frozenset(str(row["uri"]) for row in files))


def _scope(footage: FootageRows, kind: Kind, value: str, media: frozenset[str], uris: frozenset[str]) -> Scope:
    """Return the scope of some contents, and of files that are named."""
    of_it = among("media_id", media)
    meant = among("uri", uris) | of_it
    return Scope(
        kind,
        value,
        media,
        tuple(footage.now("catalog", meant)),
        tuple(footage.clips(of_it)),
        older=tuple(footage.older("catalog", meant)),
        labels=tuple(label for label in read_labels(footage.ws).values() if label.media_id in media),
    )


def _files(footage: FootageRows, kind: Kind, value: str, required: bool) -> list[Row]:
    if kind != "file":
        return footage.now("catalog", _labelled(kind, value))
    path = value if "://" in value else path_to_uri(Path(value))
    if named := footage.now("catalog", among("uri", {value, path}) | equal("media_id", value)):
        return named  # of whatever line
    if of_line := footage.now("clips", equal("clip_id", value)):
        return footage.now("catalog", among("media_id", (clip["media_id"] for clip in of_line)))
    try:
        match = find(footage.ws, value, whole=True)
    except NotFoundError:
        if required:
            raise
        return []
    if match.uri is not None:
        return footage.now("catalog", equal("uri", match.uri))
    clips = footage.now("clips", equal("clip_id", str(match.clip_id)))
    return footage.now("catalog", among("media_id", (clip["media_id"] for clip in clips)))


def _labelled(kind: Kind, value: str) -> RowCondition:
    return among(kind, spellings(value) if kind == "licence" else (value,))


def _nothing(footage: FootageRows, kind: Kind, value: str) -> str:
    names = set() if kind == "file" else footage.values("catalog", kind)
    names |= footage.values("clips", kind) if kind == "speaker" else set()
    near = get_close_matches(value, sorted(names), n=5, cutoff=0.5)
    hint = f"; did you mean {', '.join(map(visible, near))}?" if near else f"; {len(names)} are known"
    return f"nothing in the workspace is of {kind} {visible(value)!r}{hint}"
