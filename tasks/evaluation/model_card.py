"""Card of a model for people, in Markdown: the footage behind it, its scores beside controls, its limits.

A model that ships has it as a file, a registered version as its description in MLflow.
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from heterodub.model.evaluation.intervals import Interval
from heterodub.model.evaluation.report import Report
from heterodub.schemas.cards import BaselineCard, GeneratorCard, TranslatorCard
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.contract import FPS
from heterodub.schemas.display import counted
from heterodub.schemas.errors import HeterodubError
from heterodub.schemas.licences import UNSTATED
from heterodub.schemas.reasons import Stage
from heterodub.tasks.evaluation.evaluation import Evaluation
from heterodub.tasks.releases import releases
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.models import LICENCES
from heterodub.tasks.tracking.registry import (
    LONGEST_DESCRIPTION,
    describe_version,
    tag_version,
    version_called,
)
from heterodub.tasks.tracking.runs import TrackedRun
from heterodub.tasks.tracking.store import open_tracking
from heterodub.tasks.training.clip_selection import ClipRef, Selection
from heterodub.tasks.training.tracked_run import AnySpec, Registered

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

_log = logging.getLogger(__name__)

_LIMITS: Final = "## Limits"

_SECTIONS: Final = re.compile(r"(?m)^(?=##)")

_TERMS: Final = ("licence", "consent")


@dataclass(frozen=True, slots=True)
class Footage:
    """Part of the footage behind a model under equal terms, as the labels of its files say. terms: by label."""

    terms: tuple[tuple[str, str], ...]
    clips: int
    speakers: int
    minutes: float


def footage_of(workspace: Workspace, selection: Selection, labels: Sequence[str] = _TERMS) -> list[Footage]:
    """List the footage of a training, train and val clips, by terms; the most first."""
    clips = (*selection.train, *selection.val)
    rows = releases.read_table(workspace, selection.release, "catalog", ["media_id", *labels]).to_pylist()
    terms = {row["media_id"]: tuple((label, row[label] or UNSTATED) for label in labels) for row in rows}
    parts: dict[tuple[tuple[str, str], ...], list[ClipRef]] = {}
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
    card: GeneratorCard | TranslatorCard | BaselineCard,
    title: str,
    footage: Sequence[Footage],
    scores: Mapping[str, Evaluation],
    notes: str = "",
) -> str:
    """Write the card of a model. title: sentence on where it comes from. scores: by the name of the footage."""
    minutes = sum(part.minutes for part in footage)
    size = "any size of face" if isinstance(card, GeneratorCard) else f"faces of {card.architecture.side_px} pixels"
    lines = [
        f"# {card.kind}",
        "",
        f"{title} {counted(card.steps, 'step')} of training, seed {card.seed}.",
        "",
        "## Data",
        "",
        f"{minutes:.1f} minutes of release {card.release}: the train and val split; the test split was held out.",
        "",
        *_footage_table(footage),
        "",
        "## Scores",
        "",
        "Means over speakers with 95 % intervals, defined in docs/metrics.md. The controls are trivial systems on the",
        "same clips.",
        "",
        _LIMITS,
        "",
        f"- It takes landmarks of {card.backend} alone, and {size}.",
    ]
    text = "\n".join([*lines, *(["", notes.strip()] if notes.strip() else []), ""])
    for name, evaluation in scores.items():
        text = with_scores(text, name, evaluation)
    return text


def _footage_table(footage: Sequence[Footage]) -> list[str]:
    """Return the lines of a table with a row for each part."""
    heads = [[label for label, _ in footage[0].terms] if footage else [], ["clips", "speakers", "minutes"]]
    columns = [name for part in heads for name in part]
    rows = [
        [*(_cell(term) for _, term in part.terms), str(part.clips), str(part.speakers), f"{part.minutes:.1f}"]
        for part in footage
    ]
    return [f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *rows)]


def with_scores(card: str, name: str, evaluation: Evaluation, longest: int | None = None) -> str:
    """Return a card with the scores on the footage of that name, in the place of earlier ones.

    longest: characters of the result at most; the oldest scores go where it would be longer.
    """
    heading = f"### {name}\n"
    parts = [part for part in _SECTIONS.split(card) if not part.startswith(heading)]
    end = next((index for index, part in enumerate(parts) if part.startswith(_LIMITS)), len(parts))
    parts.insert(end, heading + "\n" + "\n".join([*_scores(evaluation), "", ""]))
    oldest = next(index for index, part in enumerate(parts) if part.startswith("### "))
    while longest and oldest < end and sum(map(len, parts)) > longest:
        del parts[oldest]
        end -= 1
    return "".join(parts)


def describe_training(settings: Settings, spec: AnySpec, registered: Registered) -> None:
    """Describe a training's run and the version it made by its card. A description that is there already stays.

    Consent, which may name people, is left out: a takedown does not change descriptions. Where the store is away, or
    the release was erased meanwhile, there is a warning only.
    """
    selection = spec.clips
    assert isinstance(selection, Selection)
    with _warned():
        tracking, version = open_tracking(settings.tracking, selection.workspace), registered.version
        footage = footage_of(selection.workspace, selection, ["licence"])
        card = model_card(registered.trained.card, f"{version}.".capitalize(), footage, {})
        text = describe_version(tracking, version, lambda present: present or card)
        licences = sorted({value for part in footage for _, value in part.terms})
        tag_version(tracking, version, {LICENCES: json.dumps(licences)})
        TrackedRun(tracking, registered.run_id, resumed=True).describe(text)


def describe_scores(workspace: Workspace, settings: Settings, evaluation: Evaluation) -> None:
    """Put the scores of a registered version on its card; a store that is away causes a warning only."""
    name = f"{evaluation.evaluated_on} of release {evaluation.release}"
    with _warned():
        tracking = open_tracking(settings.tracking, workspace)
        version = version_called(tracking, "{evaluated_model}/{version}".format_map(evaluation.tags))
        describe_version(tracking, version, lambda card: with_scores(card, name, evaluation, LONGEST_DESCRIPTION))


@contextmanager
def _warned() -> Iterator[None]:
    """Turn an error of ours into a warning: descriptions are remarks on work that is done."""
    try:
        yield
    except HeterodubError as error:
        _log.warning("a model's description in MLflow was not written: %s", error)


def _scores(evaluation: Evaluation) -> list[str]:
    report = evaluation.report
    measured = {mean.score for mean in report.means}
    shown = {score: how for score, how in _SCORES[evaluation.stage].items() if score in measured}
    where = f"{counted(report.clips, 'clip')} of {counted(report.speakers, 'speaker')}"
    headings = [heading for heading, _ in shown.values()]
    return [
        f"{where}, {counted(evaluation.references, 'reference frame')} of each.",
        "",
        f"| | {' | '.join(headings)} |",
        f"|---|{'---|' * len(headings)}",
        *_rows(report, shown),
        *(line for verdict in report.verdicts for line in ("", f"{verdict.text}.")),
    ]


def _rows(report: Report, shown: Mapping[str, tuple[str, float]]) -> list[str]:
    means = {(mean.system, mean.score): mean.interval for mean in report.means}
    return [
        f"| {system} | "
        + " | ".join(_figure(means.get((system, score)), factor) for score, (_, factor) in shown.items())
        + " |"
        for system in dict.fromkeys(mean.system for mean in report.means)
    ]


def _figure(interval: Interval | None, factor: float) -> str:
    return interval.format(".2f", factor, missing="-") if interval else "-"


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")
