"""How promotions and the history of champions look on a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.cli.render.tables import TableColumn, cell, console, show
from schemas.wording import counted
from tasks.monitoring.streams import say


def show_promotion(told: Mapping[str, Any]) -> None:
    """The summary of a promotion."""
    out = console()
    if told["repaired"]:
        out.print(f"put right first: {told['repaired']}\n")
    against = f"against {told['champion_before']}" if told["champion_before"] else "as the first champion"
    out.print(
        f"{told['model']} version {told['challenger']} {against}, on {counted(told['clips'], 'clip')} of "
        f"{counted(told['speakers'], 'speaker')} (benchmark {told['benchmark']}), policy {told['policy']}\n"
    )
    show(
        [
            TableColumn("held"),
            TableColumn("check"),
            TableColumn("found", 14, folds=True, right=True),
            TableColumn("asked", 30, folds=True),
        ],
        [
            [
                cell("yes" if check["passed"] else "NO", "green" if check["passed"] else "red"),
                cell(check["name"]),
                cell(_figure(check)),
                cell(check["what"]),
            ]
            for check in told["checks"]
        ],
    )
    out.print(f"\n{told['outcome']}: {told['why']}", soft_wrap=True)
    out.print(f"champion of {told['model']}: {told['champion'] or 'none'}; evidence in run {told['run']}")
    if told["champion"] is None:
        out.print("to make it champion all the same: promote --override --reason TEXT", soft_wrap=True)


def show_move(told: Mapping[str, Any]) -> None:
    """Who is champion now, after a rollback, an adoption or an override."""
    before, after = told["from_version"], told["to_version"]
    instead = "; there was none before" if before is None else "" if before == after else f", in place of {before}"
    say(f"version {after} is the champion of {told['model']} now{instead}")


def show_history(rows: Sequence[Mapping[str, Any]]) -> None:
    """Champions of each model, newest first."""
    if not rows:
        console().print("no champion was ever chosen; `heterodub promote stage1` puts the newest version to the test")
        return
    for model in sorted({row["model"] for row in rows}):
        console().print(f"{model}\n")
        _show_champions([row for row in rows if row["model"] == model])
        console().print("")


def _show_champions(rows: Sequence[Mapping[str, Any]]) -> None:
    columns = [
        TableColumn("version", right=True),
        TableColumn("since (UTC)"),
        TableColumn("until (UTC)"),
        TableColumn("by"),
    ]
    columns += [
        TableColumn("who", 10, optional=True),
        TableColumn("why", 20, folds=True),
        TableColumn("run", 8, optional=True),
    ]
    columns += [TableColumn("benchmark", optional=True), TableColumn("policy", optional=True)]
    show(
        columns,
        [
            [
                cell(row["version"]),
                cell(_minute(row["since_utc"])),
                cell(_until(row)),
                cell(row["kind"]),
                cell(row["who"]),
                cell(row["why"]),
                cell((row["run"] or "")[:8]),
                cell(row["benchmark"]),
                cell(row["policy"]),
            ]
            for row in rows
        ],
    )


def _until(row: Mapping[str, Any]) -> str:
    if row["until_utc"]:
        return _minute(row["until_utc"])
    return "now" if row["state"] == "done" else "UNDER WAY"


def _minute(told: str) -> str:
    return told[:16].replace("T", " ")


def _figure(check: Mapping[str, Any]) -> str:
    value = check["value"]
    if value is None or value["mean"] is None:
        return str(check["detail"] or "not measured")
    text = f"{value['mean']:+.3f}"
    if value["low"] is not None:
        text += f" ({value['low']:+.3f} to {value['high']:+.3f})"
    return f"{text}, {check['detail']}" if check["detail"] else text
