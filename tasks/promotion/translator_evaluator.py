"""Landmark translators on the benchmark's clips: scores beside their baselines, costs, and samples for people."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import torch

from heterodub.model.evaluation.image_scores import clip_scores
from heterodub.model.evaluation.translator import EvalWindow, System, TranslatorEvalClip, make_eval_window, system_crops
from heterodub.model.io import load_translator
from heterodub.model.metrics.clip_scores import ClipScores
from heterodub.model.metrics.cost import costs
from heterodub.model.perceptual import Lite0
from heterodub.model.stage2.inference import TranslatorInference
from heterodub.schemas.errors import PromotionError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.evaluation.translator_scores import MOST_FRAMES, finder
from heterodub.tasks.releases.benchmarks import BenchmarkClip
from heterodub.tasks.tracking.kinds import translator_example
from heterodub.tasks.training.clip_store import ClipSource, StoredClips
from heterodub.tasks.training.datasets import face_clip
from heterodub.tasks.training.device import device_of
from heterodub.tasks.training.samples import columns
from heterodub.tasks.visualization.sheets import contact_sheet, crop_film

from .candidates import TRANSLATOR_SYSTEMS, Candidates, ModelScores, Rendering, Renderings, film_bytes

_ROWS: Final = 3


def evaluate(candidates: Candidates) -> list[ModelScores]:
    """Score the translators on the benchmark's clips, and measure their costs.

    A clip too short for reference frames and scored frames is left out for all alike.

    Raises: ModelFileError - a translator cannot be read. PromotionError - one takes landmarks of another backend, or
    has another crop size than the others, which would be scored on other pictures. NotFoundError, WorkspaceError - the
    clips cannot be read.
    """
    backend, device = candidates.release.backend, device_of(candidates.settings.device)
    loaded = _loaded(candidates, device)
    first = next(iter(loaded.values()))
    lite0, (find, _) = Lite0().to(device), finder(candidates.settings, backend)
    scores_of: dict[int, list[ClipScores]] = {version: [] for version in loaded}

    def score_window(eval_window: EvalWindow, system: System, translator: TranslatorInference) -> ClipScores:
        return clip_scores(eval_window, system, system_crops(eval_window, system, translator), lite0, find)

    for eval_window in _eval_windows(candidates, candidates.benchmark.clips, first.side_px):
        beside = [score_window(eval_window, system, first) for system in TRANSLATOR_SYSTEMS[1:]]  # same for all
        for version, translator in loaded.items():
            scores_of[version] += [score_window(eval_window, TRANSLATOR_SYSTEMS[0], translator), *beside]
    costs_of = costs([(model.translator, partial(_translate_fixed, model)) for model in loaded.values()])
    return [
        ModelScores(version, TRANSLATOR_SYSTEMS[0], tuple(scores_of[version]), cost)
        for version, cost in zip(loaded, costs_of, strict=True)
    ]


def render(candidates: Candidates, clips: Sequence[str]) -> Renderings:
    """Render a contact sheet of each clip for each version, and a silent film of all.

    Raises: ModelFileError - a translator cannot be read. NotFoundError, WorkspaceError - a clip cannot be read.
    """
    chosen = [clip for clip in candidates.benchmark.clips if clip.clip_id in clips]
    translators = _loaded(candidates, device_of(candidates.settings.device))
    side_px = next(iter(translators.values())).side_px
    drawn = {}
    for eval_window in _eval_windows(candidates, chosen, side_px):
        version_columns = {version: columns(eval_window, translator) for version, translator in translators.items()}
        sheets = {version: (contact_sheet(columns_of, _ROWS),) for version, columns_of in version_columns.items()}
        beside = {f"version {version}": columns_of["generated"] for version, columns_of in version_columns.items()}
        drawn[eval_window.clip.clip_id] = Rendering(
            sheets, film_bytes(partial(crop_film, columns=beside | {"true": eval_window.crops}))
        )
    return drawn


def _loaded(candidates: Candidates, device: torch.device) -> dict[int, TranslatorInference]:
    """Load the translators. Raises: PromotionError - they differ in crop size, or one has another backend."""
    loaded, backend = {}, candidates.release.backend
    for version, folder in candidates.folders.items():
        translator, card = load_translator(folder, device)
        if card.backend != backend:
            raise PromotionError(f"version {version} reads landmarks of {card.backend}, the benchmark holds {backend}")
        loaded[version] = TranslatorInference(translator)
    sizes = {version: translator.side_px for version, translator in loaded.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"version {version} {side} px" for version, side in sizes.items())
        raise PromotionError(f"crops of different sizes cannot be compared: {listed}")
    return loaded


def _eval_windows(candidates: Candidates, clips: Sequence[BenchmarkClip], side_px: int) -> Iterator[EvalWindow]:
    """Yield evaluation windows of the clips, at a crop size; clips that are too short are left out.

    Raises: NotFoundError, WorkspaceError - one cannot be read.
    """
    version = candidates.release.versions[Stage.STAGE2.value]
    stored = StoredClips.of(candidates.workspace, Stage.STAGE2, version)
    for clip in clips:
        read = face_clip(stored.pictures(ClipSource(clip.clip_id, clip.media_id)), side_px)
        try:
            yield make_eval_window(
                TranslatorEvalClip(clip.clip_id, clip.speaker, read), candidates.rule.references, MOST_FRAMES
            )
        except ValueError:  # too short
            continue


def _translate_fixed(translator: TranslatorInference) -> None:
    fixed = translator_example(translator.side_px)
    appearance = translator.appearance(fixed["reference_pictures"], fixed["reference_landmarks"])
    translator.translate(appearance, fixed["pictures"], fixed["source"], fixed["wanted"])
