"""Rendering of the summaries of runs, on stdout."""

from typing import Any

from rich.markup import escape
from rich.table import Table

from flows.cli.consoles import EscapingConsole
from schemas.display import visible
from schemas.wording import counted
from tasks.retraining.summary import table_rows
from tasks.synthetic.check import Agreement

_COUNTS = ("files", "new_files", "unchanged_files", "measured", "rejected_files", "duplicates", "quarantined")
_ROUTES = ("clips", "stage1", "stage2", "both", "rejected")


def show_summary(summary: dict[str, Any]) -> None:
    """Print an ingest's summary: files, routes, reasons, speed, release."""
    console = EscapingConsole()
    table = Table(title="ingest", show_header=False, title_justify="left")
    for name in (*_COUNTS, *_ROUTES):
        table.add_row(name.replace("_", " "), str(summary[name]))
    table.add_row("media seconds", f"{summary['media_seconds']:.1f}")
    table.add_row("seconds", f"{summary['seconds']:.1f}")
    factor = summary["realtime_factor"]
    table.add_row("times real time", "-" if factor is None else f"{factor:.1f}")
    table.add_row("release", f"{summary['release'] or 'none'}{' (new)' if summary['release_is_new'] else ''}")
    console.print(table)
    if summary["reasons"]:
        reasons = Table(title="reasons", title_justify="left")
        reasons.add_column("reason")
        reasons.add_column("count", justify="right")
        for reason, count in summary["reasons"].items():
            reasons.add_row(reason, str(count))
        console.print(reasons)
    for warning in summary["drift"]:
        console.print(f"[bold yellow]warning:[/] {escape(visible(warning))}")
    for dispute in summary["disputed"]:
        console.print(f"[bold red]refused:[/] {escape(visible(dispute))}")
    for note in summary["notes"]:
        console.print(f"note: {escape(note)}")
    if not summary["new_files"]:
        console.print("nothing new: every file of the source was done before")


def show_route(summary: dict[str, Any]) -> None:
    """Print what another policy changes: admissions by stage, refusals by reason, and the clips if requested."""
    console = EscapingConsole()
    table = Table(
        title=f"policy {escape(summary['policy']['name'])} version {summary['policy']['version']}", title_justify="left"
    )
    for name in ("stage", "before", "after", "newly admitted", "no longer admitted"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for stage in ("stage1", "stage2"):
        counts = summary[stage]
        table.add_row(stage, *(str(counts[key]) for key in ("before", "after", "newly_admitted", "no_longer_admitted")))
    console.print(table)
    reasons = Table(title="refusals that change", title_justify="left")
    for name in ("stage", "reason", "before", "after"):
        reasons.add_column(name, justify="right" if name in ("before", "after") else "left")
    for stage in ("stage1", "stage2"):
        for reason, counts in summary[stage]["reasons"].items():
            reasons.add_row(stage, reason, str(counts["before"]), str(counts["after"]))
    if reasons.row_count:
        console.print(reasons)
    for clip in summary.get("changed", []):
        print(f"{clip['clip_id']}  {clip['before']} -> {clip['after']}")


def show_truth(agreement: Agreement) -> None:
    """Print how the sample's outcome agrees with its truth."""
    console = EscapingConsole()
    right = agreement.files - len(agreement.disagreements)
    console.print(f"{right} of {counted(agreement.files, 'file')} of the sample ended as they should")
    for wrong in agreement.disagreements:
        console.print(
            f"  {escape(repr(wrong.file))} ({wrong.kind}): expected {wrong.expected}; found {escape(wrong.found)}"
        )


def show_dubbings(summary: dict[str, Any]) -> None:
    """Print the outcome of each job, and the seconds of each kernel."""
    console = EscapingConsole()
    for outcome in summary["outcomes"]:
        if outcome["error"]:
            continue
        table = Table(title=escape(outcome["out"]), show_header=False, title_justify="left")
        for name in ("frames", "dubbed", "passed_through", "covered", "seconds", "took_s"):
            table.add_row(name.replace("took_s", "took, seconds").replace("_", " "), f"{outcome[name]:g}")
        table.add_row("times real time", f"{outcome['realtime_factor']:.2f}")
        table.add_row("landmarks by", escape(outcome["generator"]))
        table.add_row("pictures by", escape(outcome["translator"]))
        spent = sorted(outcome["seconds_by"].items(), key=lambda kernel: -kernel[1])
        table.add_row("where the time went", "  ".join(f"{kernel} {seconds:.1f} s" for kernel, seconds in spent))
        console.print(table)
        for note in outcome["notes"]:
            console.print(f"note: {escape(note)}")
    if summary["jobs"] > 1:
        console.print(f"{summary['dubbed']} of {counted(summary['jobs'], 'job')} dubbed, {summary['failed']} failed")


def show_retraining(summary: dict[str, Any]) -> None:
    """Print the outcome of each corpus and stage, and its reason."""
    console = EscapingConsole()
    table = Table(title=f"retrain: {summary['outcome']} after {summary['seconds']:.0f} s", title_justify="left")
    for name in ("step", "outcome", "why"):
        table.add_column(name, overflow="fold")
    for row in table_rows(summary):
        table.add_row(*map(escape, row))
    console.print(table)
