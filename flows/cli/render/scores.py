"""How scores look on a terminal. They come as the summaries that the flows return."""

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


def show_scores(told: Mapping[str, Any]) -> None:
    """The summary of an evaluation."""
    out = console()
    out.print(f"{judged_line(told)}, articulation gain {told['gain']:.2f}")
    show_verdicts(told)
    by_system: dict[str, dict[str, Any]] = {}
    for mean in told["means"]:
        by_system.setdefault(mean["system"], {})[mean["score"]] = mean["interval"]
    show(
        [TableColumn("system"), *(TableColumn(_HEADINGS[score], right=True) for score in _SHOWN)],
        [
            [cell(system), *(cell(interval_text(scores[score], score)) for score in _SHOWN)]
            for system, scores in by_system.items()
        ],
    )
    out.print("\nthe generator with the clip's own sound lowers the error of\n")
    rows = [row for row in told["reductions"] if row["score"] != "nme" and row["interval"]["mean"] is not None]
    show(
        [TableColumn("control"), TableColumn("error"), TableColumn("by %", right=True)],
        [
            [cell(row["control"]), cell(_HEADINGS[row["score"]]), cell(interval_text(row["interval"], percent=True))]
            for row in rows
        ],
    )


def judged_line(told: Mapping[str, Any]) -> str:
    """What was judged on what."""
    clips, speakers = counted(told["clips"], "clip"), counted(told["speakers"], "speaker")
    where = f"{told['model']} on {told['judged_on']} of release {told['release']}"
    return f"{where}: {clips} of {speakers}, {counted(told['references'], 'reference frame')}"


def show_verdicts(told: Mapping[str, Any], over: str = "speakers") -> None:
    """What the scores come to, in a line for each control; then what the tables below hold."""
    out = console()
    for verdict in told["verdicts"]:
        style = {True: "bold green", False: "bold red", None: "bold yellow"}[verdict["better"]]
        out.print(cell(verdict["text"], style), soft_wrap=True)
    if told["verdicts"]:
        out.print("")
    missing = told["no_interval"]
    out.print(f"means over {over}, " + (f"no intervals: {missing}" if missing else "with 95 % intervals"))
    if told.get("run"):
        out.print(f"kept in MLflow as run {told['run']}")
    out.print("")


def show_ablation(told: Mapping[str, Any]) -> None:
    """The summary of a data ablation."""
    from flows.cli.render.picture_scores import show_picture_scores

    out, shown = console(), show_scores if told["stage"] == "stage1" else show_picture_scores
    shown(told["half"])
    out.print("")
    shown(told["more"])
    added = f"{counted(told['added_clips'], 'clip')} of {counted(told['added_speakers'], 'speaker')}"
    out.print(
        f"\nover all folds, {added}, good for {told['stage']} alone, were added to "
        f"{counted(told['half_clips'], 'clip')}. They lower the error of the half by\n"
    )
    show(
        [TableColumn("error"), TableColumn("by %", right=True)],
        [
            [cell(_HEADINGS.get(score, score.replace("_", " "))), cell(interval_text(gain, percent=True))]
            for score, gain in told["gains"].items()
        ],
    )


def show_dub_scores(told: Mapping[str, Any]) -> None:
    """The summary of an evaluation of dubbings."""
    out = console()
    out.print(f"landmarks by {told['generator']}, pictures by {told['translator']}")
    show_verdicts(told, "videos")
    names = ("face_found_frac", "nme_lips", "mouth_opening_corr", "mouth_opening_std_ratio", "sync", "passed_through")
    show(
        [TableColumn("speech"), TableColumn("system"), *(TableColumn(_HEADINGS[name], right=True) for name in names)],
        [
            [cell(setting), cell(system), *(cell(interval_text(scores[name], name)) for name in names)]
            for setting, systems in told["means"].items()
            for system, scores in systems.items()
        ],
        keys=2,
    )
    for video, why in told["failed"].items():
        out.print(f"not judged: {video}: {why}")
    for note in told["notes"].values():
        out.print(f"note: {note}")


def interval_text(interval: Mapping[str, Any], score: str = "", percent: bool = False) -> str:
    """A mean and its interval; errors and reductions in percent."""
    if interval["mean"] is None:
        return "not measured"
    scale = 100 if percent or score in _PERCENT else 1
    middle = f"{scale * interval['mean']:.2f}"
    if interval["low"] is None or interval["high"] is None:
        return middle
    return f"{middle} ({scale * interval['low']:.2f} to {scale * interval['high']:.2f})"
