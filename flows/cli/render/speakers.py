"""Rendering of people and corrections on a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from heterodub.flows.cli.render.tables import TableColumn, cell, show
from heterodub.schemas.display import SHORT_ID, base_name, counted
from heterodub.tasks.monitoring.streams import say

Rows = Sequence[Mapping[str, Any]]


def show_people(rows: Rows) -> None:
    """Print rows of heterodub.tasks.identity.listing.list_people."""
    columns = [TableColumn("person"), TableColumn("name", 12, folds=True), TableColumn("stated", 20, folds=True)]
    columns += [TableColumn(name, right=True) for name in ("clips", "files", "minutes", "doubtful")]
    columns += [TableColumn("corpora", 12, folds=True), TableColumn("splits")]
    cells = [
        [
            row["person"],
            row["name"] or "",
            ", ".join(row["stated"]),
            row["clips"],
            row["files"],
            f"{row['minutes']:.1f}",
            cell(row["doubtful"], "yellow") if row["doubtful"] else "",
            ", ".join(row["corpora"]),
            cell(", ".join(row["splits"]), "red" if row["straddles"] else ""),
        ]
        for row in rows
    ]
    show(columns, cells)
    if not rows:
        say("nobody yet: people are found when a release is published", error=True)


def show_doubts(rows: Rows) -> None:
    """Print rows of heterodub.tasks.identity.listing.list_doubts."""
    columns = [TableColumn("clip"), TableColumn("person"), TableColumn("name", 12, folds=True), TableColumn("cause")]
    columns += [TableColumn("doubt", 20, folds=True), TableColumn("file", 16, middle=True)]
    columns += [TableColumn("at s", right=True)]
    cells = [
        [
            cell(row["clip"][:SHORT_ID], "dim"),
            row["person"] or "",
            row["name"] or "",
            row["cause"] or "",
            row["doubt"].replace(",", ", "),
            base_name(row["uri"]),
            f"{row['start_s']:.1f}",
        ]
        for row in rows
    ]
    show(columns, cells)
    if not rows:
        say("no doubts", error=True)


def show_corrections(rows: Rows) -> None:
    """Print rows of the table of corrections, a split once."""
    columns = [TableColumn("number", right=True), TableColumn("kind"), TableColumn("person"), TableColumn("to")]
    columns += [
        TableColumn("clips", right=True),
        TableColumn("by", 8, folds=True),
        TableColumn("reason", 16, folds=True),
    ]
    first = {row["sequence"]: row for row in reversed(rows)}
    clips = {number: sum(row["sequence"] == number and row["clip_id"] is not None for row in rows) for number in first}
    cells = [
        [number, row["kind"], row["person"], row["value"] or "", clips[number] or "", row["by"], row["reason"]]
        for number, row in sorted(first.items())
    ]
    show(columns, cells)
    if not rows:
        say("no corrections", error=True)


def show_corrected(result: Mapping[str, Any]) -> None:
    """Print a stored correction."""
    say(
        f"correction {result['correction']} is stored: {result['person']}, {counted(result['changed'], 'clip')} changed"
    )
    if result["straddles"]:
        say(
            f"warning: {result['person']} is in several splits, which stay: scores leave out its clips of a benchmark",
            error=True,
        )
