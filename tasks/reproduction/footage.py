"""Who is learned from and who is judged, alike for both stages: nobody who is judged was seen or heard by either."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from model.evaluation.eval_clip import EvalClip
from model.features.timing import frame_to_second
from schemas.errors import TrainingError
from schemas.reasons import Stage
from schemas.wording import counted
from tasks.evaluation.folds import shuffled, without
from tasks.evaluation.translator_scores import MOST_FRAMES
from tasks.stores.workspace import Workspace
from tasks.training.clip_selection import ClipRef, Selection, candidates, few_a_speaker, find_release, select
from tasks.training.validation import read_eval_windows

REFERENCES: Final = 8
"""Frames of a clip that systems are told; they are not scored."""

_CLIPS_A_SPEAKER: Final = 2
"""Judged of each speaker: more speakers tell more than more clips, and every system paints all of them."""


@dataclass(frozen=True, slots=True)
class ExperimentData:
    """speech, pictures: to learn stage 1 and stage 2 from. heard: stage-1 clips to judge on; judged: those of them
    that are good for both stages. judged_on: how they were held out, in words.
    """

    speech: Selection
    pictures: Selection
    heard: tuple[ClipRef, ...]
    judged: tuple[ClipRef, ...]
    judged_on: str

    @property
    def release(self) -> str:
        """Id of the release."""
        return self.speech.release.release_id

    def selection(self, stage: Stage) -> Selection:
        """What a stage learns from."""
        return self.speech if stage is Stage.STAGE1 else self.pictures

    def half(self) -> "ExperimentData":
        """The same with half of the groups of training speakers, the same half for both stages."""
        groups = {clip.group for clip in (*self.speech.train, *self.pictures.train)}
        kept = set(shuffled(groups)[::2])
        halved = (
            replace(one, train=tuple(clip for clip in one.train if clip.group in kept))
            for one in (self.speech, self.pictures)
        )
        speech, pictures = halved
        return replace(self, speech=speech, pictures=pictures)

    def told(self, stage: Stage) -> str:
        """What a stage learns from, in words."""
        clips = self.selection(stage).train
        seconds = frame_to_second(sum(clip.facts.frames for clip in clips))
        speakers = len({clip.facts.speaker for clip in clips})
        return f"{counted(len(clips), 'clip')}, {seconds:.0f} s, {counted(speakers, 'speaker')}"


def held_out(workspace: Workspace, release: str | None, folds: int | None, fold: int) -> ExperimentData:
    """Footage of a release, the newest unless named: judged on its test split, or, with `folds`, on fold number `fold`
    (from 1) of the speakers of its train and val split who have a clip that is good for both stages.

    Raises: TrainingError - there is no such fold, or nobody to learn from or to judge on. NotFoundError - there is no
    such release.
    """
    found = find_release(workspace, release)
    speech, pictures = (select(workspace, found, stage) for stage in Stage)
    if folds is None:
        heard = tuple(clip for clip in candidates(workspace, found, Stage.STAGE1) if clip.split == "test")
        return _checked(ExperimentData(speech, pictures, heard, _both(heard), "the test split"))
    if not 1 <= fold <= folds:
        raise TrainingError(f"there is no fold {fold} of {folds}")
    names = shuffled({clip.group for clip in (*speech.train, *speech.val) if clip.both})
    held = set(names[fold - 1 :: folds])
    taught, heard = without(speech, held)
    shown, _ = without(pictures, held)
    return _checked(ExperimentData(taught, shown, heard, _both(heard), f"fold {fold} of {folds} over speakers"))


def scenes(footage: ExperimentData, side_px: int) -> list[EvalClip]:
    """The judged clips with crops of side_px, a few of each speaker.

    Raises: TrainingError - none is long enough, or a clip's numbers cannot be used.
    """
    made = list(_scenes(footage, few_a_speaker(footage.judged, _CLIPS_A_SPEAKER), side_px))
    if not made:
        raise TrainingError(
            f"no clip of {footage.judged_on} has more tracked frames than the {REFERENCES} that are told"
        )
    return made


def _scenes(footage: ExperimentData, clips: Sequence[ClipRef], side_px: int) -> Iterator[EvalClip]:
    for clip in clips:
        for eval_window in read_eval_windows(footage.pictures, [clip], side_px, REFERENCES, MOST_FRAMES, strict=False):
            yield EvalClip(eval_window, footage.speech.stored.speech(clip.place).mel)


def _both(clips: Sequence[ClipRef]) -> tuple[ClipRef, ...]:
    return tuple(clip for clip in clips if clip.both)


def _checked(footage: ExperimentData) -> ExperimentData:
    for stage in Stage:
        if not footage.selection(stage).train:
            raise TrainingError(f"nobody is left to learn {stage.value} from once {footage.judged_on} is held out")
    if not footage.judged:
        raise TrainingError(
            f"release {footage.release} has no clip in {footage.judged_on} that is good for both stages; "
            f"`--folds N` judges on speakers of its train and val split instead"
        )
    return footage
