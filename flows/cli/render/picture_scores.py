"""Rendering of stage-2 scores on a terminal, from the summary that the flow returns."""

from collections.abc import Mapping
from typing import Any, Final

from flows.cli.render.scores import interval_text, scope_line, show_verdicts
from flows.cli.render.tables import TableColumn, cell, console, show
from schemas.wording import counted

_APPEARANCE: Final = (
    "perceptual_lower",
    "perceptual_heldout_lower",
    "perceptual_mouth",
    "psnr_lower",
    "psnr_mouth",
    "ssim_lower",
    "ssim_mouth",
)
_MOTION: Final = (
    "mouth_opening_corr",
    "mouth_opening_std_ratio",
    "nme_lips",
    "face_found_frac",
    "sharpness_lower",
    "sharpness_mouth",
    "flicker",
)
_HEADINGS: Final = {"mouth_opening_corr": "opening r", "nme_lips": "lips NME %", "face_found_frac": "face found"}


def show_picture_scores(summary: Mapping[str, Any]) -> None:
    """Print the summary of an evaluation of stage 2."""
    out = console()
    out.print(f"{scope_line(summary)}, true landmarks")
    if summary["tuned_on"]:
        out.print(
            f"this translator was fine-tuned on {', '.join(summary['tuned_on'])}: "
            "its scores do not hold for other speakers"
        )
    show_verdicts(summary)
    by_system: dict[str, dict[str, Any]] = {}
    for mean in summary["means"]:
        by_system.setdefault(mean["system"], {})[mean["score"]] = mean["interval"]
    for number, names in enumerate((_APPEARANCE, _MOTION)):
        if number:
            out.print("")
        show(
            [TableColumn("system"), *(TableColumn(_heading(name), right=True) for name in names)],
            [
                [cell(system), *(cell(interval_text(scores[name], name)) for name in names)]
                for system, scores in by_system.items()
            ],
        )
    out.print("\ngenerated against baselines: errors lowered by %, gains raised by\n")
    show(
        [TableColumn("baseline"), TableColumn("score"), TableColumn("change", right=True)],
        [
            [
                cell(row["baseline"]),
                cell(_heading(row["score"])),
                cell(interval_text(row["interval"], percent=row["score"].startswith("perceptual"))),
            ]
            for row in summary["changes"]
        ],
    )
    for system, distances in summary["frechet"].items():
        words = ", ".join(f"{name} {value:.3g}" for name, value in distances.items())
        out.print(f"Frechet distance over EfficientNet-Lite0 (no FID), {system}: {words}")
    for name, why in summary["not_measured"].items():
        out.print(f"{name}: not measured, {why}")


def show_finetuning(summary: Mapping[str, Any]) -> None:
    """Print the summary of an ablation of fine-tuning."""
    console().print(
        f"{counted(summary['clips'], 'clip')}, one a speaker; {counted(summary['steps'], 'step')} on their first "
        f"{summary['seconds']:g} s, scored on the rest\n"
        "fine-tuning lowers errors by %, raises gains by, with 95 % intervals\n"
    )
    show(
        [TableColumn("score"), TableColumn("change", right=True)],
        [
            [cell(_heading(name)), cell(interval_text(interval, percent=name.startswith("perceptual")))]
            for name, interval in summary["changes"].items()
        ],
    )


def _heading(name: str) -> str:
    return _HEADINGS.get(name, name.replace("_", " "))
