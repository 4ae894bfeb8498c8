"""Ground truth of the sample: a table of files, and the mouth and phonemes of each video."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from schemas.reasons import FileState

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
