"""Judges and draws landmark translators on the benchmark's clips: beside their baselines, and what they cost to run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

from model.metrics.cost import latencies_ms, parameters, peak_memory_mib
from model.perception.lite0 import Lite0
from model.stage2.files import load_translator
from model.stage2.inference import PainterTranslator
from model.stage2.judging import PictureExam, Sitting, System, answer, sit
from model.stage2.scores import score
from schemas.errors import PromotionError
from schemas.promotion import ModelRule
from schemas.reasons import Stage
from schemas.settings import Settings
from tasks.drawing.sheets import contact_sheet
from tasks.feeding.picture_batches import portrait
from tasks.feeding.stored_clips import Place, StoredClips
from tasks.learning.paintings import columns
from tasks.learning.picture_evaluation import MOST_FRAMES, finder
from tasks.learning.selection import find_release
from tasks.stores.benchmarks import Benchmark, BenchmarkClip
from tasks.stores.workspace import Workspace
from tasks.tracking.example import translator_example

from .sheets import Direction, Drawings, Graded, Sheet

DIRECTIONS: Final[Mapping[str, Direction]] = {
    "pd_lower": "less",
    "pd5_lower": "less",
    "pd_mouth": "less",
    "pd5_mouth": "less",
    "psnr_lower": "more",
    "psnr_mouth": "more",
    "psnr_whole": "more",
    "ssim_lower": "more",
    "ssim_mouth": "more",
    "ssim_whole": "more",
    "sharpness_lower": "near one",
    "sharpness_mouth": "near one",
    "flicker": "near one",
    "found": "more",
    "nme_lips": "less",
    "opening_correlation": "more",
    "articulation": "near one",
}
"""Every score of a translator (model/stage2/scores.py), and which way it is better."""

_SYSTEMS: Final[tuple[System, ...]] = ("painted", "copy", "warp", "nearest frame", "source")
_DRAWN_ROWS: Final = 3


def grade_translators(
    workspace: Workspace,
    settings: Settings,
    benchmark: Benchmark,
    contestants: Mapping[int, Path],
    rule: ModelRule,
) -> list[Sheet]:
    """Scores and costs of the translators in folders, by version, on the benchmark's clips.

    A clip too short to tell frames of and judge others is left out for all alike.

    Raises: ModelFileError - a translator cannot be read. PromotionError - one takes landmarks of another backend, or
    paints another size than the others, which would be judged on other pictures. NotFoundError, WorkspaceError - the
    clips cannot be read.
    """
    release = find_release(workspace, None)
    stored = StoredClips.of(workspace, Stage.STAGE2, release.versions[Stage.STAGE2.value])
    loaded: dict[int, PainterTranslator] = {}
    for version, folder in contestants.items():
        painter, card = load_translator(folder)
        if card.backend != release.backend:
            raise PromotionError(
                f"version {version} reads landmarks of {card.backend}, the benchmark holds {release.backend}"
            )
        loaded[version] = PainterTranslator(painter)
    side_px = _one_size(loaded)
    judge, (find, _) = Lite0(), finder(settings, release.backend)
    graded: dict[int, list[Graded]] = {version: [] for version in loaded}
    for sitting in _sittings(stored, benchmark.clips, side_px, rule.references):
        for version, translator in loaded.items():
            for system in _SYSTEMS:
                scores = score(sitting, answer(sitting, system, translator), judge, find)
                told = {name: value for name, value in asdict(scores).items() if name in DIRECTIONS}
                graded[version].append(Graded(sitting.exam.clip_id, sitting.exam.speaker, system, told))
    costs = _costs(list(loaded.values()))
    return [
        Sheet(version, "painted", tuple(graded[version]), cost) for version, cost in zip(loaded, costs, strict=True)
    ]


def draw_translators(
    workspace: Workspace, benchmark: Benchmark, contestants: Mapping[int, Path], rule: ModelRule, clips: Sequence[str]
) -> Drawings:
    """A contact sheet of each clip for each version.

    Raises: ModelFileError - a translator cannot be read. NotFoundError, WorkspaceError - a clip cannot be read.
    """
    release = find_release(workspace, None)
    stored = StoredClips.of(workspace, Stage.STAGE2, release.versions[Stage.STAGE2.value])
    chosen = [clip for clip in benchmark.clips if clip.clip_id in clips]
    drawn: Drawings = {clip: {} for clip in clips}
    for version, folder in contestants.items():
        translator = PainterTranslator(load_translator(folder)[0])
        for sitting in _sittings(stored, chosen, translator.side_px, rule.references):
            drawn[sitting.exam.clip_id][version] = (contact_sheet(columns(sitting, translator), _DRAWN_ROWS),)
    return drawn


def _one_size(loaded: Mapping[int, PainterTranslator]) -> int:
    sizes = {version: translator.side_px for version, translator in loaded.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"version {version} {side} px" for version, side in sizes.items())
        raise PromotionError(f"crops of different sizes cannot be judged against each other: {told}")
    return next(iter(sizes.values()))


def _sittings(stored: StoredClips, clips: Sequence[BenchmarkClip], side_px: int, references: int) -> Iterator[Sitting]:
    for clip in clips:
        read = portrait(stored.pictures(Place(clip.clip_id, clip.media_id)), side_px)
        try:
            yield sit(PictureExam(clip.clip_id, clip.speaker, read), references, MOST_FRAMES)
        except ValueError:  # too short
            continue


def _costs(translators: Sequence[PainterTranslator]) -> list[dict[str, float]]:
    works = [partial(_paint_fixed, translator) for translator in translators]
    taken = latencies_ms(works)
    return [
        {
            "latency_ms": milliseconds,
            "parameters": float(parameters(translator.painter)),
            "memory_mib": peak_memory_mib(translator.painter, work),
        }
        for translator, work, milliseconds in zip(translators, works, taken, strict=True)
    ]


def _paint_fixed(translator: PainterTranslator) -> None:
    fixed = translator_example(translator.side_px)
    known = translator.appearance(fixed["reference_pictures"], fixed["reference_landmarks"])
    translator.translate(known, fixed["pictures"], fixed["source"], fixed["wanted"])
