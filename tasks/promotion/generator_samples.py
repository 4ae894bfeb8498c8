"""Samples of landmark generators on clips of the benchmark: predicted over true landmarks, and a film of all."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from model.evaluation.generator import GeneratorEvalClip, predict_landmarks, reference_frames
from model.features.arrays import Floats
from model.features.timing import SAMPLES_PER_FRAME
from model.io import load_generator
from schemas.config.limits import LimitSettings
from schemas.config.settings import Settings
from schemas.contract import FPS
from schemas.promotion import ModelRule
from schemas.reasons import Stage
from tasks.releases.benchmarks import Benchmark
from tasks.stores.workspace import Workspace
from tasks.training.clip_selection import find_release, select
from tasks.training.device import device_of
from tasks.training.samples import sound_place
from tasks.visualization.charts import OTHER_RGB, PREDICTED_RGB, TRUE_RGB, landmarks_over_truth, opening_chart
from tasks.visualization.film import Side, compared_film
from tasks.visualization.sound import ClipPlace, PlayableSound, clip_sound

from .generator_evaluator import benchmark_eval_clips
from .model_scores import Rendering, Renderings

_FILM_FRAMES: Final = 4 * FPS
"""Frames of a film: a few words show if lips and sound fit, and the page stays small."""

_PANEL_PX: Final = 280


def render_generators(
    workspace: Workspace,
    settings: Settings,
    benchmark: Benchmark,
    candidates: Mapping[int, Path],
    rule: ModelRule,
    clips: Sequence[str],
) -> Renderings:
    """Render two PNGs of each clip for each version, the mouth over time and six frames over the truth; and a film
    with the clip's sound.

    Raises: ModelFileError - a generator cannot be read. NotFoundError, WorkspaceError - a clip cannot be read.
    """
    selection = select(workspace, find_release(workspace, None), Stage.STAGE1)
    chosen = [clip for clip in benchmark.clips if clip.clip_id in clips]
    eval_clips: dict[str, GeneratorEvalClip] = {}
    predicted: dict[str, dict[int, Floats]] = {clip: {} for clip in clips}
    for version, folder in candidates.items():
        generator, card = load_generator(folder, device_of(settings.device))
        for eval_clip in benchmark_eval_clips(selection, chosen, generator):
            frames = reference_frames(eval_clip.prepared.counts_T, rule.references)
            eval_clips[eval_clip.clip_id] = eval_clip
            predicted[eval_clip.clip_id][version] = predict_landmarks(generator, eval_clip, frames, card.gain)
    return {
        clip: Rendering(
            {version: _stills(points, eval_clip, f"version {version}") for version, points in predicted[clip].items()},
            _film(predicted[clip], eval_clip, sound_place(workspace, selection.release, clip), settings.limits),
        )
        for clip, eval_clip in eval_clips.items()
    }


def _stills(points: Floats, eval_clip: GeneratorEvalClip, title: str) -> tuple[bytes, ...]:
    return (
        opening_chart(points, eval_clip.landmarks_TPXY, eval_clip.prepared.counts_T, title),
        landmarks_over_truth(points, eval_clip.landmarks_TPXY, title=title),
    )


def _film(
    predicted: Mapping[int, Floats], eval_clip: GeneratorEvalClip, place: ClipPlace, limits: LimitSettings
) -> bytes:
    colours = (PREDICTED_RGB, OTHER_RGB)
    sides = [
        Side(f"version {version}", points[:_FILM_FRAMES], rgb)
        for (version, points), rgb in zip(predicted.items(), colours, strict=False)
    ]
    sides.append(Side("true", eval_clip.landmarks_TPXY[:_FILM_FRAMES], TRUE_RGB))
    sound = clip_sound(place, eval_clip.mel_SM, limits)
    sound = PlayableSound(sound.samples[: len(sides[0].points_TPXY) * SAMPLES_PER_FRAME], sound.rebuilt_since)
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        path = Path(scratch) / "film.mp4"
        compared_film(path, sides, sound, panel_px=_PANEL_PX)
        return path.read_bytes()
