"""What fine-tuning is worth: a translator before and after it, on what comes later in the clips it was tuned on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from model.metrics.bootstrap import Interval
from model.perception.lite0 import Lite0
from model.stage1.judging import reference_frames
from model.stage2.files import load_translator
from model.stage2.inference import PainterTranslator
from model.stage2.judging import PictureExam, Sitting, answer
from model.stage2.scorecard import ERRORS, GAINS, Sat, change
from model.stage2.scores import score
from model.training.listening import Listener
from schemas.errors import TrainingError
from schemas.settings import Settings
from tasks.feeding.picture_batches import portrait
from tasks.learning.device import device_of
from tasks.learning.folders import training_folder
from tasks.learning.picture_evaluation import MOST_FRAMES
from tasks.learning.selection import Candidate, Selection, few_a_speaker
from tasks.learning.stage2 import train_translator
from tasks.learning.tuning import start_of, tuning_clip
from tasks.stores.workspace import Workspace

LEARNED_S: Final = 2.0
"""Seconds of each clip's beginning that are learned from, unless the settings say otherwise."""

_LEAST_JUDGED: Final = 10
"""Frames that a clip must have beyond those."""


@dataclass(frozen=True, slots=True)
class TuningGain:
    """Fine-tuned against not, on the same frames of clips of a release. changes: share by which errors fall, and by how
    much gains rise; card_of, tags: the model that was tuned.
    """

    release: str
    clips: int
    steps: int
    seconds: float
    changes: dict[str, Interval]
    before: tuple[Sat, ...]
    after: tuple[Sat, ...]
    card_of: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Ready for JSON."""
        told = {"clips": self.clips, "steps": self.steps, "seconds": self.seconds}
        return told | {"changes": {name: asdict(interval) for name, interval in self.changes.items()}}


def compare_tuning(
    workspace: Workspace,
    settings: Settings,
    selection: Selection,
    judged: Sequence[Candidate],
    model: Path,
    listener: Listener,
) -> TuningGain:
    """Fine-tune the translator in a folder on one clip of each speaker, the first seconds of it, and judge the rest.

    Both are told the same frames, from what was learned.

    Raises: TrainingError - no clip is long enough. Otherwise as start_of and train_translator.
    """
    seconds = settings.stage2.tuning.seconds or LEARNED_S
    before: list[Sat] = []
    after: list[Sat] = []
    device = device_of(settings.device)
    judge, painter = Lite0().to(device), load_translator(model, device)[0]
    for clip in few_a_speaker(judged, 1):
        learned = tuning_clip(workspace, selection.release, clip.facts.clip_id, seconds)
        used = max(one.facts.frames for one in (*learned.train, *learned.val))  # what was chosen by is not judged by
        sitting = _later(selection, clip, painter.shape.side_px, used)
        if sitting is None:
            continue
        tuned, tuning = start_of(settings, workspace, str(model), clip.facts.clip_id)
        folder = training_folder(workspace, learned, tuned.stage2, f"finetune-{tuning.weights[:12]}")
        made = train_translator(
            learned, tuned.stage2, settings.weights, folder, listener, tuning=tuning, device=settings.device
        )
        for rows, one in ((before, painter), (after, load_translator(made.model, device)[0])):
            crops = answer(sitting, "painted", PainterTranslator(one))
            rows.append(Sat(clip.facts.clip_id, clip.facts.speaker, "painted", score(sitting, crops, judge)))
    if not before:
        raise TrainingError(f"no clip has {_LEAST_JUDGED} frames to judge beyond its first {seconds:g} s")
    changes = {name: change(after, before, name) for name in (*ERRORS, *GAINS)}
    steps = settings.stage2.tuning.steps
    return TuningGain(selection.release_id, len(before), steps, seconds, changes, tuple(before), tuple(after))


def _later(selection: Selection, clip: Candidate, side_px: int, learned: int) -> Sitting | None:
    """A clip's frames from `learned` on, told frames before it; None if too few are left."""
    read = portrait(selection.stored.pictures(clip.place), side_px)
    if len(read.tracked_T) < learned + _LEAST_JUDGED or not read.tracked_T[:learned].any():
        return None
    span = slice(learned, min(len(read.tracked_T), learned + MOST_FRAMES))
    exam = PictureExam(clip.facts.clip_id, clip.facts.speaker, read)
    sitting = Sitting(exam, reference_frames(read.tracked_T[:learned], 8), span)
    return sitting if sitting.judged.any() else None
