"""Fine-tuning ablation: a translator before and after fine-tuning, on later frames of the clips it was tuned on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from heterodub.model.evaluation.clip_scores import ClipScores
from heterodub.model.evaluation.generator import reference_frames
from heterodub.model.evaluation.image_scores import TRANSLATOR_REPORT, clip_scores
from heterodub.model.evaluation.translator import EvalWindow, TranslatorEvalClip, system_crops
from heterodub.model.io import load_translator
from heterodub.model.perceptual import Lite0
from heterodub.model.stage2.inference import TranslatorInference
from heterodub.model.training.callbacks import Callback
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import TrainingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.evaluation.evaluation import Evaluation
from heterodub.tasks.evaluation.translator_scores import MOST_FRAMES
from heterodub.tasks.training.clip_selection import ClipRef, Selection, few_a_speaker
from heterodub.tasks.training.datasets import face_clip
from heterodub.tasks.training.device import device_of
from heterodub.tasks.training.finetuning import finetuning_clip, start_of
from heterodub.tasks.training.run import run_training
from heterodub.tasks.training.run_dirs import training_folder
from heterodub.tasks.training.stage2 import translator_spec

LEARNED_S: Final = 2.0
"""Seconds of each clip's beginning that are trained on, unless the settings say otherwise."""

_LEAST_SCORED: Final = 10
"""Frames that a clip must have beyond those."""

_REFERENCES: Final = 8
"""Reference frames of a clip, from its part that is trained on."""


FINETUNING_REPORT: Final = replace(
    TRANSLATOR_REPORT,
    systems=("fine-tuned", "generated"),
    scores=(*TRANSLATOR_REPORT.errors, *TRANSLATOR_REPORT.gains),
    comparisons=(("fine-tuned", "generated"),),
    decisive=(),
)
"""Report of a translator after fine-tuning, against the same before."""


def compare_finetuning(
    settings: Settings,
    selection: Selection,
    test_clips: Sequence[ClipRef],
    model: Path,
    evaluated_on: str,
    callback: Callback,
) -> Evaluation:
    """Fine-tune the translator in a folder on the first seconds of one clip of each speaker, and evaluate on the rest.

    Both have the same reference frames, from the training part.

    Raises: TrainingError - no clip is long enough. Otherwise as start_of and run_training.
    """
    seconds = settings.stage2.finetuning.seconds or LEARNED_S
    rows: list[ClipScores] = []
    device = device_of(settings.device)
    lite0, translator = Lite0().to(device), load_translator(model, device)[0]
    for clip in few_a_speaker(test_clips, 1):
        learned = finetuning_clip(selection.workspace, selection.release, clip.facts.clip_id, seconds)
        used = max(part.facts.frames for part in (*learned.train, *learned.val))  # held-back frames are not scored
        eval_window = _later(selection, clip, translator.architecture.side_px, used)
        if eval_window is None:
            continue
        tuned, finetuning = start_of(settings, selection.workspace, str(model), clip.facts.clip_id)
        folder = training_folder(learned, tuned, f"finetune-{finetuning.weights[:12]}")
        spec = translator_spec(learned, tuned, settings.weights, finetuning=finetuning)
        trained = run_training(spec, folder, callback, device=settings.device)
        for system, network in (("generated", translator), ("fine-tuned", load_translator(trained.model, device)[0])):
            crops = system_crops(eval_window, "generated", TranslatorInference(network))
            rows.append(clip_scores(eval_window, system, crops, lite0))
    if not rows:
        raise TrainingError(f"no clip has {_LEAST_SCORED} frames to score beyond its first {seconds:g} s")
    facts = {"steps": settings.stage2.finetuning.steps, "seconds": seconds}
    return Evaluation(
        FINETUNING_REPORT,
        Stage.STAGE2,
        selection.release_id,
        evaluated_on,
        _REFERENCES,
        str(model),
        tuple(rows),
        facts,
    )


def _later(selection: Selection, clip: ClipRef, side_px: int, learned: int) -> EvalWindow | None:
    """Make a window of a clip's frames from `learned` on, references before it; None if too few frames are left."""
    pictures = face_clip(selection.stored.pictures(clip.place), side_px)
    if len(pictures.tracked_T) < learned + _LEAST_SCORED or not pictures.tracked_T[:learned].any():
        return None
    span = slice(learned, min(len(pictures.tracked_T), learned + MOST_FRAMES))
    eval_clip = TranslatorEvalClip(clip.facts.clip_id, clip.facts.speaker, pictures)
    eval_window = EvalWindow(eval_clip, reference_frames(pictures.tracked_T[:learned], _REFERENCES), span)
    return eval_window if eval_window.scored.any() else None
