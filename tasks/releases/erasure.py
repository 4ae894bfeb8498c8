"""Erasure around releases: files that no release names any more, and footage that must leave every release."""

import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.display import counted
from heterodub.schemas.tables import TABLES
from heterodub.tasks.stores import delta, tables, vacuum
from heterodub.tasks.stores.batches import drop_media
from heterodub.tasks.stores.delta import DataFile
from heterodub.tasks.stores.folders import StoredFile, files_in_folder
from heterodub.tasks.stores.removal import remove
from heterodub.tasks.stores.standby import standing_by
from heterodub.tasks.stores.workspace import LINE_TABLES, Workspace

from .release_files import all_listed, drop_lists, lists_naming, replace_files
from .releases import PINNED, every

_LOG = logging.getLogger(__name__)

_COLUMNS: Final = {
    "catalog": ["uri", "media_id"],
    "clips": ["media_id", "speaker", "split_group"],
    "person_corrections": ["media_id", "person"],
}


def erase_unnamed(ws: Workspace, retention_days: int) -> None:
    """Delete files that no release and no newest version has named for so many days, and log entries as old; in lines
    that stand by, too.

    Raises: WorkspaceError - a table cannot be read, or a file cannot be deleted.
    """
    named = {name for release in every(ws) for name in release.file_lists}
    oldest = datetime.now(UTC) - timedelta(retention_days)
    drop_lists(ws, named, oldest.isoformat(timespec="seconds"))
    for table in PINNED:
        vacuum.erase(ws, table, all_listed(ws, table).keys(), retention_days)
    for table in ("release_files", "audited_files", "near_pairs", "embeddings"):
        vacuum.erase(ws, table, (), retention_days)
    lines = standing_by(ws)
    for line in lines:
        for table in LINE_TABLES:
            vacuum.erase(line, table, (), retention_days)
    for each, table in [
        *((ws, table) for table in TABLES),
        *((line, table) for line in lines for table in LINE_TABLES),
    ]:
        if delta.exists(each, table):
            delta.shorten_log(each, table, retention_days)


def erase_barred(ws: Workspace, media: Collection[str]) -> None:
    """Delete rows of contents that were taken down while they were being stored, and the files that held them; in the
    tables in use, or in those of a line. A second call changes nothing.

    Raises: WorkspaceError - a table cannot be written, or a file cannot be deleted.
    """
    drop_media(ws, media)
    tables.delete_rows(ws, "catalog", "media_id", media)
    for side in ("media_id", "other_media_id"):
        tables.delete_rows(ws, "near_pairs", side, media)
    for table in LINE_TABLES:
        vacuum.erase(ws, table, () if ws.line else all_listed(ws, table).keys())


def older_files(ws: Workspace, table: str) -> list[DataFile]:
    """Return the files of a table that a release names and the newest version does not.

    Raises: WorkspaceError - the table of files cannot be read.
    """
    newest = {file.name for file in tables.files_of(ws, table)}
    return [file for name, file in _listed_and_there(ws, table).items() if name not in newest]


def _listed_and_there(ws: Workspace, table: str) -> dict[str, DataFile]:
    """Return the files that any list names, by name, without those that are lost or cut short: whose releases cannot be
    read as it is.
    """
    listed, there = all_listed(ws, table), files_in_folder(ws, table)
    whole = {name: file for name, file in listed.items() if name in there and not _is_cut(file, there[name])}
    if lost := sorted(listed.keys() - whole.keys()):
        _LOG.warning("lost of %s, %s that releases name: %s", table, counted(len(lost), "file"), ", ".join(lost[:3]))
    return whole


def _is_cut(file: DataFile, stored: StoredFile) -> bool:
    return stored.size_bytes != file.size_bytes


def releases_with(ws: Workspace, media: Collection[str]) -> list[str]:
    """Return the ids of the releases whose clips hold one of the contents, oldest first.

    Raises: WorkspaceError - a file of a release is damaged.
    """
    ordered, values = sorted(media), pa.array(sorted(media), pa.string())
    there = _listed_and_there(ws, "clips")
    holding = [
        name
        for name, file in there.items()
        if file.may_hold("media_id", ordered)
        and pc.any(pc.is_in(tables.read(ws, "clips", ["media_id"], (file,))["media_id"], value_set=values)).as_py()
    ]
    holding += _lost_of(ws, "clips", media, there)
    lists = lists_naming(ws, "clips", holding)
    return list(dict.fromkeys(one.release_id for one in every(ws) if not lists.isdisjoint(one.file_lists)))


def mark_releases(ws: Workspace, release_ids: Collection[str], takedown: str) -> None:
    """Note on releases that a takedown takes clips out of them. A second call changes nothing.

    Raises: WorkspaceError - the table cannot be written.
    """
    marks = {one.release_id: sorted({*one.takedowns, takedown}) for one in every(ws) if one.release_id in release_ids}
    if marks:
        takedowns = pa.array([*marks.values()], pa.list_(pa.string()))
        changes = pa.table({"release_id": [*marks], "takedowns": takedowns})
        tables.update_columns(ws, "releases", changes, key="release_id")


def take_out(
    ws: Workspace, table: str, media: Collection[str], uris: Collection[str] = (), people: Collection[str] = ()
) -> None:
    """Let releases name, in place of each file with rows of these media, a copy without them.

    uris: of files that could not be read, so that the catalog knows no media of them. people: whose corrections go.
    Groups named after a speaker whose last clip goes are named after another one. The old files stay on the disk until
    they are erased. A second call changes nothing.

    Raises: NotFoundError - another takedown erased a file meanwhile. WorkspaceError - one is damaged, or cannot be
    written.
    """
    _remove_cut(ws, table, media, uris)
    while changes := _changes(
        ws, table, media, uris, people
    ):  # until nothing is left, also of what others wrote meanwhile
        replace_files(ws, table, changes)
        named = all_listed(ws, table).keys() | set(tables.file_names(ws, table))
        unused = {copy.name for copy in changes.values() if copy} - named  # another takedown was faster
        for name in unused:
            with suppress(FileNotFoundError):  # which deletes files of its footage, too
                remove(ws, table, name)


def _remove_cut(ws: Workspace, table: str, media: Collection[str], uris: Collection[str]) -> None:
    """Delete files of older releases that are cut short and may hold such rows: nobody can take them out of these."""
    newest, there, ordered = set(tables.file_names(ws, table)), files_in_folder(ws, table), sorted(media)
    for name, file in all_listed(ws, table).items():
        is_cut = name in there and name not in newest and _is_cut(file, there[name])
        if is_cut and (uris or file.may_hold("media_id", ordered)):
            with suppress(FileNotFoundError):  # another takedown was faster
                remove(ws, table, name)


def _changes(
    ws: Workspace, table: str, media: Collection[str], uris: Collection[str], people: Collection[str]
) -> Mapping[str, DataFile | None]:
    """Write copies of listed files without such rows; return them by the old file's name, None where no row is left.

    Lost files stay listed, so that their releases are not read as if they were whole; but not those of such rows alone.
    """
    there = _listed_and_there(ws, table)
    files, ordered = there.values(), sorted(media)
    names = _new_group_names(ws, files, media) if table == "clips" else {}
    changes: dict[str, DataFile | None] = dict.fromkeys(_lost_of(ws, table, media, there))
    for file in files:
        if not (uris or names or people or file.may_hold("media_id", ordered)):
            continue
        rows = tables.read(ws, table, _COLUMNS.get(table, ["media_id"]), (file,))
        clean = partial(_cleaned, media=media, uris=uris, names=names, people=people)
        if not clean(rows).equals(rows):
            changes[file.name] = tables.rewrite(ws, table, file, clean)
    return changes


def _lost_of(ws: Workspace, table: str, media: Collection[str], there: Collection[str]) -> list[str]:
    """Return the names of listed files that are lost and held rows of one of these media and no other."""
    lost = [file for name, file in all_listed(ws, table).items() if name not in there]
    bounds = {file.name: file.bounds.get("media_id", (None, None)) for file in lost}
    return [name for name, (low, high) in bounds.items() if low == high and low in media]


def _cleaned(
    rows: pa.Table, media: Collection[str], uris: Collection[str], names: dict[str, str], people: Collection[str]
) -> pa.Table:
    rows = tables.without(rows, "media_id", set(media))
    if people:
        rows = tables.without(rows, "person", set(people))
    if uris:
        unread = pc.and_(pc.is_null(rows["media_id"]), pc.is_in(rows["uri"], value_set=pa.array(sorted(uris))))
        rows = rows.filter(pc.invert(unread))
    if names:
        place = rows.schema.get_field_index("split_group")
        groups: list[Any] = [names.get(group, group) for group in rows["split_group"].to_pylist()]
        rows = rows.set_column(place, rows.schema.field(place), pa.array(groups, pa.string()))
    return rows


def _new_group_names(ws: Workspace, files: Collection[DataFile], media: Collection[str]) -> dict[str, str]:
    """Return a new name for each group that is named after a speaker of whom no clip will be left."""
    if not files:
        return {}
    rows = tables.read(ws, "clips", _COLUMNS["clips"], sorted(files, key=lambda file: file.name))
    left = tables.without(rows, "media_id", set(media))
    gone = set(rows["speaker"].to_pylist()) - set(left["speaker"].to_pylist())
    names: dict[str, str] = {}
    for group, speaker in zip(left["split_group"].to_pylist(), left["speaker"].to_pylist(), strict=True):
        if group in gone:
            names[group] = min(names.get(group, speaker), speaker)
    return names
