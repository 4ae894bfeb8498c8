"""Scope of a takedown: contents, files and clips of a speaker, corpus, licence or file."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import pyarrow.compute as pc

from schemas.display import visible
from schemas.errors import NotFoundError
from tasks.inspect.lookup import find
from tasks.stores import tables, tombstones
from tasks.stores.barred import copies_of
from tasks.stores.tombstones import Kind, Unfinished
from tasks.stores.workspace import Workspace

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

    @property
    def speakers(self) -> frozenset[str]:
        """Speakers of the clips."""
        return frozenset(str(clip["speaker"]) for clip in self.clips)


def find_scope(ws: Workspace, kind: Kind, value: str, with_copies: bool = False) -> Scope:
    """Find all of a speaker, corpus, licence or file that the workspace holds, or held at its first taken down; and
    the files that are near-copies of it.

    Raises: NotFoundError - there is nothing of that name, nor was there; the text suggests what is near.
    """
    files = tables.read(ws, "catalog", _FILE_COLUMNS).to_pylist()
    clips = tables.read(ws, "clips", _CLIP_COLUMNS).to_pylist()
    earlier = tombstones.media_of(ws, kind, value)
    named = {str(uri) for uri in _uris(ws, files, kind, value, required=not earlier)}
    media = {row["media_id"] for row in files if row["uri"] in named and row["media_id"]} | earlier
    if kind == "speaker":
        media |= {clip["media_id"] for clip in clips if clip["speaker"] == value}
    if not (named or media):
        raise NotFoundError(_nothing(files, clips, kind, value))
    copied = copies_of(ws, frozenset(media))
    media |= copied if with_copies else set()
    return Scope(
        kind,
        value,
        frozenset(media),
        tuple(row for row in files if row["uri"] in named or row["media_id"] in media),
        tuple(clip for clip in clips if clip["media_id"] in media),
        tuple(row for row in files if row["media_id"] in copied),
        with_copies,
    )


def scope_left(ws: Workspace, left: Unfinished) -> Scope:
    """Scope of a takedown that was not finished. Its name is not known any more, only the hash of it."""
    files = tables.read(ws, "catalog", _FILE_COLUMNS).to_pylist()
    clips = tables.read(ws, "clips", _CLIP_COLUMNS).to_pylist()

    def is_meant(value: str | None) -> bool:
        return value is not None and tombstones.mark(value) == left.mark

    column = "uri" if left.kind == "file" else left.kind
    named = {row["uri"] for row in files if is_meant(row[column])}
    media = left.media | {row["media_id"] for row in files if row["uri"] in named and row["media_id"]}
    if left.kind == "speaker":
        media |= {clip["media_id"] for clip in clips if is_meant(clip["speaker"])}
    corpora = tables.read_any(ws, "metrics", ["corpus"])["corpus"].to_pylist() if left.kind == "corpus" else []
    return Scope(
        left.kind,
        next(filter(is_meant, corpora), None) or left.takedown,
        media,
        tuple(row for row in files if row["uri"] in named or row["media_id"] in media),
        tuple(clip for clip in clips if clip["media_id"] in media),
    )


def _uris(ws: Workspace, files: list[dict[str, Any]], kind: Kind, value: str, required: bool) -> Iterator[str]:
    if kind != "file":
        yield from (row["uri"] for row in files if row[kind] == value)
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
    known = {str(row[kind]) for row in files if kind != "file" and row[kind] is not None}
    known |= {str(clip["speaker"]) for clip in clips} if kind == "speaker" else set()
    near = get_close_matches(value, sorted(known), n=5, cutoff=0.5)
    hint = f"; did you mean {', '.join(map(visible, near))}?" if near else f"; {len(known)} are known"
    return f"nothing in the workspace is of {kind} {visible(value)!r}{hint}"
