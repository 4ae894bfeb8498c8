"""Lineage in both directions: from a model to its footage, and from footage to its models. Read-only."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.display import visible
from heterodub.schemas.endings import with_ending
from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.reasons import Stage
from heterodub.schemas.rights import RIGHTS
from heterodub.tasks.monitoring.run_log import recorded
from heterodub.tasks.preflight.data import check_takedown
from heterodub.tasks.releases import releases
from heterodub.tasks.stores.labels import read_labels
from heterodub.tasks.stores.scan import read_where
from heterodub.tasks.stores.tombstones import Kind
from heterodub.tasks.stores.where import among, equal
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking import ledger
from heterodub.tasks.tracking.kinds import KINDS

from .footage import FootageRows
from .plan import TakedownPlan, find_scope, people_named, plan, plan_takedown, tracking_if_there

if TYPE_CHECKING:
    from heterodub.tasks.tracking.models import Version
    from heterodub.tasks.tracking.store import Tracking

_MODEL: Final = re.compile(r"(?:models:/)?(?P<model>[\w-]+)(?:/(?P<version>\d+)|(?P<alias>@[\w-]+))?")


@dataclass(frozen=True, slots=True)
class ModelTrace:
    """Raw files behind a model version. licences: of its training, as stated then. clips: ids by split, None if they
    are not known. files: a row for each content,
    with its present labels; gone: contents that are not in the catalog any more. kept: labels by which people put clips
    of it into its release against the policy, or with it.
    """

    model: str
    version: int
    aliases: tuple[str, ...]
    run: str
    taken_down: str | None
    licences: tuple[str, ...]
    release: dict[str, Any] | None
    clips: dict[str, list[str]] | None
    files: tuple[dict[str, Any], ...]
    gone: int
    moves: tuple[dict[str, Any], ...]
    kept: tuple[dict[str, Any], ...]


@recorded("takedown")
def preview(
    kind: Kind, value: str, workspace: str | None = None, config: str | None = None, with_near_copies: bool = False
) -> dict[str, Any]:
    """Return the summary of the plan, ready for JSON; recorded as a dry run.

    Raises: NotFoundError - nothing is called so. TrackingError, WorkspaceError, SettingsError.
    """
    settings = check_takedown(kind, value, workspace, config)
    return with_ending(plan(settings, kind, value, with_near_copies).summary(), "dry_run")


def trace(settings: Settings, name: str) -> ModelTrace | TakedownPlan:
    """Trace a model ("landmark-generator", "wav2lip/3", "landmark-generator@champion"), a speaker, or a file
    (path, end of one, or start of an id). Of footage, what its takedown would reach.

    Raises: NotFoundError - nothing is called so. TrackingError - the registry cannot be read, or has no such version.
    """
    ws = Workspace.open(settings.workspace)
    tracking = tracking_if_there(settings, ws)
    parts = _MODEL.fullmatch(name)
    if parts and parts["model"] in KINDS:
        return _trace_model(ws, tracking, parts["model"], parts["version"] or parts["alias"])
    footage, speaks = FootageRows(ws), equal("speaker", name)
    shows = speaks | among("person", people_named(ws, name))
    is_speaker = bool(footage.now("clips", shows) or footage.now("catalog", speaks))
    try:
        scope = find_scope(ws, "speaker" if is_speaker else "file", name)
    except NotFoundError as error:
        speakers = footage.values("clips", "speaker") | footage.values("catalog", "speaker")
        raise NotFoundError(f"{_no_such(name, speakers)}; {error}") from error
    return plan_takedown(ws, tracking, scope)


def _no_such(name: str, speakers: Collection[str]) -> str:
    names = sorted({speaker for speaker in speakers if speaker} | set(KINDS))
    near = ", ".join(map(visible, get_close_matches(name, names, n=5, cutoff=0.6)))
    return f"no model and no speaker is called {visible(name)!r}" + (f" (did you mean {near}?)" if near else "")


def _trace_model(ws: Workspace, tracking: "Tracking | None", model: str, name: str | None) -> ModelTrace:
    if tracking is None:
        raise NotFoundError(f"no {model} is registered yet: `{KINDS[model].made_by}` makes one")
    from heterodub.tasks.tracking.lineage import trained_on
    from heterodub.tasks.tracking.registry import aliases_of, named_version

    version = named_version(tracking, model, name)
    clips = trained_on(tracking, ws, version)
    media = {clip["media_id"] for clip in clips or []}
    columns = ["media_id", "uri", "corpus", *RIGHTS, "speaker"]
    rows = read_where(ws, "catalog", columns, among("media_id", media)).to_pylist()
    files = {row["media_id"]: row for row in reversed(rows)}
    moves = [move for move in ledger.moves(ws, model) if version.number in (move.from_version, move.to_version)]
    return ModelTrace(
        model=model,
        version=version.number,
        aliases=tuple(aliases_of(tracking, model).get(version.number, ())),
        run=version.run_id,
        taken_down=version.taken_down or None,
        licences=version.licences,
        release=_release(ws, version),
        clips=None if clips is None else _by_split(clips),
        files=tuple(sorted(_with_people(ws, files, clips or []), key=lambda row: str(row["uri"]))),
        gone=len(media - files.keys()),
        moves=tuple(asdict(move) for move in moves),
        kept=_kept(ws, version, Stage(KINDS[model].stage), {clip["clip_id"] for clip in clips or []}),
    )


def _with_people(
    ws: Workspace, files: Mapping[str, dict[str, Any]], clips: Collection[Mapping[str, str]]
) -> list[dict[str, Any]]:
    """Add to each file the people of its clips, as they are known now."""
    seen = among("clip_id", (clip["clip_id"] for clip in clips))
    people: dict[str, set[str]] = {}
    for row in read_where(ws, "clips", ["clip_id", "media_id", "person"], seen).to_pylist():
        people.setdefault(row["media_id"], set()).update([row["person"]] if row["person"] else [])
    return [row | {"people": sorted(people.get(media, ()))} for media, row in files.items()]


def _kept(ws: Workspace, version: "Version", stage: Stage, clips: Collection[str]) -> tuple[dict[str, Any], ...]:
    """Return the labels, as of its release, that keep clips of a model for its stage; none once they were erased."""
    try:
        labels = read_labels(ws, releases.table_files(ws, releases.find(ws, version.release), "labels"))
    except NotFoundError:
        return ()
    kept = [label for label in labels.values() if label.keep and label.stage is stage and label.clip_id in clips]
    return tuple(asdict(label) | {"text": label.text} for label in kept)


def _by_split(clips: Iterable[Mapping[str, str]]) -> dict[str, list[str]]:
    by_split: dict[str, list[str]] = {}
    for clip in clips:
        by_split.setdefault(clip["split"], []).append(clip["clip_id"])
    return {split: sorted(ids) for split, ids in by_split.items()}


def _release(ws: Workspace, version: "Version") -> dict[str, Any] | None:
    try:
        release = releases.find(ws, version.release)
    except NotFoundError:
        return None
    return asdict(release) | {"tables": release.versions}
