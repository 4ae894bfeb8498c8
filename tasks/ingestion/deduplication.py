"""Deduplication: selection of the file that stands for a content, and of its labels, in the catalog and on the clips.

The newest listing leads. A file that is listed now takes the place of one that is gone, and of one that is elsewhere
and says another speaker. What one listing itself says of equal bytes must agree: if not, nobody can know who is right,
so all of these files are refused until the listing is mended. What the file that stands does not state is filled from
its copies of the same listing; and a consent that any file of equal bytes refuses is refused, listed now or not.

Clips are labelled first: a catalog row that is as it should be is not looked at again.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason, FileState
from heterodub.schemas.records import RawFile
from heterodub.schemas.rights import is_refusal
from heterodub.tasks.ingestion import catalog
from heterodub.tasks.ingestion.clip_labels import label_clips
from heterodub.tasks.sources.folder import gone
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

_LOG = logging.getLogger(__name__)

_STATEMENTS: Final = ("speaker", "licence", "consent", "purpose", "language", "offset_s")
"""Labels that are about the content, so equal bytes have the same; an empty one, or an offset of 0, says nothing."""

_FILLED: Final = ("licence", "consent", "purpose", "language")
"""Statements that the file which stands for a content takes from its copies."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """Decisions on files whose content is known.

    `originals`: contents to work on, each by the file that stands for it; `copies`: (file, media_id, uri of the file
    that stands for it); `standing`: (file, row) of contents that are done: the file that stands from now on, and the
    row of the one that stood before, often its own; `disputed`: (file, media_id, what the listing says of the others);
    `gone`: catalog rows of paths that are no more; `filled`: files that stand with more than they state, as they were
    listed, by uri.
    """

    originals: dict[str, RawFile] = field(default_factory=dict)
    copies: list[tuple[RawFile, str, str]] = field(default_factory=list)
    standing: list[tuple[RawFile, catalog.Row]] = field(default_factory=list)
    disputed: list[tuple[RawFile, str, str]] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    filled: dict[str, RawFile] = field(default_factory=dict)


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
    filled: Mapping[str, RawFile] = MappingProxyType({}),
) -> Resolution:
    """Decide for each content which file represents it.

    contents: files by the media_id that they hold. listed: says which files the same listing names besides, as the
    catalog knows them. looked_at: files whose bytes were read just now; a row of theirs with another content is out of
    date. filled: what Resolution.filled was of earlier files of the listing, whose rows say more than it.
    """
    rows: dict[str, list[catalog.Row]] = {media: [] for media in contents}
    media_by_uri = {raw.uri: media for media, files in contents.items() for raw in files}
    for uri, row in catalog_rows.items():
        media = row["media_id"]
        if media in rows and (media_by_uri.get(uri) == media or uri not in looked_at):
            rows[media].append(row)
    away = {row["uri"] for media_rows in rows.values() for row in media_rows if row["uri"] not in media_by_uri}
    named = listed(away)
    resolution = Resolution(gone=set(is_gone(away - named)), filled=dict(filled))
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
    rows_beside = [row for row in rows if row["uri"] not in names and row["uri"] not in resolution.gone]
    others = [resolution.filled.get(row["uri"]) or catalog.raw_of(row) for row in rows_beside]
    beside = [raw for raw in others if raw.uri in listed]
    reason = dispute(sorted([*files, *beside], key=attrgetter("uri")))
    if reason:
        resolution.disputed.extend((raw, media, reason) for raw in (*files, *beside))
        return
    before = next((row for row in rows if _can_stand(row, extractor)), None)
    said = {name: value for raw in (*files, *beside) for name in _FILLED if (value := getattr(raw, name))}
    elsewhere = [raw.consent for raw in others]
    first = _first([*files, *beside] if before else files, before["uri"] if before else "")
    if (chosen := _with_statements(first, said, elsewhere)) != first:
        resolution.filled[first.uri] = first
    if before is None:
        resolution.originals[media] = chosen
    elif _stays_elsewhere(before, chosen, resolution.gone, names | {raw.uri for raw in beside}):
        resolution.copies.extend((raw, media, before["uri"]) for raw in files)
        was = catalog.raw_of(before)
        if (now := _with_statements(was, said, elsewhere)) != was:
            resolution.standing.append((now, before))
        return
    elif _is_done(chosen, before, names):
        resolution.standing.append((chosen, before))
    else:
        resolution.originals[media] = chosen
    is_same = before is None or before["uri"] == chosen.uri
    copies = files if is_same else [*files, *others]
    resolution.copies.extend((raw, media, chosen.uri) for raw in copies if raw.uri != chosen.uri)


def _first(files: Sequence[RawFile], standing: str) -> RawFile:
    """Select the first file: one with a speaker before one without, then the one that stands already, then by name."""
    return min(files, key=lambda raw: (not raw.speaker, raw.uri != standing, raw.uri))


def _with_statements(raw: RawFile, said: Mapping[str, Any], consents: Iterable[str | None]) -> RawFile:
    """Return a file with what is said of its content by the files that are listed now. consents: those of files of
    equal bytes, listed or not; one that refuses stands.
    """
    now = replace(raw, **said)
    return replace(now, consent=_strictest(now.consent, consents))


def _strictest(consent: str | None, others: Iterable[str | None]) -> str | None:
    refusals = sorted(other for other in others if other and is_refusal(other))
    return refusals[0] if refusals and not is_refusal(consent) else consent


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
        catalog.duplicate_row(catalog.raw_of(row), row["extractor"], row["media_id"], original)
        for uri, original in first.items()
        if original != uri and uri not in lost and (row := catalog_rows[uri])
    ]
    removed = {uri for uri, original in first.items() if original != uri and uri in lost}
    stands = [
        row | {"consent": _strictest(row["consent"], (catalog_rows[uri]["consent"] for uri in names[row["media_id"]]))}
        for row in (catalog_rows[uri] for uri in set(first.values()))
    ]
    rows += [row for row in stands if row != catalog_rows[row["uri"]]]
    _replace(workspace, stands, rows, removed)
    return True


def _replace(
    workspace: Workspace, stands: Iterable[catalog.Row], changed: list[catalog.Row], removed: Collection[str]
) -> None:
    if not changed and not removed:
        return
    label_clips(workspace, {row["media_id"]: row for row in stands if row["state"] == FileState.MEASURED})
    tables.replace_rows(workspace, "catalog", catalog.catalog_table(changed), "uri", also=removed)
