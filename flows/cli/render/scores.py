"""Rendering of scores on a terminal, from the summaries that the flows return."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from heterodub.flows.cli.render.tables import TableColumn, cell, console, show
from heterodub.schemas.display import counted

_PERCENT: Final = ("nme", "nme_lips", "nme_outline")
_PERCEPTUAL: Final = ("perceptual_lower", "perceptual_heldout_lower", "perceptual_mouth")
_OPENING: Final = ("mouth_opening_corr", "mouth_opening_std_ratio")
_FOUND: Final = ("face_found_frac", "nme_lips", *_OPENING)

_TABLES: Final[Mapping[str, Sequence[Sequence[str]]]] = {
    "stage1": (("nme_lips", "nme_outline", *_OPENING, "velocity_error", "landmark_sync_z"),),
    "stage2": (
        (*_PERCEPTUAL, "psnr_lower", "psnr_mouth", "ssim_lower", "ssim_mouth"),
        (*_FOUND, "sharpness_lower", "sharpness_mouth", "flicker"),
    ),
    "dub": ((*_FOUND, "landmark_sync_z", "passed_through"),),
}
"""Scores that are shown, by stage and table."""

_HEADINGS: Final = {
    "nme_lips": "lips NME %",
    "nme_outline": "outline NME %",
    "nme": "NME %",
    "mouth_opening_corr": "opening r",
    "landmark_sync_z": "sync",
    "face_found_frac": "face found",
    "passed_through": "passed",
}


def show_scores(summary: Mapping[str, Any]) -> None:
    """Print the summary of an evaluation of either stage."""
    out = console()
    condition = f"articulation gain {summary['gain']:.2f}" if summary["stage"] == "stage1" else "true landmarks"
    clips, speakers = counted(summary["clips"], "clip"), counted(summary["speakers"], "speaker")
    where = f"{summary['model']} on {summary['evaluated_on']} of release {summary['release']}"
    references = counted(summary["references"], "reference frame")
    out.print(f"{where}: {clips} of {speakers}, {references}, {condition}")
    if summary.get("tuned_on"):
        out.print(
            f"this translator was fine-tuned on {', '.join(summary['tuned_on'])}: "
            "its scores do not hold for other speakers"
        )
    _show_verdicts(summary, "speakers")
    _show_means(summary, _TABLES[summary["stage"]])
    out.print("\nagainst its controls the model lowers errors by %, and raises other scores by\n")
    _show_improvements(summary["improvements"], "control")
    _show_strata(summary["strata"])
    for system, distances in summary["frechet"].items():
        words = ", ".join(f"{name} {value:.3g}" for name, value in distances.items())
        out.print(f"Frechet distance over EfficientNet-Lite0 (no FID), {system}: {words}")
    for name, why in summary.get("not_measured", {}).items():
        out.print(f"{name}: not measured, {why}")


def show_ablation(summary: Mapping[str, Any]) -> None:
    """Print the summary of a data ablation."""
    out = console()
    show_scores(summary["half"])
    out.print("")
    show_scores(summary["more"])
    added = f"{counted(summary['added_clips'], 'clip')} of {counted(summary['added_speakers'], 'speaker')}"
    out.print(
        f"\nover all folds, {added}, good for {summary['stage']} alone, were added to "
        f"{counted(summary['half_clips'], 'clip')}. They lower the error of the half by\n"
    )
    _show_improvements([{"score": score, "interval": interval} for score, interval in summary["gains"].items()])


def show_finetuning(summary: Mapping[str, Any]) -> None:
    """Print the summary of an ablation of fine-tuning."""
    console().print(
        f"{counted(summary['clips'], 'clip')}, one a speaker; {counted(summary['steps'], 'step')} on their first "
        f"{summary['seconds']:g} s, scored on the rest\n"
        "fine-tuning lowers errors by %, raises gains by, with 95 % intervals\n"
    )
    _show_improvements(summary["improvements"])


def show_dub_scores(summary: Mapping[str, Any]) -> None:
    """Print the summary of an evaluation of dubbings."""
    out = console()
    out.print(f"landmarks by {summary['generator']}, pictures by {summary['translator']}")
    _show_verdicts(summary, "videos")
    _show_means(summary, _TABLES["dub"])
    for video, why in summary["failed"].items():
        out.print(f"not scored: {video}: {why}")
    for note in summary["notes"].values():
        out.print(f"note: {note}")


def _show_verdicts(summary: Mapping[str, Any], drawn: str) -> None:
    """Print the conclusion against each control in a line, then the meaning of the tables below."""
    out = console()
    for verdict in summary["verdicts"]:
        style = {True: "bold green", False: "bold red", None: "bold yellow"}[verdict["better"]]
        out.print(cell(verdict["text"], style), soft_wrap=True)
    if summary["verdicts"]:
        out.print("")
    missing = summary["no_interval"]
    out.print(f"means over {drawn}, " + (f"no intervals: {missing}" if missing else "with 95 % intervals"))
    if summary.get("run"):
        out.print(f"kept in MLflow as run {summary['run']}")
    out.print("")


def _show_means(summary: Mapping[str, Any], tables: Sequence[Sequence[str]]) -> None:
    """Print tables with a row for each system and a column for each score."""
    by_system: dict[str, dict[str, Any]] = {}
    for mean in summary["means"]:
        by_system.setdefault(mean["system"], {})[mean["score"]] = mean["interval"]
    for number, names in enumerate(tables):
        if number:
            console().print("")
        show(
            [TableColumn("system"), *(TableColumn(_heading(name), right=True) for name in names)],
            [
                [cell(system), *(cell(_text(scores[name], name in _PERCENT)) for name in names)]
                for system, scores in by_system.items()
            ],
        )


def _show_improvements(improvements: Sequence[Mapping[str, Any]], *keys: str) -> None:
    """Print a row for each improvement that could be measured. keys: columns before the score."""
    show(
        [*map(TableColumn, keys), TableColumn("score"), TableColumn("change", right=True)],
        [
            [*(cell(row[key]) for key in keys), cell(_heading(row["score"])), cell(_text(row["interval"], is_percent))]
            for row in improvements
            if row["interval"]["mean"] is not None
            for is_percent in [row["score"].startswith(("nme", "perceptual"))]
        ],
    )


def _show_strata(strata: Sequence[Mapping[str, Any]]) -> None:
    """Print the deciding score of each stratum, and by how much it is better than each control's; nothing without."""
    if not strata:
        return
    score = strata[0]["score"]
    controls = list(dict.fromkeys(gain["control"] for part in strata for gain in part["improvements"]))
    console().print("\nby stratum, and by how many % less than a control; of one speaker there is no interval\n")
    columns = [
        *(TableColumn("by"), TableColumn("stratum", 12, middle=True)),
        *(TableColumn("clips", right=True), TableColumn("speakers", right=True)),
        *(TableColumn(name, right=True) for name in (_heading(score), *(f"than {control}" for control in controls))),
    ]
    rows = []
    for part in strata:
        gains = {gain["control"]: gain["interval"] for gain in part["improvements"]}
        rows.append(
            [
                *(part["factor"].replace("_", " "), part["stratum"], part["clips"], part["speakers"]),
                _text(part["interval"], score in _PERCENT),
                *(_text(gains[control], True) if control in gains else "" for control in controls),
            ]
        )
    show(columns, rows, keys=2)
    console().print("")


def _heading(name: str) -> str:
    return _HEADINGS.get(name, name.replace("_", " "))


def _text(interval: Mapping[str, Any], is_percent: bool) -> str:
    from heterodub.model.evaluation.intervals import Interval

    return Interval(**interval).format(scale=100 if is_percent else 1)
