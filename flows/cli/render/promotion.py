"""Rendering of promotions and of the history of champions on a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from heterodub.flows.cli.render.tables import TableColumn, cell, console, show
from heterodub.schemas.display import counted
from heterodub.tasks.monitoring.streams import say


def show_promotion(summary: Mapping[str, Any]) -> None:
    """Print the summary of a promotion."""
    out = console()
    if summary["repaired"]:
        out.print(f"repaired first: {summary['repaired']}\n")
    against = f"against {summary['champion_before']}" if summary["champion_before"] else "as the first champion"
    out.print(
        f"{summary['model']} version {summary['challenger']} {against}, on {counted(summary['clips'], 'clip')} of "
        f"{counted(summary['speakers'], 'speaker')} (benchmark {summary['benchmark']}), policy {summary['policy']}\n"
    )
    show(
        [
            TableColumn("held"),
            TableColumn("check"),
            TableColumn("result", 14, folds=True, right=True),
            TableColumn("required", 30, folds=True),
        ],
        [
            [
                cell("yes" if check["passed"] else "NO", "green" if check["passed"] else "red"),
                cell(check["name"]),
                cell(check["figure"]),
                cell(check["what"]),
            ]
            for check in summary["checks"]
        ],
    )
    out.print(f"\n{summary['outcome']}: {summary['reason']}", soft_wrap=True)
    out.print(f"champion of {summary['model']}: {summary['champion'] or 'none'}; evidence in run {summary['run']}")
    if summary["champion"] is None:
        out.print("to make it champion anyway: promote --override --reason TEXT", soft_wrap=True)


def show_move(summary: Mapping[str, Any]) -> None:
    """Print the champion after a rollback, an adoption or an override."""
    before, after = summary["from_version"], summary["to_version"]
    instead = "; there was none before" if before is None else "" if before == after else f", in place of {before}"
    say(f"version {after} is the champion of {summary['model']} now{instead}")


def show_history(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the champions of each model, newest first."""
    if not rows:
        console().print("no champion was ever chosen; `heterodub promote stage1` evaluates the newest version")
        return
    for model in sorted({row["model"] for row in rows}):
        console().print(f"{model}\n")
        _show_champions([row for row in rows if row["model"] == model])
        console().print("")


def _show_champions(rows: Sequence[Mapping[str, Any]]) -> None:
    columns = [
        *(
            TableColumn("version", right=True),
            TableColumn("since (UTC)"),
            TableColumn("until (UTC)"),
            TableColumn("by"),
        ),
        *(TableColumn("who", 10, optional=True), TableColumn("reason", 20, folds=True)),
        *(TableColumn(name, width, optional=True) for name, width in (("run", 8), ("benchmark", 0), ("policy", 0))),
    ]
    cells = [
        [
            *(row["version"], _minute(row["since_utc"]), _until(row), row["kind"], row["who"], row["reason"]),
            *((row["run"] or "")[:8], row["benchmark"], row["policy"]),
        ]
        for row in rows
    ]
    show(columns, [[cell(value) for value in row] for row in cells])


def _until(row: Mapping[str, Any]) -> str:
    if row["until_utc"]:
        return _minute(row["until_utc"])
    return "now" if row["state"] == "done" else "UNDER WAY"


def _minute(time_utc: str) -> str:
    return time_utc[:16].replace("T", " ")
