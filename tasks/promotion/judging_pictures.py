"""Judges landmark translators on the benchmark's clips: beside their baselines, and what they cost to run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from model.metrics.cost import costs
from model.perception.lite0 import Lite0
from model.stage2.files import load_translator
from model.stage2.inference import PainterTranslator
from model.stage2.judging import PictureExam, Sitting, System, answer, sit
from model.stage2.scores import score
from schemas.errors import PromotionError
from schemas.promotion import ModelRule
from schemas.reasons import Stage
from schemas.settings import Settings
from tasks.feeding.picture_batches import portrait
from tasks.feeding.stored_clips import Place, StoredClips
from tasks.learning.device import device_of
from tasks.learning.picture_evaluation import MOST_FRAMES, finder
from tasks.learning.selection import find_release
from tasks.stores.benchmarks import Benchmark, BenchmarkClip
from tasks.stores.workspace import Workspace
from tasks.tracking.example import translator_example

from .scored import TRANSLATOR_DIRECTIONS, TRANSLATOR_SYSTEMS
from .sheets import Graded, Sheet


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
    device = device_of(settings.device)
    loaded = _loaded(contestants, release.backend, device)
    first = next(iter(loaded.values()))
    judge, (find, _) = Lite0().to(device), finder(settings, release.backend)
    graded: dict[int, list[Graded]] = {version: [] for version in loaded}

    def grade(sitting: Sitting, system: System, translator: PainterTranslator) -> Graded:
        scores = score(sitting, answer(sitting, system, translator), judge, find)
        told = {name: value for name, value in asdict(scores).items() if name in TRANSLATOR_DIRECTIONS}
        return Graded(sitting.exam.clip_id, sitting.exam.speaker, system, told)

    for sitting in sittings(stored, benchmark.clips, first.side_px, rule.references):
        beside = [grade(sitting, system, first) for system in TRANSLATOR_SYSTEMS[1:]]  # the same whoever is judged
        for version, translator in loaded.items():
            graded[version] += [grade(sitting, TRANSLATOR_SYSTEMS[0], translator), *beside]
    cost = costs([(one.painter, partial(_paint_fixed, one)) for one in loaded.values()])
    return [
        Sheet(version, TRANSLATOR_SYSTEMS[0], tuple(graded[version]), own)
        for version, own in zip(loaded, cost, strict=True)
    ]


def _loaded(contestants: Mapping[int, Path], backend: str, device: torch.device) -> dict[int, PainterTranslator]:
    """All of one crop size and of the benchmark's backend, else nobody is judged."""
    loaded: dict[int, PainterTranslator] = {}
    for version, folder in contestants.items():
        painter, card = load_translator(folder, device)
        if card.backend != backend:
            raise PromotionError(f"version {version} reads landmarks of {card.backend}, the benchmark holds {backend}")
        loaded[version] = PainterTranslator(painter)
    sizes = {version: translator.side_px for version, translator in loaded.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"version {version} {side} px" for version, side in sizes.items())
        raise PromotionError(f"crops of different sizes cannot be judged against each other: {told}")
    return loaded


def sittings(stored: StoredClips, clips: Sequence[BenchmarkClip], side_px: int, references: int) -> Iterator[Sitting]:
    """Clips to judge on, at a size; those too short are left out.

    Raises: NotFoundError, WorkspaceError - one cannot be read.
    """
    for clip in clips:
        read = portrait(stored.pictures(Place(clip.clip_id, clip.media_id)), side_px)
        try:
            yield sit(PictureExam(clip.clip_id, clip.speaker, read), references, MOST_FRAMES)
        except ValueError:  # too short
            continue


def _paint_fixed(translator: PainterTranslator) -> None:
    fixed = translator_example(translator.side_px)
    known = translator.appearance(fixed["reference_pictures"], fixed["reference_landmarks"])
    translator.translate(known, fixed["pictures"], fixed["source"], fixed["wanted"])
