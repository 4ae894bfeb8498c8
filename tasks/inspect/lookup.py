"""Lookup of the one file or clip that a typed name means, with suggestions if there is not exactly one."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.display import SHORT_ID, base_name, counted, readable_path, visible
from heterodub.schemas.errors import MediaRefusedError, NotFoundError
from heterodub.schemas.reasons import FileState
from heterodub.tasks.media.paths import fingerprint, path_to_uri
from heterodub.tasks.stores import tables, tombstones
from heterodub.tasks.stores.scan import pieces, read_where
from heterodub.tasks.stores.where import Mask, RowCondition, among, begins
from heterodub.tasks.stores.workspace import Workspace

_ID: Final = re.compile(r"[0-9a-f]{4,64}")
_SHOWN: Final = 8
_COMPARED: Final = 20_000
"""Names that are compared letter by letter when nothing fits; more would take seconds."""

_SHOWN_OTHERWISE: Final = r"^file://|[^ -~]"
"""Addresses that may be shown in other letters: those in percent codes, and those with a letter beyond ASCII."""

_COLUMNS: Final = ("uri", "media_id", "state")


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
    exact = {name, path_to_uri(Path(name))} if "://" not in name else {name}
    for row in _catalog(ws, among("uri", exact)):
        return LookupResult(uri=row["uri"])
    clips = _clips_starting(ws, name)
    uris = sorted({*_by_media(ws, name), *_by_tail(ws, name, whole)})
    if len(uris) + len(clips) == 1:
        return LookupResult(uri=uris[0]) if uris else LookupResult(clip_id=clips[0])
    if uris or clips:
        raise NotFoundError(_several(name, uris, clips))
    raise NotFoundError(_nothing(ws, name))


def _catalog(ws: Workspace, where: RowCondition) -> Iterator[dict[str, Any]]:
    for piece in pieces(ws, "catalog", _COLUMNS, where):
        yield from piece.to_pylist()


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
    return sorted(read_where(ws, "clips", ["clip_id"], begins("clip_id", name))["clip_id"].to_pylist())


def _by_media(ws: Workspace, name: str) -> Iterable[str]:
    """Return files by content. Of several with the same bytes, the one whose clips were taken."""
    same: dict[str, dict[str, Any]] = {}
    for row in _catalog(ws, begins("media_id", name)) if _ID.fullmatch(name) else ():
        if row["media_id"] not in same or row["state"] != FileState.DUPLICATE:
            same[row["media_id"]] = row
    return [row["uri"] for row in same.values()]


def _by_tail(ws: Workspace, name: str, whole: bool) -> list[str]:
    """Return files whose path ends with whole parts `name`; else, unless `whole`, those that end with its letters."""
    tail = os.fsencode(name).decode("utf-8", "backslashreplace").removeprefix("./")
    if not tail:
        return []
    tails = (tail, visible(tail))
    ending = _named(lambda uris: pc.or_(*(pc.ends_with(uris, end) for end in tails)))
    paths = {row["uri"]: readable_path(row["uri"]) for row in _catalog(ws, ending)}
    fitting = [uri for uri, path in paths.items() if uri.endswith(f"/{tail}") or path.endswith(f"/{tails[1]}")]
    return (
        fitting
        if fitting or whole
        else [uri for uri, path in paths.items() if uri.endswith(tails) or path.endswith(tails)]
    )


def _named(fits: Callable[[pa.ChunkedArray], Mask]) -> RowCondition:
    """Return a condition for files whose address fits, or is shown to people in other letters than its own."""
    return RowCondition(
        frozenset({"uri"}),
        lambda rows: pc.or_(fits(rows["uri"]), pc.match_substring_regex(rows["uri"], _SHOWN_OTHERWISE)),
    )


def _several(name: str, uris: list[str], clips: list[str]) -> str:
    lines = [f"  file {readable_path(uri)}" for uri in uris] + [f"  clip {clip}" for clip in clips]
    more = [f"  and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "\n".join(
        [f"{visible(name)!r} can mean {len(lines)} things; give more of the name:", *lines[:_SHOWN], *more]
    )


def _nothing(ws: Workspace, name: str) -> str:
    target = base_name(name).lower()
    near = _containing(ws, target) if target else {}
    if not near:
        uris = _some_names(ws)
        lowered = {base.lower(): base for base in list(uris)[:_COMPARED]}
        bases = [lowered[match] for match in get_close_matches(target, lowered, n=5, cutoff=0.6)]
        near = {base: uris[base] for base in bases}
    text = f"no file or clip {visible(name)!r} in {visible(ws.root)}"
    if near:
        return "\n".join([f"{text}; did you mean one of these?", *(f"  {readable_path(uri)}" for uri in near.values())])
    files = counted(tables.size(ws, "catalog").rows, "file")
    return f"{text}; `heterodub list --files` shows all {files}, ids may be cut to {SHORT_ID} digits"


def _containing(ws: Workspace, target: str) -> dict[str, str]:
    """Return addresses of some files by their names, which contain the target, in any case."""
    found: dict[str, str] = {}
    for row in _catalog(ws, _named(lambda uris: pc.match_substring(uris, target, ignore_case=True))):
        base = base_name(row["uri"])
        if target in base.lower() and (base in found or len(found) < _SHOWN):
            found[base] = row["uri"]
    return found


def _some_names(ws: Workspace) -> dict[str, str]:
    """Return addresses of the first files by their names, as many as are compared."""
    found: dict[str, str] = {}
    for piece in pieces(ws, "catalog", ["uri"]):
        for uri in piece["uri"].to_pylist():
            found[base_name(uri)] = uri
        if len(found) >= _COMPARED:
            break
    return found
