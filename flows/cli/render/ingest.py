"""Rendering of the summaries of runs, on stdout."""

from typing import TYPE_CHECKING, Any, Final

from heterodub.flows.cli.render.tables import TableColumn, cell, console, pairs, show
from heterodub.schemas.display import counted

if TYPE_CHECKING:
    from heterodub.tasks.synthetic.truth import Agreement

_COUNTS: Final = (
    *("files", "new_files", "relabelled_files", "unchanged_files"),
    *("measured", "rejected_files", "duplicates", "quarantined"),
    *("clips", "stage1", "stage2", "both", "rejected"),
)
_DUBBED: Final = ("frames", "dubbed", "passed_through", "covered", "seconds", "took_s")


def show_summary(summary: dict[str, Any]) -> None:
    """Print an ingest's summary: files, routes, reasons, speed, release."""
    out, factor = console(), summary["realtime_factor"]
    pairs(
        [
            *((name.replace("_", " "), summary[name]) for name in _COUNTS),
            ("left out: taken down", summary["taken_down_files"] or None),
            ("media seconds", f"{summary['media_seconds']:.1f}"),
            ("seconds", f"{summary['seconds']:.1f}"),
            ("times real time", "-" if factor is None else f"{factor:.1f}"),
            ("release", f"{summary['release'] or 'none'}{' (new)' if summary['release_is_new'] else ''}"),
        ]
    )
    if summary["reasons"]:
        out.print("")
        show([TableColumn("reason"), TableColumn("count", right=True)], list(summary["reasons"].items()))
    for warning in summary["drift"]:
        out.print(cell(f"warning: {warning}", "bold yellow"), soft_wrap=True)
    for dispute in summary["disputed"]:
        out.print(cell(f"refused: {dispute}", "bold red"), soft_wrap=True)
    for note in summary["notes"]:
        out.print(cell(f"note: {note}"), soft_wrap=True)
    if not summary["new_files"]:
        out.print("nothing new: every file of the source was done before")


def show_route(summary: dict[str, Any]) -> None:
    """Print what another policy or labels change: admissions by stage, refusals by reason, the clips if asked for."""
    out, stages = console(), ("stage1", "stage2")
    out.print(f"policy {summary['policy']['name']} version {summary['policy']['version']}\n")
    counts = ("before", "after", "newly_admitted", "no_longer_admitted")
    headings = [TableColumn(name.replace("_", " "), right=True) for name in counts]
    show([TableColumn("stage"), *headings], [(stage, *(summary[stage][name] for name in counts)) for stage in stages])
    changes = [
        (stage, reason, numbers["before"], numbers["after"])
        for stage in stages
        for reason, numbers in summary[stage]["reasons"].items()
    ]
    if changes:
        out.print("\nrefusals that change\n")
        show([TableColumn("stage"), TableColumn("reason"), *headings[:2]], changes)
    for stage, turned in summary["labels"].items():
        if any(turned.values()):
            out.print(f"{stage}: labels of people keep {turned['kept']}, and refuse {turned['refused']}")
    for clip in summary.get("changed", []):
        print(f"{clip['clip_id']}  {clip['before']} -> {clip['after']}")


def show_truth(agreement: "Agreement") -> None:
    """Print how the sample's outcome agrees with its truth."""
    right = agreement.files - len(agreement.disagreements)
    print(f"{right} of {counted(agreement.files, 'file')} of the sample ended as they should")
    for wrong in agreement.disagreements:
        print(f"  {wrong.file!r} ({wrong.kind}): expected {wrong.expected}; found {wrong.found}")


def show_dubbings(summary: dict[str, Any]) -> None:
    """Print the outcome of each job, and the seconds of each kernel."""
    out = console()
    for outcome in summary["outcomes"]:
        if outcome["skipped"]:
            print(f"skipped: {outcome['out']} is finished and unchanged")
        if outcome["error"] or outcome["skipped"]:
            continue
        spent = sorted(outcome["seconds_by"].items(), key=lambda kernel: -kernel[1])
        out.print(cell(outcome["out"], "bold"), soft_wrap=True)
        pairs(
            [
                *((name.removesuffix("_s").replace("_", " "), f"{outcome[name]:g}") for name in _DUBBED),
                ("times real time", f"{outcome['realtime_factor']:.2f}"),
                ("landmarks by", outcome["generator"]),
                ("pictures by", outcome["translator"]),
                ("signed by", outcome["signed_by"] or "nobody"),
                ("where the time went", "  ".join(f"{kernel} {seconds:.1f} s" for kernel, seconds in spent)),
                ("acceptance", _accepted(outcome["acceptance"])),
                *(("note", note) for note in outcome["notes"]),
            ]
        )
    if summary["jobs"] > 1:
        counts = ", ".join(f"{summary[name]} {name}" for name in ("dubbed", "skipped", "failed", "not_accepted"))
        print(f"{counted(summary['jobs'], 'job')}: {counts}".replace("_", " "))


def _accepted(acceptance: dict[str, Any] | None) -> str:
    """Verdict on a file in a few words."""
    if acceptance is None:
        return "not measured"
    state, failed, shots = acceptance["state"].replace("_", " "), len(acceptance["failed"]), acceptance["shots"]
    return f"{state}: {failed} of {counted(shots, 'shot')} failed {acceptance['policy']}"


def show_retraining(summary: dict[str, Any]) -> None:
    """Print the outcome of each corpus and stage, and its reason."""
    from heterodub.tasks.promotion.retraining_summary import table_rows

    console().print(f"retrain: {summary['outcome']} after {summary['seconds']:.0f} s\n")
    columns = [TableColumn("step", 12, folds=True), TableColumn("outcome", 12, folds=True)]
    show([*columns, TableColumn("why", 20, folds=True)], table_rows(summary))
