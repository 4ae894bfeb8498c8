"""Rendering of scores on a terminal, from the summaries that the flows return."""

from collections.abc import Mapping
from typing import Any, Final

from flows.cli.render.tables import TableColumn, cell, console, show
from schemas.wording import counted

_PERCENT: Final = ("nme", "nme_lips", "nme_outline")
_SHOWN: Final = ("nme_lips", "nme_outline", "mouth_opening_corr", "mouth_opening_std_ratio", "velocity_error", "sync")
_HEADINGS: Final = {
    "nme_lips": "lips NME %",
    "nme_outline": "outline NME %",
    "nme": "NME %",
    "mouth_opening_corr": "opening r",
    "mouth_opening_std_ratio": "mouth_opening_std_ratio",
    "velocity_error": "velocity error",
    "sync": "sync",
    "face_found_frac": "face found",
    "passed_through": "passed",
}


def show_scores(summary: Mapping[str, Any]) -> None:
    """Print the summary of an evaluation."""
    out = console()
    out.print(f"{scope_line(summary)}, articulation gain {summary['gain']:.2f}")
    show_verdicts(summary)
    by_system: dict[str, dict[str, Any]] = {}
    for mean in summary["means"]:
        by_system.setdefault(mean["system"], {})[mean["score"]] = mean["interval"]
    show(
        [TableColumn("system"), *(TableColumn(_HEADINGS[score], right=True) for score in _SHOWN)],
        [
            [cell(system), *(cell(interval_text(scores[score], score)) for score in _SHOWN)]
            for system, scores in by_system.items()
        ],
    )
    out.print("\nthe generator with the clip's own sound lowers the error of\n")
    rows = [row for row in summary["reductions"] if row["score"] != "nme" and row["interval"]["mean"] is not None]
    show(
        [TableColumn("control"), TableColumn("error"), TableColumn("by %", right=True)],
        [
            [cell(row["control"]), cell(_HEADINGS[row["score"]]), cell(interval_text(row["interval"], percent=True))]
            for row in rows
        ],
    )


def scope_line(summary: Mapping[str, Any]) -> str:
    """Return a line that names the model, the clips and the release of an evaluation."""
    clips, speakers = counted(summary["clips"], "clip"), counted(summary["speakers"], "speaker")
    where = f"{summary['model']} on {summary['judged_on']} of release {summary['release']}"
    return f"{where}: {clips} of {speakers}, {counted(summary['references'], 'reference frame')}"


def show_verdicts(summary: Mapping[str, Any], over: str = "speakers") -> None:
    """Print the conclusion against each control in a line, then the meaning of the tables below."""
    out = console()
    for verdict in summary["verdicts"]:
        style = {True: "bold green", False: "bold red", None: "bold yellow"}[verdict["better"]]
        out.print(cell(verdict["text"], style), soft_wrap=True)
    if summary["verdicts"]:
        out.print("")
    missing = summary["no_interval"]
    out.print(f"means over {over}, " + (f"no intervals: {missing}" if missing else "with 95 % intervals"))
    if summary.get("run"):
        out.print(f"kept in MLflow as run {summary['run']}")
    out.print("")


def show_ablation(summary: Mapping[str, Any]) -> None:
    """Print the summary of a data ablation."""
    from flows.cli.render.picture_scores import show_picture_scores

    out, shown = console(), show_scores if summary["stage"] == "stage1" else show_picture_scores
    shown(summary["half"])
    out.print("")
    shown(summary["more"])
    added = f"{counted(summary['added_clips'], 'clip')} of {counted(summary['added_speakers'], 'speaker')}"
    out.print(
        f"\nover all folds, {added}, good for {summary['stage']} alone, were added to "
        f"{counted(summary['half_clips'], 'clip')}. They lower the error of the half by\n"
    )
    show(
        [TableColumn("error"), TableColumn("by %", right=True)],
        [
            [cell(_HEADINGS.get(score, score.replace("_", " "))), cell(interval_text(gain, percent=True))]
            for score, gain in summary["gains"].items()
        ],
    )


def show_dub_scores(summary: Mapping[str, Any]) -> None:
    """Print the summary of an evaluation of dubbings."""
    out = console()
    out.print(f"landmarks by {summary['generator']}, pictures by {summary['translator']}")
    show_verdicts(summary, "videos")
    names = ("face_found_frac", "nme_lips", "mouth_opening_corr", "mouth_opening_std_ratio", "sync", "passed_through")
    show(
        [TableColumn("speech"), TableColumn("system"), *(TableColumn(_HEADINGS[name], right=True) for name in names)],
        [
            [cell(setting), cell(system), *(cell(interval_text(scores[name], name)) for name in names)]
            for setting, systems in summary["means"].items()
            for system, scores in systems.items()
        ],
        keys=2,
    )
    for video, why in summary["failed"].items():
        out.print(f"not scored: {video}: {why}")
    for note in summary["notes"].values():
        out.print(f"note: {note}")


def interval_text(interval: Mapping[str, Any], score: str = "", percent: bool = False) -> str:
    """Return a mean and its interval as text; errors and reductions in percent."""
    if interval["mean"] is None:
        return "not measured"
    scale = 100 if percent or score in _PERCENT else 1
    middle = f"{scale * interval['mean']:.2f}"
    if interval["low"] is None or interval["high"] is None:
        return middle
    return f"{middle} ({scale * interval['low']:.2f} to {scale * interval['high']:.2f})"
