"""Deduplication: which of several files of equal bytes represents the content, and whose labels it has.

The newest listing leads. A file that is listed now takes the place of one that is gone, and of one that is elsewhere
and says another speaker. What one listing itself says of equal bytes must agree: if not, nobody can know who is right,
so all of these files are refused until the listing is mended.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.reasons import FileState
from schemas.records import RawFile
from tasks.ingestion import file_catalog
from tasks.sources.presence import gone

_STATEMENTS: Final = ("speaker", "licence", "consent", "language", "offset_s")
"""Labels that are about the content, so equal bytes have the same; an empty one, or an offset of 0, says nothing."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """Decisions on files whose content is known.

    `originals`: contents to work on, each by the file that stands for it; `copies`: (file, media_id, uri of the file
    that stands for it); `standing`: (file, row) of contents that are done: the file that stands from now on, and the
    row of the one that stood before, often its own; `disputed`: (file, media_id, what the listing says of the others);
    `gone`: catalog rows of paths that are no more.
    """

    originals: dict[str, RawFile] = field(default_factory=dict)
    copies: list[tuple[RawFile, str, str]] = field(default_factory=list)
    standing: list[tuple[RawFile, file_catalog.Row]] = field(default_factory=list)
    disputed: list[tuple[RawFile, str, str]] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)


def resolve(
    contents: Mapping[str, Sequence[RawFile]],
    known: Mapping[str, file_catalog.Row],
    extractor: str,
    listed: Collection[str] = frozenset(),
    looked_at: Collection[str] = frozenset(),
    is_gone: Callable[[Iterable[str]], frozenset[str]] = gone,
) -> Resolution:
    """Decide for each content which file represents it.

    contents: files by the media_id that they hold. listed: uris that the same listing names besides, as the catalog
    knows them. looked_at: files whose bytes were read just now; a row of theirs with another content is out of date.
    """
    rows: dict[str, list[file_catalog.Row]] = {media: [] for media in contents}
    held = {raw.uri: media for media, files in contents.items() for raw in files}
    for uri, row in known.items():
        media = row["media_id"]
        if media in rows and (held.get(uri) == media or uri not in looked_at):
            rows[media].append(row)
    away = {row["uri"] for found in rows.values() for row in found if row["uri"] not in held}
    made = Resolution(gone=set(is_gone(away - set(listed))))
    for media, files in sorted(contents.items()):
        _resolve_one(made, media, sorted(files, key=_uri), rows[media], extractor, listed)
    return made


def dispute(files: Sequence[RawFile]) -> str | None:
    """Contradictions between the labels of files of equal bytes, in words; None when they agree."""
    for name in _STATEMENTS:
        said = {getattr(raw, name): raw.uri for raw in reversed(files) if getattr(raw, name)}
        if len(said) > 1:
            return f"{name} is " + ", ".join(f"{value!r} at {said[value]}" for value in sorted(said, key=str))
    return None


def _resolve_one(
    made: Resolution,
    media: str,
    files: Sequence[RawFile],
    rows: Sequence[file_catalog.Row],
    extractor: str,
    listed: Collection[str],
) -> None:
    names = {raw.uri for raw in files}
    others = [row for row in rows if row["uri"] not in names and row["uri"] not in made.gone]
    beside = [file_catalog.raw_of(row) for row in others if row["uri"] in listed]
    reason = dispute([*files, *beside])
    if reason:
        made.disputed.extend((raw, media, reason) for raw in (*files, *beside))
        return
    before = next((row for row in rows if _can_stand(row, extractor)), None)
    chosen = _first([*files, *beside] if before else files, before["uri"] if before else "")
    if before is None:
        made.originals[media] = chosen
    elif _stays_elsewhere(before, chosen, made.gone, names | {raw.uri for raw in beside}):
        made.copies.extend((raw, media, before["uri"]) for raw in files)
        return
    elif _is_done(chosen, before, names):
        made.standing.append((chosen, before))
    else:
        made.originals[media] = chosen
    is_same = before is None or before["uri"] == chosen.uri
    copies = files if is_same else [*files, *map(file_catalog.raw_of, others)]
    made.copies.extend((raw, media, chosen.uri) for raw in copies if raw.uri != chosen.uri)


def _first(files: Sequence[RawFile], standing: str) -> RawFile:
    """Select the first file: one with a speaker before one without, then the one that stands already, then by name."""
    return min(files, key=lambda raw: (not raw.speaker, raw.uri != standing, raw.uri))


def _stays_elsewhere(before: file_catalog.Row, chosen: RawFile, lost: Collection[str], here: Collection[str]) -> bool:
    """Return True if a file of another listing goes on standing: it is there, and is not contradicted."""
    if before["uri"] in here or before["uri"] in lost:
        return False
    return not chosen.speaker or chosen.speaker == before["speaker"]


def _can_stand(row: file_catalog.Row, extractor: str) -> bool:
    """Return True if a copy of this file needs no work: the file has been analysed, and will not be again."""
    is_final = row["state"] != FileState.DUPLICATE and row["reason"] not in file_catalog.RETRIED
    return bool(is_final and row["media_id"] and row["extractor"] == extractor)


def _is_done(chosen: RawFile, before: file_catalog.Row, asked: Collection[str]) -> bool:
    """Return True if nothing has to be measured anew. A quarantined file that is listed to be tried again has to."""
    if before["offset_s"] != chosen.offset_s:
        return False
    return before["state"] != FileState.QUARANTINED or before["uri"] not in asked


def _uri(raw: RawFile) -> str:
    return raw.uri
