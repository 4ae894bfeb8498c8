"""Difference of the footage behind two models: clips that came and went, by corpus and reason."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from schemas.errors import NotFoundError
from schemas.reasons import Stage
from tasks.releases import releases
from tasks.releases.releases import Release
from tasks.stores import tables
from tasks.stores.workspace import Workspace

_COLUMNS: Final = ["clip_id", "corpus", "split"]
_TRAINING: Final = ("train", "val")


@dataclass(frozen=True, slots=True)
class DataDifference:
    """Rows (corpus, reason, clips), most first. note: set, and the rest empty, where the releases cannot be read."""

    before: str
    after: str
    added: tuple[tuple[str, str, int], ...] = ()
    removed: tuple[tuple[str, str, int], ...] = ()
    kept: int = 0
    note: str = ""


def data_difference(ws: Workspace, before: str, after: str, stage: Stage) -> DataDifference:
    """Compare the clips for training and validation of two releases of a stage."""
    try:
        old, new = (releases.find(ws, name) for name in (before, after))
        had, has = (_training(ws, release, stage) for release in (old, new))
    except NotFoundError as error:
        return DataDifference(before, after, note=str(error))
    reasons = _reasons(ws, new, stage)
    reasons_before = _reasons(ws, old, stage)
    return DataDifference(
        before,
        after,
        _counted((has[clip], _why_added(clip, reasons_before)) for clip in has.keys() - had.keys()),
        _counted((had[clip], _why_removed(clip, reasons)) for clip in had.keys() - has.keys()),
        len(had.keys() & has.keys()),
    )


def _training(ws: Workspace, release: Release, stage: Stage) -> dict[str, str]:
    rows = releases.release_clips(ws, release, stage, None, _COLUMNS).to_pylist()
    return {row["clip_id"]: row["corpus"] for row in rows if row["split"] in _TRAINING}


def _reasons(ws: Workspace, release: Release, stage: Stage) -> dict[str, str]:
    """Return why the stage refused each clip of a release; empty for admitted ones."""
    name = f"{stage.value}_reasons"
    rows = tables.read(ws, "clips", ["clip_id", name], release.clips_version).to_pylist()
    return {row["clip_id"]: ", ".join(row[name]) for row in rows}


def _why_added(clip: str, reasons_before: dict[str, str]) -> str:
    if clip not in reasons_before:
        return "new footage"
    return f"was refused: {reasons_before[clip]}" if reasons_before[clip] else "was in another split"


def _why_removed(clip: str, reasons: dict[str, str]) -> str:
    if clip not in reasons:
        return "not in the workspace any more"
    return f"now refused: {reasons[clip]}" if reasons[clip] else "now in another split"


def _counted(rows: Any) -> tuple[tuple[str, str, int], ...]:
    return tuple((corpus, reason, count) for (corpus, reason), count in Counter(rows).most_common())
