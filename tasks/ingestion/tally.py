"""Counts of an ingest while it runs."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import pyarrow.compute as pc

from heterodub.schemas.records import RawFile
from heterodub.tasks.ingestion.catalog import Row
from heterodub.tasks.ingestion.worker import FileResult

_ROUTES = ("both", "stage1", "stage2", "rejected")


@dataclass(slots=True)
class Tally:
    """Counts of a run so far, and the work ahead. reasons: "file: no_face", "stage1: noisy", ...; taken_down: files
    that were left out, since a takedown bars their content.
    """

    files: int = 0
    files_done: int = 0
    bytes: int = 0
    bytes_done: int = 0
    media_s: float = 0.0
    taken_down: int = 0
    states: Counter[str] = field(default_factory=Counter)
    routes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def replace(self, decided: Collection[RawFile], originals: Collection[RawFile]) -> None:
        """Count files that were decided on no longer as work ahead, but for those that stand for a content."""
        self.files -= len(decided) - len(originals)
        self.bytes -= sum(raw.size_bytes for raw in decided) - sum(raw.size_bytes for raw in originals)

    @property
    def share(self) -> float:
        """Share of the work that is done, 0 to 1; by bytes, since large files come first."""
        return self.bytes_done / max(1, self.bytes)

    @property
    def routes_text(self) -> str:
        """Clips of each route, in words."""
        return "  ".join(f"{route} {self.routes[route]}" for route in _ROUTES)


def count_states(tally: Tally, rows: Iterable[Row]) -> Tally:
    """Count how files ended; return the tally."""
    for row in rows:
        tally.states[row["state"]] += 1
        if row["reason"] is not None:
            tally.reasons[f"file: {row['reason']}"] += 1
    return tally


def count_file(tally: Tally, raw: RawFile, done: FileResult) -> None:
    """Count a file that was analysed, with the routes of its clips."""
    tally.files_done += 1
    tally.bytes_done += raw.size_bytes
    if done.analysis is None:
        return
    tally.media_s += done.analysis.media_s
    for stage in ("stage1", "stage2"):
        refusals = pc.list_flatten(done.analysis.clips[f"{stage}_reasons"]).to_pylist()
        tally.reasons.update(f"{stage}: {reason}" for reason in refusals)
    first, second = (done.analysis.clips[stage].to_pylist() for stage in ("stage1", "stage2"))
    for stage1, stage2 in zip(first, second, strict=True):
        tally.routes["both" if stage1 and stage2 else "stage1" if stage1 else "stage2" if stage2 else "rejected"] += 1
