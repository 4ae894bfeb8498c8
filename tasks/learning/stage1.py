"""Trains a landmark generator on a selection of clips, in a folder that a later run can go on from."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from lightning_fabric import Fabric
from numpy.typing import NDArray
from pydantic import BaseModel

from model.metrics.speakers import by_speaker
from model.stage1.features import prepare
from model.stage1.files import save_generator
from model.stage1.judging import Exam, judge, validation_scores
from model.stage1.lesson import GeneratorLesson, loss_weights
from model.stage1.network import LandmarkGenerator
from model.stage1.pose_filter import PoseMoments
from model.training.checkpoints import BEST, Checkpoints
from model.training.listening import Listener
from model.training.loop import Fitted, Pace, Verdict, fit, read_on_all
from model.training.plan import Plan, Recipe
from schemas.cards import GeneratorCard
from schemas.errors import TrainingError
from schemas.training import FeedSettings, PaceSettings, Stage1Settings
from tasks.feeding.clip_batches import batches_from
from tasks.feeding.speech_batches import SpeechBatches
from tasks.learning import folders
from tasks.learning.devices import on_devices
from tasks.learning.selection import Candidate, Selection
from tasks.stores.workspace import Workspace

_EXAMS: Final = 64
"""Clips of the val split that are looked at, spread over its speakers; more would cost time and tell little."""

_ARTICULATION: Final = 0.85
"""What the gain brings articulation to. Full movement would cost more error than it shows: what L1 leaves out is what
it is unsure of.
"""

_MOST_GAIN: Final = 1.3
"""Beyond it the predictions carry no movement worth amplifying."""

_FILTER_CLIPS: Final = 2000
"""Clips of the train split, spread over its speakers, that say what mouths leave in a pose."""

Artist = Callable[[LandmarkGenerator, Sequence[Exam], int], Mapping[str, bytes]]
"""Draws files to look at, by name."""

MODEL: Final = "model"
"""Folder of the finished generator, below that of its training."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training. folder holds its checkpoints and, under MODEL, the generator."""

    folder: Path
    card: GeneratorCard
    fitted: Fitted
    parameters: int

    @property
    def model(self) -> Path:
        """Folder of the generator."""
        return self.folder / MODEL


def training_folder(workspace: Workspace, selection: Selection, settings: BaseModel, stage: str = "stage1") -> Path:
    """Where a training keeps its files: the same release, clips and settings lead to the same folder, so that a run
    that was killed is continued by running it again.
    """
    clips = [clip.facts.clip_id for clip in (*selection.train, *selection.val)]
    identity = json.dumps([selection.release.release_id, clips, settings.model_dump(mode="json")])
    name = f"{stage}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    return folders.trainings(workspace) / name


def train_generator(
    selection: Selection,
    settings: Stage1Settings,
    folder: Path,
    listener: Listener,
    draw: Artist | None = None,
    fresh: bool = False,
) -> Trained:
    """Train, or go on training, and leave the finished generator in the folder.

    draw: pictures of a generator on exams after so many steps. fresh: forget what an earlier run left there.

    Raises: TrainingError - too few windows for the devices, a loss or clip that is not finite, no room. NotFoundError,
    WorkspaceError - the store cannot be read.
    """
    if settings.devices > settings.feed.batch:
        raise TrainingError(f"{settings.devices} devices cannot share batches of {settings.feed.batch} windows")
    folders.begin(folder, selection, fresh)
    return on_devices(settings.devices, settings.precision, _train, listener, selection, settings, folder, draw)


def _train(
    fabric: Fabric,
    listener: Listener,
    selection: Selection,
    settings: Stage1Settings,
    folder: Path,
    draw: Artist | None,
) -> Trained:
    plan = Plan([clip.facts for clip in selection.train], recipe(settings))
    batches = SpeechBatches(selection.stored, selection.places, plan, settings, fabric.global_rank, fabric.world_size)
    exams = read_exams(selection, spread(selection.val, _EXAMS), settings)

    def judge_it(generator: LandmarkGenerator, step: int) -> Verdict:
        drawn = draw(generator, exams, step) if draw is not None and fabric.is_global_zero else {}
        return Verdict(validation_scores(generator, exams, loss_weights(settings)), drawn)

    lesson = GeneratorLesson(fabric, settings, judge_it, _pose_filter(selection, settings))
    checkpoints, pace = Checkpoints(folder), pace_of(settings.pace)
    feed = batches_from(batches, settings.pace.steps, settings.feed.readers)
    fitted = fit(fabric, lesson, feed, pace, checkpoints, listener, settings.seed)
    generator, step = _best(fabric, checkpoints, settings)
    card = GeneratorCard(
        shape=settings.shape,
        backend=selection.release.backend,
        release=selection.release.release_id,
        seed=settings.seed,
        steps=step,
        gain=articulation_gain(generator, exams),
    )
    if fabric.is_global_zero:
        save_generator(folder / MODEL, generator, card)
    fabric.barrier()
    return Trained(folder, card, fitted, sum(value.numel() for value in generator.parameters()))


def pace_of(pace: PaceSettings) -> Pace:
    """How long, in the loop's words."""
    return Pace(pace.steps, pace.validate_every, pace.save_every, pace.patience)


def _pose_filter(selection: Selection, settings: Stage1Settings) -> NDArray[np.float32] | None:
    """What of the pose may be seen, by the training clips; see model/stage1/pose_filter.py."""
    if not settings.shape.pose_components:
        return None
    footage: Counter[str] = Counter()
    for clip in selection.train:
        footage[clip.facts.speaker] += clip.facts.frames
    moments = PoseMoments()
    for exam in stream_exams(selection, spread(selection.train, _FILTER_CLIPS), settings):
        moments.add(exam.prepared, 1 / footage[exam.speaker])
    try:
        return moments.filter(settings.shape.pose_components)
    except ValueError as error:
        raise TrainingError(f"release {selection.release.release_id}: {error}") from error


def recipe(settings: Stage1Settings) -> Recipe:
    """How a plan makes batches under these settings."""
    return recipe_of(settings.feed, settings.seed)


def recipe_of(feed: FeedSettings, seed: int) -> Recipe:
    """How a plan makes batches."""
    return Recipe(feed.window_frames, feed.batch, feed.buffer_frames, feed.balance, seed)


def read_exams(selection: Selection, clips: Sequence[Candidate], settings: Stage1Settings) -> list[Exam]:
    """Clips to judge on, in memory. Raises as `stream_exams`."""
    return list(stream_exams(selection, clips, settings))


def stream_exams(selection: Selection, clips: Sequence[Candidate], settings: Stage1Settings) -> Iterator[Exam]:
    """Clips as they are read, one at a time.

    Raises: TrainingError - a clip's numbers cannot be used. NotFoundError, WorkspaceError - it cannot be read.
    """
    for clip in clips:
        row = selection.stored.speech(clip.place)
        try:
            prepared = prepare(row.mel, row.landmarks, row.tracked, settings.shape.pose_sigma_frames)
        except ValueError as error:
            raise TrainingError(f"clip {clip.facts.clip_id}: {error}") from error
        yield Exam(clip.facts.clip_id, clip.facts.speaker, row.landmarks, row.mel, prepared)


def spread(clips: Sequence[Candidate], count: int) -> list[Candidate]:
    """At most `count` clips, taken from all speakers in turn; by ids, so always the same."""
    by_speaker: dict[str, list[Candidate]] = {}
    for clip in sorted(clips, key=lambda clip: clip.facts.clip_id):
        by_speaker.setdefault(clip.facts.speaker, []).append(clip)
    turns = [(turn, speaker) for speaker, own in by_speaker.items() for turn in range(len(own))]
    return [by_speaker[speaker][turn] for turn, speaker in sorted(turns)[:count]]


def articulation_gain(generator: LandmarkGenerator, exams: Sequence[Exam]) -> float:
    """The gain that lets mouths of the val split move enough, from 1 upward; 1 where it cannot be measured.

    The median over speakers decides: one whose mouth hardly moves has any ratio.
    """
    measured = by_speaker(judge(generator, exams, 1, systems=("own sound",)), "articulation")
    usual = float(np.median(list(measured.values()))) if measured else 0.0
    return float(np.clip(_ARTICULATION / usual, 1.0, _MOST_GAIN)) if usual > 0 else 1.0


def _best(fabric: Fabric, checkpoints: Checkpoints, settings: Stage1Settings) -> tuple[LandmarkGenerator, int]:
    found = read_on_all(fabric, checkpoints, BEST)
    if found is None:
        raise TrainingError(f"{checkpoints.folder} holds no best checkpoint; train with --fresh")
    generator = LandmarkGenerator(settings.shape)
    generator.load_state_dict(found["weights"])
    return generator.eval(), int(found["step"])
