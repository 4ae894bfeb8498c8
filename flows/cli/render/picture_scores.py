"""How scores of pictures look on a terminal. They come as the summary that the flow returns."""

from collections.abc import Mapping
from typing import Any, Final

from flows.cli.render.scores import interval_text, judged_line, show_verdicts
from flows.cli.render.tables import TableColumn, cell, console, show
from schemas.wording import counted

_LOOKS: Final = (
    "perceptual_lower",
    "perceptual_heldout_lower",
    "perceptual_mouth",
    "psnr_lower",
    "psnr_mouth",
    "ssim_lower",
    "ssim_mouth",
)
_MOVES: Final = (
    "mouth_opening_corr",
    "mouth_opening_std_ratio",
    "nme_lips",
    "face_found_frac",
    "sharpness_lower",
    "sharpness_mouth",
    "flicker",
)
_HEADINGS: Final = {"mouth_opening_corr": "opening r", "nme_lips": "lips NME %", "face_found_frac": "face found"}


def show_picture_scores(told: Mapping[str, Any]) -> None:
    """The summary of an evaluation of stage 2."""
    out = console()
    out.print(f"{judged_line(told)}, true landmarks")
    if told["tuned_on"]:
        out.print(
            f"this translator was fine-tuned on {', '.join(told['tuned_on'])}: of other speakers it is no measure"
        )
    show_verdicts(told)
    by_system: dict[str, dict[str, Any]] = {}
    for mean in told["means"]:
        by_system.setdefault(mean["system"], {})[mean["score"]] = mean["interval"]
    for number, names in enumerate((_LOOKS, _MOVES)):
        if number:
            out.print("")
        show(
            [TableColumn("system"), *(TableColumn(_heading(name), right=True) for name in names)],
            [
                [cell(system), *(cell(interval_text(scores[name], name)) for name in names)]
                for system, scores in by_system.items()
            ],
        )
    out.print("\npainted against baselines: errors lowered by %, gains raised by\n")
    show(
        [TableColumn("baseline"), TableColumn("score"), TableColumn("change", right=True)],
        [
            [
                cell(row["baseline"]),
                cell(_heading(row["score"])),
                cell(interval_text(row["interval"], percent=row["score"].startswith("pd"))),
            ]
            for row in told["changes"]
        ],
    )
    for system, distances in told["frechet"].items():
        words = ", ".join(f"{name} {value:.3g}" for name, value in distances.items())
        out.print(f"Frechet distance over EfficientNet-Lite0 (no FID), {system}: {words}")
    for name, why in told["not_measured"].items():
        out.print(f"{name}: not measured, {why}")


def show_finetuning(told: Mapping[str, Any]) -> None:
    """The summary of what fine-tuning is worth."""
    console().print(
        f"{counted(told['clips'], 'clip')}, one a speaker; {counted(told['steps'], 'step')} on their first "
        f"{told['seconds']:g} s, judged on the rest\n"
        "fine-tuning lowers errors by %, raises gains by, with 95 % intervals\n"
    )
    show(
        [TableColumn("score"), TableColumn("change", right=True)],
        [
            [cell(_heading(name)), cell(interval_text(interval, percent=name.startswith("pd")))]
            for name, interval in told["changes"].items()
        ],
    )


def _heading(name: str) -> str:
    return _HEADINGS.get(name, name.replace("_", " "))
