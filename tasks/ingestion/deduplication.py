"""Deduplication: selection of the file that stands for a content, and of its labels, in the catalog and on the clips.

The newest listing leads. A file that is listed now takes the place of one that is gone, and of one that is elsewhere
and says another speaker. What one listing itself says of equal bytes must agree: if not, nobody can know who is right,
so all of these files are refused until the listing is mended.

Clips are labelled first: a catalog row that is as it should be is not looked at again.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason, FileState
from heterodub.schemas.records import RawFile
from heterodub.tasks.ingestion import catalog
from heterodub.tasks.ingestion.clip_labels import label_clips
from heterodub.tasks.sources.folder import gone
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

_LOG = logging.getLogger(__name__)

_STATEMENTS: Final = ("speaker", "licence", "consent", "purpose", "language", "offset_s")
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
    standing: list[tuple[RawFile, catalog.Row]] = field(default_factory=list)
    disputed: list[tuple[RawFile, str, str]] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)


ListedAmong = Callable[[AbstractSet[str]], AbstractSet[str]]
"""Says which of some addresses the listing names."""


def nobody(uris: AbstractSet[str]) -> AbstractSet[str]:
    """None of them."""
    return frozenset()


def resolve(
    contents: Mapping[str, Sequence[RawFile]],
    catalog_rows: catalog.Catalog,
    extractor: str,
    listed: ListedAmong = nobody,
    looked_at: Collection[str] = frozenset(),
    is_gone: Callable[[Iterable[str]], frozenset[str]] = gone,
) -> Resolution:
    """Decide for each content which file represents it.

    contents: files by the media_id that they hold. listed: says which files the same listing names besides, as the
    catalog knows them. looked_at: files whose bytes were read just now; a row of theirs with another content is out of
    date.
    """
    rows: dict[str, list[catalog.Row]] = {media: [] for media in contents}
    media_by_uri = {raw.uri: media for media, files in contents.items() for raw in files}
    for uri, row in catalog_rows.items():
        media = row["media_id"]
        if media in rows and (media_by_uri.get(uri) == media or uri not in looked_at):
            rows[media].append(row)
    away = {row["uri"] for media_rows in rows.values() for row in media_rows if row["uri"] not in media_by_uri}
    named = listed(away)
    resolution = Resolution(gone=set(is_gone(away - named)))
    for media, files in sorted(contents.items()):
        _resolve_one(resolution, media, sorted(files, key=attrgetter("uri")), rows[media], extractor, named)
    return resolution


def dispute(files: Sequence[RawFile]) -> str | None:
    """Contradictions between the labels of files of equal bytes, in words; None when they agree."""
    for name in _STATEMENTS:
        said = {getattr(raw, name): raw.uri for raw in reversed(files) if getattr(raw, name)}
        if len(said) > 1:
            return f"{name} is " + ", ".join(f"{value!r} at {said[value]}" for value in sorted(said, key=str))
    return None


def _resolve_one(
    resolution: Resolution,
    media: str,
    files: Sequence[RawFile],
    rows: Sequence[catalog.Row],
    extractor: str,
    listed: Collection[str],
) -> None:
    names = {raw.uri for raw in files}
    others = [row for row in rows if row["uri"] not in names and row["uri"] not in resolution.gone]
    beside = [catalog.raw_of(row) for row in others if row["uri"] in listed]
    reason = dispute(sorted([*files, *beside], key=attrgetter("uri")))
    if reason:
        resolution.disputed.extend((raw, media, reason) for raw in (*files, *beside))
        return
    before = next((row for row in rows if _can_stand(row, extractor)), None)
    chosen = _first([*files, *beside] if before else files, before["uri"] if before else "")
    if before is None:
        resolution.originals[media] = chosen
    elif _stays_elsewhere(before, chosen, resolution.gone, names | {raw.uri for raw in beside}):
        resolution.copies.extend((raw, media, before["uri"]) for raw in files)
        return
    elif _is_done(chosen, before, names):
        resolution.standing.append((chosen, before))
    else:
        resolution.originals[media] = chosen
    is_same = before is None or before["uri"] == chosen.uri
    copies = files if is_same else [*files, *map(catalog.raw_of, others)]
    resolution.copies.extend((raw, media, chosen.uri) for raw in copies if raw.uri != chosen.uri)


def _first(files: Sequence[RawFile], standing: str) -> RawFile:
    """Select the first file: one with a speaker before one without, then the one that stands already, then by name."""
    return min(files, key=lambda raw: (not raw.speaker, raw.uri != standing, raw.uri))


def _stays_elsewhere(before: catalog.Row, chosen: RawFile, lost: Collection[str], here: Collection[str]) -> bool:
    """Return True if a file of another listing goes on standing: it is there, and is not contradicted."""
    if before["uri"] in here or before["uri"] in lost:
        return False
    return not chosen.speaker or chosen.speaker == before["speaker"]


def _can_stand(row: catalog.Row, extractor: str) -> bool:
    """Return True if a copy of this file needs no work: the file has been analysed, and will not be again."""
    is_final = row["state"] != FileState.DUPLICATE and row["reason"] not in catalog.RETRIED
    return bool(is_final and row["media_id"] and row["extractor"] == extractor)


def _is_done(chosen: RawFile, before: catalog.Row, names: Collection[str]) -> bool:
    """Return True if nothing has to be measured anew. A quarantined file that is listed to be tried again has to."""
    if before["offset_s"] != chosen.offset_s:
        return False
    return before["state"] != FileState.QUARANTINED or before["uri"] not in names


def store_resolution(
    workspace: Workspace,
    resolution: Resolution,
    catalog_rows: catalog.Catalog,
    extractor: str,
    relabelled: catalog.Catalog | None = None,
) -> list[catalog.Row]:
    """Store the files that stand for contents that are done; return the rows that give nothing: copies and disputes.

    relabelled: rows that are stored with them, unless the resolution has another one for the same file.
    """
    stands = [catalog.moved_row(raw, before) for raw, before in resolution.standing]
    unread = [catalog.duplicate_row(raw, extractor, media, original) for raw, media, original in resolution.copies]
    for raw, media, why in resolution.disputed:
        _LOG.warning("%s is refused: %s", raw.uri, why)
        unread.append(catalog.refused_row(raw, extractor, MediaRefusedError(FileReason.LABELS_DISAGREE, why), media))
    rows = {**(relabelled or {}), **{row["uri"]: row for row in (*stands, *unread)}}
    changed = [row for uri, row in rows.items() if row != catalog_rows.get(uri)]
    _replace(workspace, stands, changed, resolution.gone - rows.keys())
    return unread


def merge_twins(workspace: Workspace, settings: Settings, catalog_rows: catalog.Catalog) -> bool:
    """Let one file stand for a content that two stand for: another ingest measured it at the same time under another
    name, or a run died before it had taken out the row of a file that was moved. Return False if there is none.

    catalog_rows: of the files that stand for such contents, see catalog.twin_rows.

    Whoever looks comes to the same: the file that is there, then the one of this extractor, then one whose speaker is
    known, then the first by name.
    """
    if not catalog_rows:
        return False
    names = dict[str, list[str]]()
    for uri, row in catalog_rows.items():
        names.setdefault(row["media_id"], []).append(uri)
    twins = list(names.values())
    lost = gone((uri for uris in twins for uri in uris), settings.limits.web_origins)

    def rank(uri: str) -> tuple[bool, bool, bool, str]:
        row = catalog_rows[uri]
        return uri in lost, row["extractor"] != settings.extractor, not row["speaker"], uri

    first = {uri: min(uris, key=rank) for uris in twins for uri in uris}
    rows = [
        catalog.duplicate_row(catalog.raw_of(row), row["extractor"], row["media_id"], stands)
        for uri, stands in first.items()
        if stands != uri and uri not in lost and (row := catalog_rows[uri])
    ]
    removed = {uri for uri, stands in first.items() if stands != uri and uri in lost}
    _replace(workspace, [catalog_rows[uri] for uri in set(first.values())], rows, removed)
    return True


def _replace(
    workspace: Workspace, stands: Iterable[catalog.Row], changed: list[catalog.Row], removed: Collection[str]
) -> None:
    if not changed and not removed:
        return
    label_clips(workspace, {row["media_id"]: row for row in stands if row["state"] == FileState.MEASURED})
    tables.replace_rows(workspace, "catalog", catalog.catalog_table(changed), "uri", also=removed)
