"""Evaluation of landmark generators on the benchmark's clips beside their controls, and their costs."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.evaluation.generator import GENERATOR_REPORT, SYNC, GeneratorEvalClip, score_generator
from model.features.timing import mel_columns
from model.io import load_generator
from model.metrics.cost import costs
from model.stage1.inference import predict_clip
from model.stage1.network import LandmarkGenerator
from model.training.sampler import ClipInfo
from schemas.config.settings import Settings
from schemas.config.training import Stage1Settings
from schemas.contract import MEL_BANDS
from schemas.errors import PromotionError
from schemas.promotion import ModelRule
from schemas.reasons import Stage
from tasks.evaluation.generator_scores import release_scorer
from tasks.releases.benchmarks import Benchmark, BenchmarkClip
from tasks.stores.workspace import Workspace
from tasks.tracking.example import made_face
from tasks.training.clip_selection import ClipRef, Selection, find_release, select
from tasks.training.data.clip_store import ClipSource
from tasks.training.device import device_of
from tasks.training.stage1 import read_eval_clips

from .model_scores import ModelScores
from .scores import GENERATOR_SYSTEMS

_FIXED_FRAMES: Final = 250
"""Length of the fixed input: a clip of the longest kind, 10 s."""


def evaluate_generators(
    workspace: Workspace,
    settings: Settings,
    benchmark: Benchmark,
    candidates: Mapping[int, Path],
    rule: ModelRule,
) -> list[ModelScores]:
    """Score the generators in folders, by version, on the benchmark's clips, and measure their costs.

    Raises: ModelFileError - a generator cannot be read. PromotionError - one takes landmarks of another backend.
    NotFoundError, WorkspaceError - the clips cannot be read. TrainingError - the newest release has no train split to
    train the sync scorer on.
    """
    selection = select(workspace, find_release(workspace, None), Stage.STAGE1)
    scorer = release_scorer(workspace, selection, settings) if SYNC in rule.tolerances else None
    loaded, scores_of = [], []
    for version, folder in candidates.items():
        generator, card = load_generator(folder, device_of(settings.device))
        if card.backend != selection.release.backend:
            raise PromotionError(
                f"version {version} reads landmarks of {card.backend}, the benchmark holds {selection.release.backend}"
            )
        eval_clips = benchmark_eval_clips(selection, benchmark.clips, generator)
        scored = score_generator(generator, eval_clips, rule.references, card.gain, None, GENERATOR_SYSTEMS, scorer)
        scores_of.append(tuple(scored))
        loaded.append((version, generator))
    costs_of = costs([(generator, partial(_predict_fixed, generator, *_fixed_input())) for _, generator in loaded])
    return [
        ModelScores(version, GENERATOR_REPORT.model, rows, cost)
        for (version, _), rows, cost in zip(loaded, scores_of, costs_of, strict=True)
    ]  # fmt: skip


def benchmark_eval_clips(
    selection: Selection, clips: Sequence[BenchmarkClip], generator: LandmarkGenerator
) -> list[GeneratorEvalClip]:
    """Read the clips for this generator: the smoothing of the pose depends on its architecture.

    Raises: TrainingError - a clip's numbers cannot be used. NotFoundError, WorkspaceError - it cannot be read.
    """
    wanted = [
        ClipRef(
            ClipInfo(clip.clip_id, 0, clip.speaker),
            ClipSource(clip.clip_id, clip.media_id),
            "test",
            clip.split_group,
            False,
        )
        for clip in clips
    ]
    return read_eval_clips(selection, wanted, Stage1Settings(architecture=generator.architecture))


def _predict_fixed(generator: LandmarkGenerator, mel: NDArray[np.float32], face: NDArray[np.float32]) -> None:
    predict_clip(generator, mel, face, face[:1])


def _fixed_input() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return ten seconds of a synthetic face and sound: the same for every model."""
    columns, bands = np.arange(mel_columns(_FIXED_FRAMES)), np.arange(MEL_BANDS)
    mel = -5.0 - bands / 20.0 + np.sin(columns / 3.0)[:, None]
    return np.asarray(mel, np.float32), made_face(_FIXED_FRAMES)
