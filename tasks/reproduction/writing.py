"""Tables on disk: Markdown, CSV, and a figure of the intervals."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.metrics.bootstrap import Interval
from schemas.display import csv_line
from schemas.errors import WorkspaceError
from tasks.reproduction.table import ClaimResult, ScoreColumn, Table, TableRow
from tasks.stores.outputs import TABLE_ENDS, TABLE_HEADER, require_own_table
from tasks.visualization.charts import Panel, interval_panels


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
        raise WorkspaceError(f"the table cannot be written to {folder}: {error}") from error
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


def interval_text(interval: Interval, digits: int, scale: float = 1.0) -> str:
    """Format a figure and its interval, times `scale`."""
    if interval.mean is None:
        return "not measured"
    middle = f"{scale * interval.mean:.{digits}f}"
    if interval.low is None or interval.high is None:
        return middle
    return f"{middle} ({scale * interval.low:.{digits}f} to {scale * interval.high:.{digits}f})"


def _published_alone(table: Table) -> list[str]:
    """Return the names of rows that only the paper has."""
    own = {row.name for row in table.rows}
    return list(dict.fromkeys(name for rows in table.published.values() for name in rows if name not in own))


def _heading(column: ScoreColumn) -> str:
    arrow = {"less": " ↓", "more": " ↑", "near one": " → 1"}[column.better]
    return f"{column.heading}{arrow}" + (f"<br>*paper: {column.published}*" if column.published else "")


def _cell(table: Table, row: TableRow | None, name: str, column: ScoreColumn) -> str:
    measured = row.scores.get(column.score) if row is not None else None
    parts = ["-" if measured is None else interval_text(measured.interval, column.digits, column.scale)]
    for source, rows in table.published.items():
        value = rows.get(name, {}).get(column.published or "")
        if value is not None:
            parts.append(f"*{source}: {value * column.scale:g}*")
    return "<br>".join(parts)


def _found(table: Table, finding: ClaimResult) -> str:
    column = {column.score: column for column in table.columns}[finding.claim.score]
    gain = "-" if finding.gain is None else interval_text(finding.gain, column.digits, column.scale)
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
