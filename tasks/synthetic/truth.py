"""Ground truth of the sample: a table of files, the mouth and phonemes of each video, and how an ingest agrees."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from heterodub.schemas.reasons import FileState
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

from .film import SyntheticVideo
from .kinds import SampleFile

COLUMNS: Final = ("file", "kind", "speaker", "stage1", "stage2", "state", "reason", "why")


@dataclass(frozen=True, slots=True)
class ExpectedOutcome:
    """Expected outcome of one file. `reasons` are codes; several where several apply."""

    file: str
    kind: str
    speaker: str | None
    stage1: bool
    stage2: bool
    state: FileState
    reasons: tuple[str, ...]
    why: str


def write_table(folder: Path, rows: Sequence[SampleFile]) -> None:
    """Write `folder`/truth.csv; several reasons are joined by a semicolon."""
    with (folder / "truth.csv").open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for row in rows:
            flags = ("true" if flag else "false" for flag in (row.stage1, row.stage2))
            reason = ";".join(row.reasons)
            writer.writerow([row.file, row.kind, row.speaker or "", *flags, row.state, reason, row.why])


def read_table(folder: Path) -> list[ExpectedOutcome]:
    """Read `folder`/truth.csv.

    Raises: OSError - it is not there; KeyError, ValueError - it is not such a table.
    """
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as lines:
        return [
            ExpectedOutcome(
                row["file"],
                row["kind"],
                row["speaker"] or None,
                row["stage1"] == "true",
                row["stage2"] == "true",
                FileState(row["state"]),
                tuple(filter(None, row["reason"].split(";"))),
                row["why"],
            )
            for row in csv.DictReader(lines)
        ]


def write_film_truth(folder: Path, file: str, film: SyntheticVideo) -> None:
    """Write `folder`/truth/<file>.npz: `opening` (T,) per frame at `fps`, 0 closed to 1, NaN without a face; and the
    phonemes, with their times in seconds.
    """
    np.savez(
        folder / "truth" / f"{file}.npz",
        fps=float(film.fps),
        opening=film.opening,
        ipa=np.array([phoneme.ipa for phoneme in film.phonemes]),
        start_s=np.array([phoneme.start_s for phoneme in film.phonemes]),
        end_s=np.array([phoneme.end_s for phoneme in film.phonemes]),
    )


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A file whose outcome differs from the expected one."""

    file: str
    kind: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """Number of files in the sample, and those with an unexpected outcome."""

    files: int
    disagreements: tuple[Disagreement, ...]


def compare(sample: Path, workspace: str) -> Agreement:
    """Compare state, route and reasons of every file of the sample in a workspace.

    Raises: OSError - there is no sample. WorkspaceError - there is no workspace.
    """
    ws = Workspace.open(workspace)
    files = {row["uri"]: row for row in tables.read(ws, "catalog").to_pylist()}
    columns = ["uri", "stage1", "stage2", "stage1_reasons", "stage2_reasons"]
    clips: dict[str, list[dict[str, Any]]] = {}
    for row in tables.read(ws, "clips", columns).to_pylist():
        clips.setdefault(row["uri"], []).append(row)
    truths = read_table(sample)
    disagreements = []
    for truth in truths:
        uri = str((sample / "media" / truth.file).absolute())
        expected, actual = _expected(truth), _found(truth, files.get(uri), clips.get(uri, []))
        if expected != actual:
            disagreements.append(Disagreement(truth.file, truth.kind, expected, actual))
    return Agreement(len(truths), tuple(disagreements))


def _expected(truth: ExpectedOutcome) -> str:
    return _text(truth.state, truth.stage1, truth.stage2, sorted(truth.reasons))


def _found(truth: ExpectedOutcome, row: Mapping[str, Any] | None, clips: list[dict[str, Any]]) -> str:
    """Return the file's actual outcome as text. Only expected reasons are named; further reasons against a synthetic
    clip are not errors.
    """
    if row is None:
        return "not in the catalog"
    reasons = {row["reason"]} | {r for clip in clips for r in (*clip["stage1_reasons"], *clip["stage2_reasons"])}
    stage1, stage2 = (any(clip[stage] for clip in clips) for stage in ("stage1", "stage2"))
    named = sorted(set(truth.reasons) & reasons)
    return _text(FileState(row["state"]), stage1, stage2, named) + (
        "" if (stage1, stage2) == (truth.stage1, truth.stage2) else f" {sorted(filter(None, reasons))}"
    )


def _text(state: FileState, stage1: bool, stage2: bool, reasons: list[str]) -> str:
    route = "both" if stage1 and stage2 else "stage1" if stage1 else "stage2" if stage2 else "no stage"
    return f"{state}, {route}" + (f" ({', '.join(reasons)})" if reasons else "")
