"""Train and test clips of the tables, alike for both stages: test speakers are in no training set of either."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from heterodub.model.evaluation.systems import EvalClip
from heterodub.model.features.timing import frame_to_second
from heterodub.schemas.display import counted
from heterodub.schemas.errors import TrainingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.evaluation.cross_validation import shuffled, without
from heterodub.tasks.evaluation.translator_scores import MOST_FRAMES
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_selection import ClipRef, Selection, candidates, few_a_speaker, find_release, select
from heterodub.tasks.training.validation import read_eval_windows

REFERENCES: Final = 8
"""Number of reference frames of a clip; they are not scored."""

_CLIPS_A_SPEAKER: Final = 2
"""Scored clips of each speaker: more clips add little information, and every system generates all of them."""


@dataclass(frozen=True, slots=True)
class ExperimentData:
    """Train and test clips of an experiment.

    speech, pictures: train and val clips of stage 1 and stage 2. test_speech: stage-1 test clips; test_clips: those of
    them that are good for both stages. evaluated_on: name of the test set, in words.
    """

    speech: Selection
    pictures: Selection
    test_speech: tuple[ClipRef, ...]
    test_clips: tuple[ClipRef, ...]
    evaluated_on: str

    @property
    def release(self) -> str:
        """Id of the release."""
        return self.speech.release.release_id

    def selection(self, stage: Stage) -> Selection:
        """Return a stage's train and val clips."""
        return self.speech if stage is Stage.STAGE1 else self.pictures

    def half(self) -> "ExperimentData":
        """Return the data with half of the groups of training speakers, the same half for both stages."""
        groups = {clip.group for clip in (*self.speech.train, *self.pictures.train)}
        half_groups = set(shuffled(groups)[::2])
        halved = (
            replace(selection, train=tuple(clip for clip in selection.train if clip.group in half_groups))
            for selection in (self.speech, self.pictures)
        )
        speech, pictures = halved
        return replace(self, speech=speech, pictures=pictures)

    def size_text(self, stage: Stage) -> str:
        """Return the size of a stage's training set, in words."""
        clips = self.selection(stage).train
        seconds = frame_to_second(sum(clip.facts.frames for clip in clips))
        speakers = len({clip.facts.speaker for clip in clips})
        return f"{counted(len(clips), 'clip')}, {seconds:.0f} s, {counted(speakers, 'speaker')}"


def held_out(workspace: Workspace, release: str | None, folds: int | None, fold: int) -> ExperimentData:
    """Select the data of a release, by default the newest. The test set is its test split or, with `folds`, fold number
    `fold` (from 1) of the speakers of its train and val split who have a clip that is good for both stages.

    Raises: TrainingError - there is no such fold, or no train or test clip. NotFoundError - there is no such release.
    """
    chosen_release = find_release(workspace, release)
    speech, pictures = (select(workspace, chosen_release, stage) for stage in Stage)
    if folds is None:
        test_speech = tuple(
            clip for clip in candidates(workspace, chosen_release, Stage.STAGE1) if clip.split == "test"
        )
        return _checked(ExperimentData(speech, pictures, test_speech, _both(test_speech), "the test split"))
    if not 1 <= fold <= folds:
        raise TrainingError(f"there is no fold {fold}; folds are 1 to {folds}")
    names = shuffled({clip.group for clip in (*speech.train, *speech.val) if clip.both})
    held_groups = set(names[fold - 1 :: folds])
    train_speech, test_speech = without(speech, held_groups)
    train_pictures, _ = without(pictures, held_groups)
    name = f"fold {fold} of {folds} over speakers"
    return _checked(ExperimentData(train_speech, train_pictures, test_speech, _both(test_speech), name))


def scenes(footage: ExperimentData, side_px: int) -> list[EvalClip]:
    """Read the test clips with crops of side_px, a few of each speaker.

    Raises: TrainingError - none is long enough, or a clip's numbers cannot be used.
    """
    eval_clips = list(_scenes(footage, few_a_speaker(footage.test_clips, _CLIPS_A_SPEAKER), side_px))
    if not eval_clips:
        raise TrainingError(
            f"no clip of {footage.evaluated_on} has more tracked frames than the {REFERENCES} references"
        )
    return eval_clips


def _scenes(footage: ExperimentData, clips: Sequence[ClipRef], side_px: int) -> Iterator[EvalClip]:
    for clip in clips:
        for eval_window in read_eval_windows(footage.pictures, [clip], side_px, REFERENCES, MOST_FRAMES, strict=False):
            yield EvalClip(eval_window, footage.speech.stored.speech(clip.place).speech)


def _both(clips: Sequence[ClipRef]) -> tuple[ClipRef, ...]:
    return tuple(clip for clip in clips if clip.both)


def _checked(footage: ExperimentData) -> ExperimentData:
    for stage in Stage:
        if not footage.selection(stage).train:
            raise TrainingError(f"no clip is left to train {stage.value} on once {footage.evaluated_on} is held out")
    if not footage.test_clips:
        raise TrainingError(
            f"release {footage.release} has no clip in {footage.evaluated_on} that is good for both stages; "
            f"`--folds N` evaluates on speakers of its train and val split instead"
        )
    return footage
