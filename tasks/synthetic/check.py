"""Comparison of an ingest of the sample with the expected outcome of each file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.reasons import FileState
from tasks.stores import tables
from tasks.stores.workspace import Workspace

from .truth import ExpectedOutcome, read_table


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
    one, two = (any(clip[stage] for clip in clips) for stage in ("stage1", "stage2"))
    named = sorted(set(truth.reasons) & reasons)
    return _text(FileState(row["state"]), one, two, named) + (
        "" if (one, two) == (truth.stage1, truth.stage2) else f" {sorted(filter(None, reasons))}"
    )


def _text(state: FileState, one: bool, two: bool, reasons: list[str]) -> str:
    route = "both" if one and two else "stage1" if one else "stage2" if two else "no stage"
    return f"{state}, {route}" + (f" ({', '.join(reasons)})" if reasons else "")
