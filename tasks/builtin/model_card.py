"""Card of a shipped model for people: the footage behind it, its scores beside controls, its limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from heterodub.model.metrics.report import Report
from heterodub.schemas.cards import GeneratorCard, TranslatorCard
from heterodub.schemas.contract import FPS
from heterodub.schemas.display import counted
from heterodub.schemas.reasons import Stage
from heterodub.tasks.evaluation.evaluation import Evaluation
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_selection import ClipRef, Selection

_SCORES: Final[Mapping[Stage, Mapping[str, tuple[str, float]]]] = {
    Stage.STAGE1: {
        "nme_lips": ("lips NME %", 100.0),
        "nme_outline": ("outline NME %", 100.0),
        "mouth_opening_corr": ("opening r", 1.0),
        "mouth_opening_std_ratio": ("opening ratio", 1.0),
        "landmark_sync_z": ("sync z", 1.0),
    },
    Stage.STAGE2: {
        "perceptual_lower": ("perceptual lower", 1.0),
        "perceptual_heldout_lower": ("held-out lower", 1.0),
        "perceptual_mouth": ("perceptual mouth", 1.0),
        "psnr_mouth": ("PSNR mouth, dB", 1.0),
        "mouth_opening_corr": ("opening r", 1.0),
        "sharpness_lower": ("sharpness lower", 1.0),
    },
}
"""Scores in the card: heading, and factor of the figures."""

_OF_LABELS: Final = ("licence", "consent")


@dataclass(frozen=True, slots=True)
class Footage:
    """Part of the footage behind a model under equal terms, as the labels of its files say."""

    terms: tuple[str, ...]
    clips: int
    speakers: int
    minutes: float


def footage_of(workspace: Workspace, selection: Selection) -> list[Footage]:
    """List the footage of a training, train and val clips, by terms; the most first."""
    clips = (*selection.train, *selection.val)
    version = selection.release.catalog_version
    rows = tables.read(workspace, "catalog", ["media_id", *_OF_LABELS], version).to_pylist()
    terms = {row["media_id"]: tuple(row[label] or "not stated" for label in _OF_LABELS) for row in rows}
    parts: dict[tuple[str, ...], list[ClipRef]] = {}
    for clip in clips:
        parts.setdefault(terms[clip.place.media_id], []).append(clip)
    footage = [
        Footage(
            key,
            len(part),
            len({clip.facts.speaker for clip in part}),
            sum(clip.facts.frames for clip in part) / FPS / 60,
        )
        for key, part in parts.items()
    ]
    return sorted(footage, key=lambda part: (-part.minutes, part.terms))


def model_card(
    card: GeneratorCard | TranslatorCard,
    origin: str,
    footage: Sequence[Footage],
    scores: Mapping[str, Evaluation],
    notes: str = "",
) -> str:
    """Write the card of a model, in Markdown. origin: its version, in words. scores: by the name of the footage."""
    minutes = sum(part.minutes for part in footage)
    size = f"faces of {card.architecture.side_px} pixels" if isinstance(card, TranslatorCard) else "any size of face"
    lines = [
        f"# {card.kind}",
        "",
        f"The {card.kind} that ships with heterodub: {origin}, {counted(card.steps, 'step')}, weights in 16 bits.",
        "",
        "## Data",
        "",
        f"{minutes:.1f} minutes of release {card.release}: the train and val split; the test split was held out.",
        "",
        "| licence | consent | clips | speakers | minutes |",
        "|---|---|---|---|---|",
        *(
            f"| {' | '.join(map(_cell, part.terms))} | {part.clips} | {part.speakers} | {part.minutes:.1f} |"
            for part in footage
        ),
        "",
        "## Scores",
        "",
        "Means over speakers with 95 % intervals, defined in docs/metrics.md. The controls are trivial systems on the",
        "same clips.",
    ]
    for name, evaluation in scores.items():
        lines += ["", f"### {name}", "", *_scores(evaluation)]
    lines += [
        "",
        "## Limits",
        "",
        f"- It takes landmarks of {card.backend} alone, and {size}.",
        *(f"- Scored on {name}: {verdict}." for name, verdict in _verdicts(scores)),
    ]
    return "\n".join([*lines, *(["", notes.strip()] if notes.strip() else []), ""])


def _verdicts(scores: Mapping[str, Evaluation]) -> list[tuple[str, str]]:
    return [(name, verdict.text) for name, evaluation in scores.items() for verdict in evaluation.report.verdicts]


def _scores(evaluation: Evaluation) -> list[str]:
    report, shown = evaluation.report, _SCORES[evaluation.stage]
    where = f"{counted(report.clips, 'clip')} of {counted(report.speakers, 'speaker')}"
    headings = [heading for heading, _ in shown.values()]
    return [
        f"{where}, {counted(evaluation.references, 'reference frame')} of each.",
        "",
        f"| | {' | '.join(headings)} |",
        f"|---|{'---|' * len(headings)}",
        *_rows(report, shown),
    ]


def _rows(report: Report, shown: Mapping[str, tuple[str, float]]) -> list[str]:
    means = {(mean.system, mean.score): mean.interval for mean in report.means}
    return [
        f"| {system} | "
        + " | ".join(means[system, score].format(".2f", factor, missing="-") for score, (_, factor) in shown.items())
        + " |"
        for system in dict.fromkeys(mean.system for mean in report.means)
    ]


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")
