"""Landmark translators on the benchmark's clips: scores beside their baselines, costs, and samples for people."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Final

import torch

from heterodub.model.evaluation.clip_scores import ClipScores
from heterodub.model.evaluation.cost import costs
from heterodub.model.evaluation.image_scores import clip_scores
from heterodub.model.evaluation.translator import EvalWindow, System, TranslatorEvalClip, make_eval_window, system_crops
from heterodub.model.io import load_translator
from heterodub.model.perceptual import Lite0
from heterodub.model.stage2.inference import TranslatorInference
from heterodub.schemas.errors import PromotionError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.evaluation.translator_scores import MOST_FRAMES, finder
from heterodub.tasks.ingestion.decoder_process import Decoder
from heterodub.tasks.releases.benchmarks import BenchmarkClip
from heterodub.tasks.tracking.kinds import translator_example
from heterodub.tasks.training.clip_store import ClipSource, PictureClip, StoredClips
from heterodub.tasks.training.datasets import face_clip
from heterodub.tasks.training.device import device_of
from heterodub.tasks.training.samples import columns
from heterodub.tasks.visualization.sheets import contact_sheet

from .candidates import TRANSLATOR_SYSTEMS, Candidates, ModelScores, Rendering, Renderings
from .translator_films import FILM_FRAMES, translator_films

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

    for _, eval_window in _eval_windows(candidates, candidates.benchmark.clips, first.side_px, MOST_FRAMES):
        beside = [score_window(eval_window, system, first) for system in TRANSLATOR_SYSTEMS[1:]]  # same for all
        for version, translator in loaded.items():
            scores_of[version] += [score_window(eval_window, TRANSLATOR_SYSTEMS[0], translator), *beside]
    costs_of = costs([(model.translator, partial(_translate_fixed, model)) for model in loaded.values()])
    return [
        ModelScores(version, TRANSLATOR_SYSTEMS[0], tuple(scores_of[version]), cost)
        for version, cost in zip(loaded, costs_of, strict=True)
    ]


def render(candidates: Candidates, clips: Sequence[str]) -> Renderings:
    """Render a contact sheet of each clip for each version, and films of each version and the source; without a
    champion, of the untrained warp as well.

    Raises: ModelFileError - a translator cannot be read. NotFoundError, WorkspaceError - a clip cannot be read.
    """
    chosen = [clip for clip in candidates.benchmark.clips if clip.clip_id in clips]
    translators = _loaded(candidates, device_of(candidates.settings.device))
    side_px = next(iter(translators.values())).side_px
    drawn = {}
    with closing(Decoder(candidates.settings.limits)) as decoder:
        for stored, eval_window in _eval_windows(candidates, chosen, side_px, FILM_FRAMES):
            version_columns = {version: columns(eval_window, translator) for version, translator in translators.items()}
            sheets = {version: (contact_sheet(columns_of, _ROWS),) for version, columns_of in version_columns.items()}
            generated = {f"version {version}": of["generated"] for version, of in version_columns.items()}
            if len(translators) == 1:
                generated["untrained warp"] = next(iter(version_columns.values()))["warped reference"]
            films, note = translator_films(candidates, eval_window, stored, generated, decoder)
            drawn[eval_window.clip.clip_id] = Rendering(sheets, films, note)
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


def _eval_windows(
    candidates: Candidates, clips: Sequence[BenchmarkClip], side_px: int, most_frames: int
) -> Iterator[tuple[PictureClip, EvalWindow]]:
    """Yield clips as stored, and their evaluation windows at a crop size; clips that are too short are left out.

    Raises: NotFoundError, WorkspaceError - one cannot be read.
    """
    stored = StoredClips.of(candidates.workspace, candidates.release, Stage.STAGE2)
    for clip in clips:
        pictures = stored.pictures(ClipSource(clip.clip_id, clip.media_id))
        eval_clip = TranslatorEvalClip(clip.clip_id, clip.speaker, face_clip(pictures, side_px))
        try:
            eval_window = make_eval_window(eval_clip, candidates.rule.references, most_frames)
        except ValueError:  # too short
            continue
        yield pictures, eval_window


def _translate_fixed(translator: TranslatorInference) -> None:
    fixed = translator_example(translator.side_px)
    appearance = translator.appearance(fixed["reference_pictures"], fixed["reference_landmarks"])
    translator.translate(appearance, fixed["pictures"], fixed["source"], fixed["wanted"])
