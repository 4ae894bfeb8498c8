"""Fine-tuning ablation: a translator before and after fine-tuning, on later frames of the clips it was tuned on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from model.evaluation.generator import reference_frames
from model.evaluation.image_scores import score
from model.evaluation.translator import EvalWindow, TranslatorEvalClip, system_crops
from model.evaluation.translator_report import ERRORS, GAINS, TranslatorClipScores, change
from model.io import load_translator
from model.metrics.bootstrap import Interval
from model.perceptual.lite0 import Lite0
from model.stage2.inference import TranslatorInference
from model.training.callbacks import Callback
from schemas.config.settings import Settings
from schemas.errors import TrainingError
from tasks.evaluation.translator_scores import MOST_FRAMES
from tasks.stores.workspace import Workspace
from tasks.training.clip_selection import ClipRef, Selection, few_a_speaker
from tasks.training.data.datasets import face_clip
from tasks.training.device import device_of
from tasks.training.finetuning import finetuning_clip, start_of
from tasks.training.run import run_training
from tasks.training.run_dirs import training_folder
from tasks.training.stage2 import translator_spec

LEARNED_S: Final = 2.0
"""Seconds of each clip's beginning that are trained on, unless the settings say otherwise."""

_LEAST_SCORED: Final = 10
"""Frames that a clip must have beyond those."""


@dataclass(frozen=True, slots=True)
class FinetuningGain:
    """Fine-tuned against not, on the same frames of clips of a release. changes: share by which errors fall, and by how
    much gains rise; card_of, tags: the model that was tuned.
    """

    release: str
    clips: int
    steps: int
    seconds: float
    changes: dict[str, Interval]
    before: tuple[TranslatorClipScores, ...]
    after: tuple[TranslatorClipScores, ...]
    card_of: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Return the result, ready for JSON."""
        sizes = {"clips": self.clips, "steps": self.steps, "seconds": self.seconds}
        return sizes | {"changes": {name: asdict(interval) for name, interval in self.changes.items()}}


def compare_finetuning(
    workspace: Workspace,
    settings: Settings,
    selection: Selection,
    test_clips: Sequence[ClipRef],
    model: Path,
    callback: Callback,
) -> FinetuningGain:
    """Fine-tune the translator in a folder on the first seconds of one clip of each speaker, and evaluate on the rest.

    Both have the same reference frames, from the training part.

    Raises: TrainingError - no clip is long enough. Otherwise as start_of and run_training.
    """
    seconds = settings.stage2.finetuning.seconds or LEARNED_S
    before: list[TranslatorClipScores] = []
    after: list[TranslatorClipScores] = []
    device = device_of(settings.device)
    lite0, translator = Lite0().to(device), load_translator(model, device)[0]
    for clip in few_a_speaker(test_clips, 1):
        learned = finetuning_clip(workspace, selection.release, clip.facts.clip_id, seconds)
        used = max(one.facts.frames for one in (*learned.train, *learned.val))  # held-back frames are not scored
        eval_window = _later(selection, clip, translator.architecture.side_px, used)
        if eval_window is None:
            continue
        tuned, finetuning = start_of(settings, workspace, str(model), clip.facts.clip_id)
        folder = training_folder(workspace, learned, tuned, f"finetune-{finetuning.weights[:12]}")
        spec = translator_spec(learned, tuned, settings.weights, finetuning=finetuning)
        trained = run_training(spec, folder, callback, device=settings.device)
        for rows, network in ((before, translator), (after, load_translator(trained.model, device)[0])):
            crops = system_crops(eval_window, "painted", TranslatorInference(network))
            rows.append(
                TranslatorClipScores(
                    clip.facts.clip_id, clip.facts.speaker, "painted", score(eval_window, crops, lite0)
                )
            )
    if not before:
        raise TrainingError(f"no clip has {_LEAST_SCORED} frames to score beyond its first {seconds:g} s")
    changes = {name: change(after, before, name) for name in (*ERRORS, *GAINS)}
    steps = settings.stage2.finetuning.steps
    return FinetuningGain(selection.release_id, len(before), steps, seconds, changes, tuple(before), tuple(after))


def _later(selection: Selection, clip: ClipRef, side_px: int, learned: int) -> EvalWindow | None:
    """Make a window of a clip's frames from `learned` on, references before it; None if too few frames are left."""
    read = face_clip(selection.stored.pictures(clip.place), side_px)
    if len(read.tracked_T) < learned + _LEAST_SCORED or not read.tracked_T[:learned].any():
        return None
    span = slice(learned, min(len(read.tracked_T), learned + MOST_FRAMES))
    eval_clip = TranslatorEvalClip(clip.facts.clip_id, clip.facts.speaker, read)
    eval_window = EvalWindow(eval_clip, reference_frames(read.tracked_T[:learned], 8), span)
    return eval_window if eval_window.scored.any() else None
