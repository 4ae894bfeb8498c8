"""Landmark generators on the benchmark's clips: scores beside their controls, costs, and samples for people."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Final

from heterodub.model.evaluation.cost import costs
from heterodub.model.evaluation.generator import (
    GENERATOR_REPORT,
    SYNC,
    FittedControls,
    GeneratorEvalClip,
    fit_linear,
    predict_landmarks,
    reference_frames,
    score_generator,
)
from heterodub.model.features.arrays import Floats
from heterodub.model.features.timing import SAMPLES_PER_FRAME
from heterodub.model.io import load_generator
from heterodub.model.stage1.inference import predict_clip
from heterodub.model.stage1.network import LandmarkGenerator
from heterodub.model.training.sampler import ClipInfo
from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.contract import FPS
from heterodub.schemas.errors import PromotionError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.evaluation.generator_scores import control_clips, release_scorer
from heterodub.tasks.ingestion.decoder_process import Decoder
from heterodub.tasks.releases.benchmarks import BenchmarkClip
from heterodub.tasks.tracking.kinds import generator_example
from heterodub.tasks.training.clip_selection import ClipRef, Selection, select
from heterodub.tasks.training.clip_store import ClipSource
from heterodub.tasks.training.device import device_of
from heterodub.tasks.training.samples import sound_place
from heterodub.tasks.training.stage1 import read_eval_clips
from heterodub.tasks.visualization.charts import OTHER_RGB, PREDICTED_RGB, TRUE_RGB, landmarks_over_truth, opening_chart
from heterodub.tasks.visualization.film import Side, compared_film
from heterodub.tasks.visualization.sound import PlayableSound, clip_sound

from .candidates import GENERATOR_SYSTEMS, Candidates, ModelScores, Rendering, Renderings, film_bytes

_FIXED_FRAMES: Final = 250
"""Length of the fixed input: a clip of the longest kind, 10 s."""

_FILM_FRAMES: Final = 4 * FPS
"""Frames of a film: a few words show if lips and sound fit, and the page stays small."""

_PANEL_PX: Final = 280


def evaluate(candidates: Candidates) -> list[ModelScores]:
    """Score the generators on the benchmark's clips, and measure their costs.

    Raises: ModelFileError - a generator cannot be read. PromotionError - one takes landmarks of another backend.
    NotFoundError, WorkspaceError - the clips cannot be read. TrainingError - the newest release has no train split to
    train the sync scorer on.
    """
    settings, rule = candidates.settings, candidates.rule
    selection = select(candidates.workspace, candidates.release, Stage.STAGE1)
    train_clips = control_clips(selection)
    scorer = release_scorer(selection, settings, train_clips) if SYNC in rule.tolerances else None
    fitted = FittedControls(linear=fit_linear(train_clips))
    loaded, scores_of = [], []
    for version, folder in candidates.folders.items():
        generator, card = load_generator(folder, device_of(settings.device))
        if card.backend != selection.release.backend:
            raise PromotionError(
                f"version {version} reads landmarks of {card.backend}, the benchmark holds {selection.release.backend}"
            )
        eval_clips = _eval_clips(selection, candidates.benchmark.clips, generator)
        scored = score_generator(generator, eval_clips, rule.references, card.gain, fitted, GENERATOR_SYSTEMS, scorer)
        scores_of.append(tuple(scored))
        loaded.append((version, generator))
    costs_of = costs([(generator, _fixed_prediction(generator)) for _, generator in loaded])
    return [
        ModelScores(version, GENERATOR_REPORT.model, rows, cost)
        for (version, _), rows, cost in zip(loaded, scores_of, costs_of, strict=True)
    ]  # fmt: skip


def render(candidates: Candidates, clips: Sequence[str]) -> Renderings:
    """Render two PNGs of each clip for each version, the mouth over time and six frames over the truth; and a film
    with the clip's sound.

    Raises: ModelFileError - a generator cannot be read. NotFoundError, WorkspaceError - a clip cannot be read.
    """
    settings, release = candidates.settings, candidates.release
    selection = select(candidates.workspace, release, Stage.STAGE1)
    chosen = [clip for clip in candidates.benchmark.clips if clip.clip_id in clips]
    eval_clips: dict[str, GeneratorEvalClip] = {}
    predicted: dict[str, dict[int, Floats]] = {clip: {} for clip in clips}
    for version, folder in candidates.folders.items():
        generator, card = load_generator(folder, device_of(settings.device))
        for eval_clip in _eval_clips(selection, chosen, generator):
            frames = reference_frames(eval_clip.prepared.counts_T, candidates.rule.references)
            eval_clips[eval_clip.clip_id] = eval_clip
            predicted[eval_clip.clip_id][version] = predict_landmarks(generator, eval_clip, frames, card.gain)
    with closing(Decoder(settings.limits)) as decoder:
        sounds = {
            clip: clip_sound(
                sound_place(candidates.workspace, release, clip), eval_clip.mel_SM, settings.limits, decoder
            )
            for clip, eval_clip in eval_clips.items()
        }
    return {
        clip: Rendering(
            {version: _stills(points, eval_clip, f"version {version}") for version, points in predicted[clip].items()},
            {"all and the truth": _film(predicted[clip], eval_clip, sounds[clip])},
        )
        for clip, eval_clip in eval_clips.items()
    }


def _stills(points: Floats, eval_clip: GeneratorEvalClip, title: str) -> tuple[bytes, ...]:
    return (
        opening_chart(points, eval_clip.landmarks_TPXY, eval_clip.prepared.counts_T, title),
        landmarks_over_truth(points, eval_clip.landmarks_TPXY, title=title),
    )


def _film(predicted: Mapping[int, Floats], eval_clip: GeneratorEvalClip, sound: PlayableSound) -> bytes:
    colours = (PREDICTED_RGB, OTHER_RGB)
    sides = [
        Side(f"version {version}", points[:_FILM_FRAMES], rgb)
        for (version, points), rgb in zip(predicted.items(), colours, strict=False)
    ]
    sides.append(Side("true", eval_clip.landmarks_TPXY[:_FILM_FRAMES], TRUE_RGB))
    sound = PlayableSound(sound.samples[: len(sides[0].points_TPXY) * SAMPLES_PER_FRAME], sound.rebuilt_since)
    return film_bytes(lambda path: compared_film(path, sides, sound, panel_px=_PANEL_PX))


def _eval_clips(
    selection: Selection, clips: Sequence[BenchmarkClip], generator: LandmarkGenerator
) -> list[GeneratorEvalClip]:
    """Read the clips for this generator: the smoothing of the pose depends on its architecture.

    Raises: TrainingError - a clip's numbers cannot be used. NotFoundError, WorkspaceError - it cannot be read.
    """
    refs = [
        ClipRef(
            ClipInfo(clip.clip_id, 0, clip.speaker),
            ClipSource(clip.clip_id, clip.media_id),
            "test",
            clip.split_group,
            False,
        )
        for clip in clips
    ]
    return read_eval_clips(selection, refs, Stage1Settings(architecture=generator.architecture))


def _fixed_prediction(generator: LandmarkGenerator) -> Callable[[], object]:
    """Return a prediction on ten seconds of a synthetic face and sound: the same for every model."""
    example = generator_example(generator.architecture.speech_width, _FIXED_FRAMES)
    return partial(predict_clip, generator, example["mel"], example["landmarks"], example["reference"])
