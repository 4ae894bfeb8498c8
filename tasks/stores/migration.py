"""Migration of a workspace to the table layout of this code, one version after the other.

A step may be done twice: it writes what is new, and the marker names the next layout only then. So a migration that was
killed is finished by the same command.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.display import counted, message_of
from heterodub.schemas.errors import WorkspaceError
from heterodub.schemas.policy import DEFAULT_POLICY
from heterodub.schemas.reasons import FileState, MissingCause
from heterodub.schemas.rights import checked
from heterodub.schemas.tables import LAYOUT_VERSION, TABLES

from . import delta, tables
from .active_policy import FILE as POLICY
from .active_policy import active_policy
from .standby import standing_by
from .workspace import LINE_TABLES, MARKER, Workspace, layout_of

Step = Callable[[Workspace, bool], Iterator[str]]
"""Change rows to the next layout, and yield what is changed, in words; with True, only yield it. All tables have all
columns of this code by then; where nothing is changed yet, they may lack some."""


def add_columns(ws: Workspace, dry_run: bool) -> Iterator[str]:
    """Let each table of every line have the columns that this code adds; they are null in the rows that are there.

    Raises: WorkspaceError - a new column of this code may not be null, or the table cannot be written.
    """
    of_lines = ((line, table) for line in standing_by(ws) for table in LINE_TABLES)
    for line, table in (*((ws, table) for table in TABLES), *of_lines):
        if delta.exists(line, table):
            columns, place = missing_columns(line, table), f" of line {line.line}" if line.line else ""
            yield from (f"table {table}{place}: a new column {column.name}, null in its rows" for column in columns)
            if columns and not dry_run:
                _add(line, table, columns)


def missing_columns(ws: Workspace, table: str) -> list[pa.Field]:
    """Return the columns that a table lacks.

    Raises: WorkspaceError - it cannot be read, or lacks a column that may not be null.
    """
    there = {column.name for column in delta.load(ws, table).schema().fields}
    missing = [column for column in TABLES[table] if column.name not in there]
    if needed := [column.name for column in missing if not column.nullable]:
        raise WorkspaceError(f"table {table} of {ws.root} lacks {', '.join(needed)}, which may not be null: damaged")
    return missing


def _add(ws: Workspace, table: str, columns: list[pa.Field]) -> None:
    opened = delta.load(ws, table)
    try:
        opened.alter.add_columns(list(type(opened.schema()).from_arrow(pa.schema(columns)).fields))
    except delta.ERRORS as error:
        raise WorkspaceError(f"table {table} of {ws.root} cannot be changed: {message_of(error)}") from error


_STATED: Final = ("licence", "consent")
"""Rights that layout 6 had, in the catalog alone, as any text."""


def to_layout_7(ws: Workspace, dry_run: bool) -> Iterator[str]:
    """Bring licences and consents to the forms that layout 7 knows, and let clips have the rights of their files.

    Raises: WorkspaceError - a table cannot be read or written.
    """
    is_stated = pc.field("licence").is_valid() | pc.field("consent").is_valid()
    rows = tables.read_any(ws, "catalog", ["uri", "media_id", "state", *_STATED], is_stated).to_pylist()
    yield from _check_catalog(ws, rows, dry_run)
    rights = {
        row["media_id"]: {name: checked(name, row[name]) for name in _STATED}
        for row in rows
        if row["state"] == FileState.MEASURED
    }
    clips = tables.read_any(
        ws, "clips", ["clip_id", "media_id"], pc.field("media_id").isin(pa.array(sorted(rights), pa.string()))
    ).to_pylist()
    if not clips:
        return
    yield f"table clips: licence and consent of their files on {counted(len(clips), 'clip')}"
    if not dry_run:
        columns = {name: pa.array([rights[clip["media_id"]][name] for clip in clips], pa.string()) for name in _STATED}
        tables.update_columns(ws, "clips", pa.table({"clip_id": [clip["clip_id"] for clip in clips], **columns}))


def _check_catalog(ws: Workspace, rows: list[dict[str, Any]], dry_run: bool) -> Iterator[str]:
    """Store stated rights in one form; text that has none stays."""
    forms = [{name: checked(name, row[name]) or row[name] for name in _STATED} for row in rows]
    changed = [(row["uri"], now) for row, now in zip(rows, forms, strict=True) if any(row[k] != now[k] for k in now)]
    if changed:
        yield f"table catalog: licence and consent of {counted(len(changed), 'file')} in the spelling of this layout"
    if changed and not dry_run:
        columns = {name: pa.array([now[name] for _, now in changed], pa.string()) for name in _STATED}
        tables.update_columns(ws, "catalog", pa.table({"uri": [uri for uri, _ in changed], **columns}), key="uri")
    if unknown := [row["consent"] for row in rows if row["consent"] and not checked("consent", row["consent"])]:
        yield (
            f"table catalog: the consent of {counted(len(unknown), 'file')} has no value that this layout knows, such "
            f"as {sorted(unknown)[0]!r}; it stays, their clips state none, and no model of them is promoted until they "
            "are labelled anew"
        )


def to_layout_8(ws: Workspace, dry_run: bool) -> Iterator[str]:
    """Take every other face in clips that are there for one that may speak, as layout 7 did, and add what is new.

    Raises: WorkspaceError - a table cannot be read or written, or the policy in force not read.
    """
    for line in (ws, *standing_by(ws)):
        if not delta.exists(line, "clips"):
            continue
        is_new = "undecided_share" in {column.name for column in missing_columns(line, "clips")}
        unknown = None if is_new else pc.field("undecided_share").is_null()
        clips = tables.read(line, "clips", ["clip_id", "faces_share", "missing"], filter=unknown)
        if clips.num_rows:
            yield (
                f"table clips: undecided_share is faces_share on {counted(clips.num_rows, 'clip')}, and "
                "speaking_margin is null with its cause"
            )
        if clips.num_rows and not dry_run:
            tables.update_columns(line, "clips", _without_margin(clips))
    if policy := active_policy(ws):
        yield (
            f"{POLICY}: {policy.name} {policy.version} stays in force, whose limits on sync and other faces are of the "
            f"earlier measure; `heterodub route --policy {DEFAULT_POLICY}` takes those of now"
        )
    news = {
        "embeddings": "clips that are stored have none until they are measured anew",
        "person_corrections": "the next publication finds the people of the clips",
    }
    for table, then in news.items():
        if not delta.exists(ws, table):
            yield f"table {table}: new and empty; {then}"
            if not dry_run:
                delta.snapshot(ws, table)  # makes it


def _without_margin(clips: pa.Table) -> pa.Table:
    """Return undecided_share of clips whose speaking_margin was never measured, and their causes with that of it."""
    causes = []
    for faces_share, missing in zip(clips["faces_share"].to_pylist(), clips["missing"].to_pylist(), strict=True):
        cause = MissingCause.ONLY_FACE if faces_share == 0 else MissingCause.OLDER_MEASURE
        causes.append([*missing, ("speaking_margin", str(cause))])
    columns = [clips["clip_id"], clips["faces_share"], pa.array(causes, TABLES["clips"].field("missing").type)]
    return pa.table(columns, ["clip_id", "undecided_share", "missing"])


STEPS: Final[dict[int, Step]] = {6: to_layout_7, 7: to_layout_8}
"""Steps by the layout that they begin with. Layout 7 added lines that stand by: code of layout 6 would not see them,
and a takedown by it would leave footage there. Layout 8 added embeddings: a takedown by code of layout 7 would leave
faces and voices there. It added who speaks among several faces, too."""


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration that was done or, if dry, would be. changes: what each step changes, in words."""

    workspace: str
    before: int
    after: int
    changes: tuple[str, ...]
    dry_run: bool


def migrate(root: str, dry_run: bool = False) -> Migration:
    """Change the workspace at `root` to the layout of this code; nothing is done where it has it.

    Raises: WorkspaceError - there is none, its layout is newer, or too old, or it cannot be written.
    """
    workspace, layout = layout_of(root)
    if layout > LAYOUT_VERSION:
        raise WorkspaceError(
            f"workspace {workspace.root} has layout {layout}, this heterodub knows up to {LAYOUT_VERSION}: a newer one "
            "made it, and only that one reads it"
        )
    if missing := [number for number in range(layout, LAYOUT_VERSION) if number not in STEPS]:
        raise WorkspaceError(
            f"workspace {workspace.root} has layout {layout}, and there is no step from layout {missing[0]}: ingest "
            "into a new folder"
        )
    changes = list(add_columns(workspace, dry_run)) if layout < LAYOUT_VERSION else []
    for number in range(layout, LAYOUT_VERSION):
        # a dry run lists columns of today's tables in each step; done, they are there after the first
        changes += [change for change in STEPS[number](workspace, dry_run) if change not in changes]
        changes.append(f"{MARKER}: layout {number + 1} in the place of {number}")
        if not dry_run:
            _mark(workspace, number + 1)
    return Migration(workspace.root, layout, LAYOUT_VERSION, tuple(changes), dry_run)


def _mark(workspace: Workspace, layout: int) -> None:
    text = json.dumps({"layout_version": layout}) + "\n"
    workspace.filesystem().pipe_file(workspace.path(MARKER), text.encode())
