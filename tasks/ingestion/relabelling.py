"""New labels of files that are done: in the line that is worked on, and in every other one that knows their content."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.reasons import FileState
from heterodub.schemas.records import RawFile
from heterodub.tasks.ingestion import catalog
from heterodub.tasks.ingestion.deduplication import ListedAmong, nobody, resolve, store_resolution
from heterodub.tasks.sources.folder import gone
from heterodub.tasks.stores.batches import drop_media
from heterodub.tasks.stores.standby import lines_beside
from heterodub.tasks.stores.workspace import Workspace


def relabel_lines(
    workspace: Workspace,
    contents: Mapping[str, Sequence[RawFile]],
    settings: Settings,
    looked_at: Collection[str] = frozenset(),
) -> None:
    """Decide on these contents in every other line as an ingest into it would, but for what it would have to measure:
    each of them is published or may be, and a consent may have been withdrawn.

    contents: files by the media_id that they hold. looked_at: as `resolve`.
    """
    is_gone = partial(gone, origins=settings.limits.web_origins)
    for line in lines_beside(workspace) if contents else ():
        before = catalog.rows_about(line, (raw.uri for files in contents.values() for raw in files), contents)
        stored = {row["media_id"]: row for row in before.values() if row["media_id"] in contents}
        if not stored:
            continue
        extractor = line.line or next(iter(stored.values()))["extractor"]
        known = {media: contents[media] for media in stored}
        resolution = resolve(known, before, extractor, looked_at=looked_at, is_gone=is_gone)
        store_resolution(line, resolution, before, extractor)
        _drop_lost(line, before, [*resolution.disputed, *resolution.copies], resolution.standing)


def _drop_lost(
    line: Workspace,
    before: catalog.Catalog,
    unread: Iterable[tuple[RawFile, str, str]],
    standing: Iterable[tuple[RawFile, catalog.Row]],
) -> None:
    """Remove rows of contents whose last measured file is refused now, or holds another content."""
    rows = (before.get(raw.uri) for raw in (*(each[0] for each in unread), *(each[0] for each in standing)))
    measured = {row["media_id"] for row in rows if row and row["state"] == FileState.MEASURED}
    if not measured:
        return
    after = catalog.rows_about(line, (), measured).values()
    if lost := measured - {row["media_id"] for row in after if row["state"] == FileState.MEASURED}:
        drop_media(line, lost)


def relabel(
    workspace: Workspace,
    files: Iterable[RawFile],
    settings: Settings,
    listed: ListedAmong = nobody,
    extractor: str | None = None,
) -> list[catalog.Row]:
    """Store the new labels of files that are done, in every line: their speaker, corpus, rights and language.
    Returns the rows that give nothing from now on.

    listed: says which files the same listing names besides, with labels that the catalog knows. extractor: of the
    files' rows, if it is not that of the settings.
    """
    extractor = extractor or settings.extractor
    named = {raw.uri: raw for raw in files}
    if not named:
        return []
    rows = catalog.rows_about(workspace, named, ())
    now = {uri: catalog.relabelled_row(raw, rows[uri]) for uri, raw in named.items() if uri in rows}
    contents: dict[str, list[RawFile]] = {}
    for row in now.values():
        if row["media_id"] and row["state"] != FileState.QUARANTINED:
            contents.setdefault(row["media_id"], []).append(catalog.raw_of(row))
    relabel_lines(workspace, contents, settings)
    before = rows | catalog.rows_about(workspace, (), contents)
    is_gone = partial(gone, origins=settings.limits.web_origins)
    resolution = resolve(contents, before | now, extractor, listed, is_gone=is_gone)
    return store_resolution(workspace, resolution, before, extractor, now)
