"""Reproduced tables of the paper: rows, scores, tests of its claims; and as Markdown, CSV and a figure of intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from heterodub.model.evaluation.clip_scores import SpeakerScores, difference
from heterodub.model.evaluation.intervals import Interval
from heterodub.schemas.display import csv_line, message_of
from heterodub.schemas.errors import WorkspaceError
from heterodub.tasks.stores.outputs import TABLE_ENDS, TABLE_HEADER, require_own_table
from heterodub.tasks.visualization.charts import Panel, interval_panels

Verdict = Literal["holds", "does not hold", "no difference", "inconclusive", "not measured"]


@dataclass(frozen=True, slots=True)
class ScoreColumn:
    """A score. better: its direction. published: the paper's name of the nearest score. scale: factor for display.
    least: a smaller gain counts as no difference, however certain: with one training per row, the difference between
    two trainings by chance is unknown, and few speakers can make invisible differences significant.
    """

    score: str
    heading: str
    better: Literal["less", "more", "near one"]
    published: str | None = None
    scale: float = 1.0
    digits: int = 3
    least: float = 0.0

    def text(self, interval: Interval) -> str:
        """Return a figure of this score and its interval, as shown."""
        return interval.format(f".{self.digits}f", self.scale)


@dataclass(frozen=True, slots=True)
class TableRow:
    """A system, or a cell of an ablation. missing: the reason why `scores` is empty."""

    name: str
    scores: Mapping[str, SpeakerScores]
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Claim of the paper: by this score the row `better` is better than the row `worse`."""

    text: str
    better: str
    worse: str
    score: str


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """Result of testing a claim. gain: difference in the claimed direction, above 0 if as claimed; 95 %."""

    claim: Claim
    verdict: Verdict
    gain: Interval | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table. published: the paper's scores by data set and row. notes: on the measurement, a sentence or two each."""

    name: str
    title: str
    columns: tuple[ScoreColumn, ...]
    rows: tuple[TableRow, ...]
    published: Mapping[str, Mapping[str, Mapping[str, float]]]
    claims: tuple[Claim, ...]
    notes: tuple[str, ...]

    def row(self, name: str) -> TableRow:
        """Return the row of that name.

        Raises: KeyError - there is none.
        """
        return {row.name: row for row in self.rows}[name]

    def findings(self) -> list[ClaimResult]:
        """Test every claim. An interval that contains 0 is inconclusive, unless all of it counts as no difference."""
        return [self._finding(claim) for claim in self.claims]

    def _finding(self, claim: Claim) -> ClaimResult:
        better, worse = (self.row(name).scores.get(claim.score) for name in (claim.better, claim.worse))
        if better is None or worse is None:
            return ClaimResult(claim, "not measured", None)
        column = {column.score: column for column in self.columns}[claim.score]
        pair = (worse, better) if column.better == "less" else (better, worse)
        gain = difference(*pair)
        return ClaimResult(claim, _verdict(gain, column.least), gain)


def _verdict(gain: Interval, least: float) -> Verdict:
    if gain.mean is None or gain.low is None or gain.high is None:
        return "inconclusive"
    if gain.low > 0 and gain.mean >= least:
        return "holds"
    if gain.high < 0 and gain.mean <= -least:
        return "does not hold"
    return "no difference" if max(abs(gain.low), abs(gain.high)) < least else "inconclusive"


WHY_OTHER_NUMBERS: Final = (
    "Absolute numbers are not to be compared with the paper's: other footage, fewer speakers, a small network trained "
    "for minutes, crops of another size, no fine-tuning, other landmarks, and feature networks that stand in for "
    "Inception (FID) and LPIPS. What can be compared is which row is better, and by how much against its interval."
)
"""The line that every table carries."""


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write NAME.md, NAME.csv and NAME.png into a folder, which is made; an earlier table of that name is replaced.

    Raises: WorkspaceError - the folder cannot be written, or holds other files of those names.
    """
    contents = dict(zip(TABLE_ENDS, (markdown(table).encode(), as_csv(table).encode(), _drawn(table)), strict=True))
    paths = [folder / f"{table.name}{suffix}" for suffix in contents]
    try:
        require_own_table(folder, table.name)
        folder.mkdir(parents=True, exist_ok=True)
        for path, data in zip(paths, contents.values(), strict=True):
            path.write_bytes(data)
    except OSError as error:
        raise WorkspaceError(f"the table cannot be written to {folder}: {message_of(error)}") from error
    return paths


def markdown(table: Table) -> str:
    """Return the table as Markdown: the paper's figures below ours in each cell, results of its claims, and notes."""
    names = [row.name for row in table.rows] + _published_alone(table)
    lines = [f"## {table.title}", "", "| | " + " | ".join(_heading(column) for column in table.columns) + " |"]
    lines.append("|---" * (len(table.columns) + 1) + "|")
    rows = {row.name: row for row in table.rows}
    for name in names:
        cells = [_cell(table, rows.get(name), name, column) for column in table.columns]
        lines.append(f"| {name.replace('|', chr(92) + '|')} | " + " | ".join(cells) + " |")
    for row in table.rows:
        if row.missing:
            lines += ["", f"{row.name}: {row.missing}."]
    if table.claims:
        lines += ["", "| claim | by | gain | verdict |", "|---|---|---|---|"]
        lines += [_found(table, finding) for finding in table.findings()]
    lines += ["", *(f"* {note}" for note in table.notes), "", f"![intervals]({table.name}.png)", ""]
    return "\n".join(lines)


def as_csv(table: Table) -> str:
    """A row for each row and score, ours or the paper's: source, row, score, mean, low, high, speakers."""
    lines: list[Sequence[Any]] = [TABLE_HEADER]
    for row in table.rows:
        for column in table.columns:
            measured = row.scores.get(column.score)
            if measured is not None:
                interval = measured.interval
                ends = interval.mean, interval.low, interval.high
                figures = [None if value is None else float(f"{value:.6g}") for value in ends]
                lines.append(("measured", row.name, column.score, *figures, interval.groups))
    for source, rows in table.published.items():
        for name, scores in rows.items():
            for score, value in scores.items():
                lines.append((f"paper, {source}", name, score, value, None, None, None))
    return "".join(map(csv_line, lines))


def _published_alone(table: Table) -> list[str]:
    """Return the names of rows that only the paper has."""
    own_names = {row.name for row in table.rows}
    return list(dict.fromkeys(name for rows in table.published.values() for name in rows if name not in own_names))


def _heading(column: ScoreColumn) -> str:
    arrow = {"less": " ↓", "more": " ↑", "near one": " → 1"}[column.better]
    return f"{column.heading}{arrow}" + (f"<br>*paper: {column.published}*" if column.published else "")


def _cell(table: Table, row: TableRow | None, name: str, column: ScoreColumn) -> str:
    measured = row.scores.get(column.score) if row is not None else None
    parts = ["-" if measured is None else column.text(measured.interval)]
    for source, rows in table.published.items():
        value = rows.get(name, {}).get(column.published or "")
        if value is not None:
            parts.append(f"*{source}: {value * column.scale:g}*")
    return "<br>".join(parts)


def _found(table: Table, finding: ClaimResult) -> str:
    column = {column.score: column for column in table.columns}[finding.claim.score]
    gain = "-" if finding.gain is None else column.text(finding.gain)
    return f"| {finding.claim.text} | {column.heading} | {gain} | {finding.verdict} |"


def _drawn(table: Table) -> bytes:
    panels = []
    for column in table.columns:
        measured = {row.name: row.scores[column.score].interval for row in table.rows if column.score in row.scores}
        paper = {
            source: {name: scores[column.published] for name, scores in rows.items() if column.published in scores}
            for source, rows in table.published.items()
            if column.published
        }
        panels.append(Panel(column.heading, column.better, column.scale, measured, paper, column.published))
    return interval_panels([row.name for row in table.rows], panels, table.title)
