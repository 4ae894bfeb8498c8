"""Lookup of the one file or clip that a typed name means, with suggestions if there is not exactly one."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import pyarrow.compute as pc

from heterodub.schemas.display import SHORT_ID, base_name, counted, readable_path, visible
from heterodub.schemas.errors import MediaRefusedError, NotFoundError
from heterodub.schemas.reasons import FileState
from heterodub.tasks.media.paths import fingerprint, path_to_uri
from heterodub.tasks.stores import tables, tombstones
from heterodub.tasks.stores.workspace import Workspace

_ID: Final = re.compile(r"[0-9a-f]{4,64}")
_SHOWN: Final = 8
_COMPARED: Final = 20_000
"""Names that are compared letter by letter when nothing fits; more would take seconds."""

_COLUMNS: Final = ["uri", "media_id", "state"]


@dataclass(frozen=True, slots=True)
class LookupResult:
    """Result of a lookup. Exactly one of the two is set: the uri of a file, or the id of a clip."""

    uri: str | None = None
    clip_id: str | None = None


def find(ws: Workspace, name: str, whole: bool = False) -> LookupResult:
    """Find the file or clip that `name` means: a path, the tail of a path that only one file has, or the start of a
    media_id or clip_id of at least four digits. whole: the tail has to be whole names, as where something is deleted.

    Raises: NotFoundError - nothing fits (the text suggests what is near) or several things do (it lists them).
    """
    files = tables.read_any(ws, "catalog", _COLUMNS).to_pylist()
    exact = {name, path_to_uri(Path(name))} if "://" not in name else {name}
    for row in files:
        if row["uri"] in exact:
            return LookupResult(uri=row["uri"])
    clips = _clips_starting(ws, name)
    candidates = [*_by_media(files, name), *_by_tail(files, name, whole)]
    uris = sorted(set(candidates))
    if len(uris) + len(clips) == 1:
        return LookupResult(uri=uris[0]) if uris else LookupResult(clip_id=clips[0])
    if uris or clips:
        raise NotFoundError(_several(name, uris, clips))
    raise NotFoundError(_nothing(name, files, ws.root))


def find_explained(ws: Workspace, name: str) -> LookupResult:
    """The same as `find`; where nothing fits, the text of the error says if a takedown bars what was named: a file of
    this machine by its bytes, or a content by its id.

    Raises: NotFoundError - as `find`.
    """
    try:
        return find(ws, name)
    except NotFoundError as error:
        if bar := _barring(ws, name):
            takedown, day = bar[0], bar[1][:10]
            text = f"{visible(name)!r} was taken down on {day} (takedown {takedown}), so every ingest leaves it out"
            raise NotFoundError(text) from error
        raise


def _barring(ws: Workspace, name: str) -> tuple[str, str] | None:
    if _ID.fullmatch(name):
        return tombstones.barring(ws, name)
    try:
        return tombstones.barring(ws, fingerprint(Path(name))) if Path(name).is_file() else None
    except (MediaRefusedError, OSError, ValueError):
        return None


def _clips_starting(ws: Workspace, name: str) -> list[str]:
    if not _ID.fullmatch(name):
        return []
    fits = pc.starts_with(pc.field("clip_id"), name)
    return sorted(tables.read_any(ws, "clips", ["clip_id"], fits)["clip_id"].to_pylist())


def _by_media(files: list[dict[str, Any]], name: str) -> Iterable[str]:
    """Return files by content. Of several with the same bytes, the one whose clips were taken."""
    if not _ID.fullmatch(name):
        return []
    same: dict[str, dict[str, Any]] = {}
    for row in files:
        media = row["media_id"]
        if media and media.startswith(name) and (media not in same or row["state"] != FileState.DUPLICATE):
            same[media] = row
    return [row["uri"] for row in same.values()]


def _by_tail(files: list[dict[str, Any]], name: str, whole: bool) -> list[str]:
    """Return files whose path ends with whole parts `name`; else, unless `whole`, those that end with its letters."""
    tail = os.fsencode(name).decode("utf-8", "backslashreplace").removeprefix("./")
    if not tail:
        return []
    paths = {row["uri"]: readable_path(row["uri"]) for row in files}
    tails = (tail, visible(tail))
    fitting = [uri for uri, path in paths.items() if uri.endswith(f"/{tail}") or path.endswith(f"/{tails[1]}")]
    return (
        fitting
        if fitting or whole
        else [uri for uri, path in paths.items() if uri.endswith(tails) or path.endswith(tails)]
    )


def _several(name: str, uris: list[str], clips: list[str]) -> str:
    lines = [f"  file {readable_path(uri)}" for uri in uris] + [f"  clip {clip}" for clip in clips]
    more = [f"  and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "\n".join(
        [f"{visible(name)!r} can mean {len(lines)} things; give more of the name:", *lines[:_SHOWN], *more]
    )


def _nothing(name: str, files: list[dict[str, Any]], root: str) -> str:
    target = base_name(name).lower()
    uris = {base_name(row["uri"]): row["uri"] for row in files}
    near = [base for base in uris if target and target in base.lower()][:_SHOWN]
    if not near:
        lowered = {base.lower(): base for base in list(uris)[:_COMPARED]}
        near = [lowered[match] for match in get_close_matches(target, lowered, n=5, cutoff=0.6)]
    text = f"no file or clip {visible(name)!r} in {visible(root)}"
    if near:
        return "\n".join([f"{text}; did you mean one of these?", *(f"  {readable_path(uris[base])}" for base in near)])
    return (
        f"{text}; `heterodub list --files` shows all {counted(len(files), 'file')}, ids may be cut to {SHORT_ID} digits"
    )
