"""Lines: what one extractor made of all footage. One is in use; another may be filled beside it until it is whole.

The newest release says which line is in use. An ingest by another extractor (another version, backend or `[clips]`
settings) fills tables of its own (tasks/stores/standby.py), so releases of the line in use go on. As soon as each file
that is measured in the line in use is done in the new one, publishing switches to it.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.config.settings import ClipSettings, Settings
from heterodub.schemas.contract import FEATURES_VERSION, FPS
from heterodub.schemas.display import counted
from heterodub.schemas.errors import AuditFailedError, WorkspaceError
from heterodub.schemas.reasons import FileState
from heterodub.tasks.identity.units import with_units
from heterodub.tasks.ingestion.catalog import RETRIED
from heterodub.tasks.stores import standby, tables
from heterodub.tasks.stores.workspace import STANDBY, Workspace

from . import releases
from .erasure import erase_barred
from .late_rows import store_late_rows
from .splits import SPLITS

ANY_CLIPS: Final = ClipSettings(min_s=1 / FPS, max_s=60)
"""Limits for clips that were cut by settings which are not known any more: any clip is allowed."""

_EXAMPLES: Final = 3
_DIVIDED: Final = ["speaker", "split", "split_group"]


@dataclass(frozen=True, slots=True)
class LineProgress:
    """State of a line that is not in use yet. corpora: files of each corpus that are done in it, and that are measured
    in the line in use; missing: uris of some that are not; fresh: files that it alone has; clips: how many it has;
    policies: hashes of those that routed them.
    """

    line: str
    in_use: str
    corpora: Mapping[str, tuple[int, int]]
    missing: tuple[str, ...]
    fresh: int
    clips: int
    policies: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """True if all files are done, and some gave clips."""
        return bool(self.clips) and all(done == files for done, files in self.corpora.values())

    def words(self, is_of_settings: bool = True) -> str:
        """Say how far the line is and what it lacks. is_of_settings: an ingest by the settings in force fills it."""
        corpora = ", ".join(f"corpus {name} {done} of {files} files" for name, (done, files) in self.corpora.items())
        text = f"new line {self.line}: {corpora or 'no files to be measured again'}"
        if self.fresh:
            text += f", {counted(self.fresh, 'new file')} in it alone"
        if not is_of_settings:
            return f"{text}; it is of another version or other settings: remove {STANDBY}/{self.line} to give it up"
        if self.missing:
            text += (
                f"; missing are such as {', '.join(self.missing)}: ingest their corpora. Until then {self.in_use} is "
                "published; `ingest SOURCE --switch` goes on without what is missing"
            )
        elif not self.clips:
            text += f"; it has no clips, so {self.in_use} is published"
        if features_of(self.in_use) != FEATURES_VERSION:
            text += f". This heterodub cannot train on {self.in_use}, whose features are others"
        return text


def features_of(line: str) -> str:
    """Return the version of the features of a line."""
    return line.partition("-")[0].partition(".")[0]


def line_in_use(ws: Workspace) -> str | None:
    """Return the line of the newest release; None before the first, when nothing has to be kept.

    Raises: WorkspaceError - the table of releases cannot be read.
    """
    last = releases.latest(ws)
    return last.extractor if last else None


def clips_in_use(ws: Workspace, settings: Settings) -> ClipSettings:
    """Return what is allowed of the clips in use: the settings' limits, if these cut them.

    Raises: WorkspaceError - the table of releases cannot be read.
    """
    return settings.clips if line_in_use(ws) in (None, settings.extractor) else ANY_CLIPS


def line_of(ws: Workspace, settings: Settings) -> Workspace:
    """Return the workspace with the tables that an ingest by these settings works on.

    What came late to the line in use, while it was switched to, is stored first.

    Raises: WorkspaceError - a table cannot be read or written.
    """
    return line_beside(ws, settings.extractor, line_in_use(ws))


def line_beside(ws: Workspace, extractor: str, in_use: str | None) -> Workspace:
    """Return what `line_of` does, where the line in use is known.

    Raises: WorkspaceError - a table cannot be read or written.
    """
    if in_use not in (None, extractor):
        return ws.of_line(extractor)
    store_late_rows(ws.of_line(extractor))
    return ws


def lines_to_route(ws: Workspace, settings: Settings) -> tuple[Workspace, ...]:
    """Return the workspace with the tables in use, and with those of the settings' line where it stands by.

    Raises: WorkspaceError - a table cannot be read or written.
    """
    line = line_of(ws, settings)
    return (ws, line) if line.line and standby.is_there(line) else (ws,)


def require_extractor(ws: Workspace, settings: Settings, files: int) -> None:
    """Refuse to decode files for the line in use by another extractor, whose clips are others.

    Raises: WorkspaceError - the text says what to do.
    """
    in_use = line_in_use(ws)
    if files and not ws.line and in_use not in (None, settings.extractor):
        raise WorkspaceError(
            f"{counted(files, 'file')} of line {in_use} would have to be decoded for newly admitted clips, which "
            f"extractor {settings.extractor} of these settings cannot do: ingest all corpora, so that its line takes "
            "the place, or use the version and settings of before"
        )


def require_one(line: Workspace, clips: pa.Table, catalog: int) -> None:
    """Refuse to publish clips of several extractors, as before a first release. catalog: version of that table.

    Raises: AuditFailedError - the text names the corpora of each. WorkspaceError, NotFoundError - as tables.read.
    """
    if len(pc.unique(clips["extractor"])) < 2:
        return
    columns, measured = ["extractor", "corpus"], pc.field("state") == FileState.MEASURED.value
    rows = tables.read(line, "catalog", columns, catalog, measured).to_pylist()
    counts = Counter(tuple(row.values()) for row in rows)
    named = "; ".join(
        f"{counted(count, 'file')} of corpus {corpus} by {extractor}"
        for (extractor, corpus), count in sorted(counts.items())
    )
    raise AuditFailedError(
        f"nothing was published, since a release holds rows of one extractor: {named}. Ingest the corpora that another "
        "one measured (`heterodub ingest SOURCE`) by the version and settings that are to stay"
    )


def progress_of(ws: Workspace, line: str) -> LineProgress | None:
    """Compare a line with the one in use; None if it is that one, or none is in use yet.

    Raises: WorkspaceError - a table cannot be read.
    """
    in_use = line_in_use(ws)
    if in_use in (None, line):
        return None
    other, measured = ws.of_line(line), pc.field("state") == FileState.MEASURED.value
    files = tables.read_any(ws, "catalog", ["uri", "media_id", "corpus"], measured)
    there = tables.read_any(other, "catalog", ["uri", "media_id", "state", "reason"])
    tried_again = pa.array([reason.value for reason in RETRIED], pa.string())
    done = there.filter(pc.invert(pc.is_in(there["reason"], tried_again)))
    again = done.filter(pc.equal(done["state"], FileState.MEASURED.value))  # perhaps under another name
    is_done = pc.or_(
        pc.is_in(files["uri"], done["uri"].combine_chunks()),
        pc.is_in(files["media_id"], again["media_id"].combine_chunks()),
    )
    missing = files["uri"].filter(pc.invert(is_done))
    counts, of_them = (Counter(some.to_pylist()) for some in (files["corpus"], files["corpus"].filter(is_done)))
    return LineProgress(
        line,
        str(in_use),
        {name: (of_them[name], count) for name, count in sorted(counts.items())},
        tuple(missing.slice(0, _EXAMPLES).to_pylist()),
        pc.sum(pc.invert(pc.is_in(there["uri"], _uris(ws)))).as_py() or 0,
        tables.size(other, "clips").rows,
        tuple(sorted(pc.unique(tables.read_any(other, "clips", ["policy"])["policy"]).to_pylist())),
    )


def _uris(ws: Workspace) -> pa.Array:
    return tables.read_any(ws, "catalog", ["uri"])["uri"].combine_chunks()


def switch_to(line: Workspace, versions: Mapping[str, int], files: standby.LineFiles) -> dict[str, int] | None:
    """Let a line take the place of the tables in use; return their versions. None if it holds footage that was taken
    down: that is in use at no time that a release could see. versions, files: of the line, audited.

    Raises: NotFoundError - a takedown has erased files of the line. WorkspaceError - a table cannot be written.
    """
    if releases.barred_media(line, versions):
        return None
    ws = line.of_line("")
    switched = standby.switch_tables(line, files)
    if barred := releases.barred_media(ws, switched):  # by a takedown that deleted its rows before they were switched
        erase_barred(ws, barred)
        return None
    return switched


def with_known_splits(ws: Workspace, clips: pa.Table) -> pa.Table:
    """Give clips without a split that of their speaker in the line in use, whose group and split are for ever; where it
    is not known there, as a person whom the older line did not find, that of the speaker's files. Of several splits the
    first of train, val, test: nothing that was trained on is evaluated on.

    clips: with units (tasks/identity/units.py) for speakers.

    Raises: WorkspaceError - the table cannot be read.
    """
    columns = [*_DIVIDED, "media_id", "person_found"]
    rows = with_units(tables.read(ws.of_line(""), "clips", columns, filter=pc.field("split").is_valid()))
    is_new = pc.is_null(clips["split"]).combine_chunks()
    known = _first_splits(rows)
    others = pc.and_(is_new, pc.invert(pc.is_in(clips["speaker"].combine_chunks(), pa.array(list(known), pa.string()))))
    places = clips.select(["media_id", "speaker"]).filter(others).group_by(["media_id", "speaker"]).aggregate([])
    known |= _first_splits(rows.drop_columns("speaker").join(places, "media_id", join_type="inner"))
    at = pc.index_in(clips["speaker"].combine_chunks(), pa.array(list(known), pa.string()))
    for place, name in enumerate(_DIVIDED[1:]):
        inherited = pa.array([one[place] for one in known.values()], pa.string()).take(at)
        column = pc.if_else(is_new, inherited, clips[name].combine_chunks())
        clips = clips.set_column(clips.schema.get_field_index(name), name, column)
    return clips


def _first_splits(rows: pa.Table) -> dict[str, tuple[str, str | None]]:
    """Return the first split of each speaker, with a group of it."""
    found = rows.group_by(_DIVIDED).aggregate([]).to_pylist()
    found.sort(key=lambda row: (SPLITS.index(row["split"]), row["split_group"] or ""), reverse=True)
    return {row["speaker"]: (row["split"], row["split_group"]) for row in found}
