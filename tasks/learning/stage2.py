"""Trains a landmark translator on a selection of clips, in a folder that a later run can go on from."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lightning_fabric import Fabric

from model.metrics.speakers import over_speakers
from model.perception.lite0 import Lite0
from model.perception.opening import open_perception
from model.stage2.critics import Critics
from model.stage2.files import save_translator
from model.stage2.inference import PainterTranslator
from model.stage2.judging import PictureExam, Sitting, answer, sit
from model.stage2.lesson import CRITICS, PAINTER, Start, TranslationLesson
from model.stage2.network import Painter
from model.stage2.scorecard import Sat
from model.stage2.scores import score
from model.training.checkpoints import BEST, Checkpoints
from model.training.listening import Listener
from model.training.loop import Fitted, Verdict, fit, read_on_all
from model.training.plan import Plan
from schemas.cards import TranslatorCard
from schemas.errors import TrainingError
from schemas.settings import WeightSettings
from schemas.translation import Stage2Settings
from tasks.feeding.clip_batches import batches_from
from tasks.feeding.picture_batches import PictureBatches, portrait
from tasks.learning import folders
from tasks.learning.devices import on_devices
from tasks.learning.selection import Candidate, Footage, places
from tasks.learning.stage1 import MODEL, pace_of, recipe_of, spread

_EXAMS: Final = 12
"""Clips of the val split that are looked at, spread over its speakers."""

_FRAMES, _REFERENCES = 8, 8
"""Frames of each that are painted, and that are told."""

_SHOWN: Final = ("pd_lower", "pd5_lower", "pd_mouth", "psnr_mouth", "ssim_lower", "sharpness_mouth")

Artist = Callable[[Painter, Sequence[Sitting], int], Mapping[str, bytes]]
"""Draws files to look at, by name."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """A translator to go on from, with its critics, on one speaker: the embedder stays as it is."""

    start: Start
    clips: tuple[str, ...]
    weights: str
    """sha256 of the painter's weights."""


@dataclass(frozen=True, slots=True)
class TrainedTranslator:
    """A finished training. folder holds its checkpoints and, under MODEL, the translator."""

    folder: Path
    card: TranslatorCard
    fitted: Fitted
    parameters: int

    @property
    def model(self) -> Path:
        """Folder of the translator."""
        return self.folder / MODEL


def train_translator(
    footage: Footage,
    settings: Stage2Settings,
    weights: WeightSettings,
    folder: Path,
    listener: Listener,
    draw: Artist | None = None,
    fresh: bool = False,
    tuning: Tuning | None = None,
) -> TrainedTranslator:
    """Train, or go on training, and leave the finished translator in the folder. A Selection is footage, too.

    draw: pictures of a painter on sittings after so many steps. fresh: forget what an earlier run left there.

    Raises: TrainingError - too few windows for the devices, a loss or clip that is not finite, no room.
    WeightsMissingError - the settings ask for feature networks whose weights are not there. NotFoundError,
    WorkspaceError - the store cannot be read.
    """
    if settings.devices > settings.feed.batch:
        raise TrainingError(f"{settings.devices} devices cannot share batches of {settings.feed.batch} windows")
    folders.begin(folder, footage, fresh)
    given = (footage, settings, weights, folder, draw, tuning)
    return on_devices(settings.devices, settings.precision, _train, listener, *given)


def _train(
    fabric: Fabric,
    listener: Listener,
    footage: Footage,
    settings: Stage2Settings,
    weights: WeightSettings,
    folder: Path,
    draw: Artist | None,
    tuning: Tuning | None,
) -> TrainedTranslator:
    plan = Plan([clip.facts for clip in footage.train], recipe_of(settings.feed, settings.seed))
    where = places(footage.train)
    batches = PictureBatches(footage.stored, where, plan, settings, fabric.global_rank, fabric.world_size)
    sittings = read_sittings(footage, spread(footage.val, _EXAMS), settings.shape.side_px, _REFERENCES, _FRAMES)
    judge = Lite0().to(fabric.device)
    perception = open_perception(settings.losses, weights)

    def judge_it(painter: Painter, step: int) -> Verdict:
        drawn = draw(painter, sittings, step) if draw is not None and fabric.is_global_zero else {}
        return Verdict(validation_scores(painter, sittings, judge), drawn)

    start, freeze = (None, False) if tuning is None else (tuning.start, True)
    lesson = TranslationLesson(fabric, settings, perception, judge_it, start, freeze)
    checkpoints = Checkpoints(folder)
    feed = batches_from(batches, settings.pace.steps, settings.feed.readers)
    fitted = fit(fabric, lesson, feed, pace_of(settings.pace), checkpoints, listener, settings.seed)
    painter, critics, step = _best(fabric, checkpoints, settings)
    card = TranslatorCard(
        shape=settings.shape,
        critics=settings.critics,
        window_frames=settings.feed.window_frames,
        backend=footage.backend,
        release=footage.release_id,
        seed=settings.seed,
        steps=step,
        perception=tuple(one.name for one in perception),
        tuned_on=() if tuning is None else tuning.clips,
        tuned_from=None if tuning is None else tuning.weights,
    )
    if fabric.is_global_zero:
        save_translator(folder / MODEL, painter, critics, card)
    fabric.barrier()
    return TrainedTranslator(folder, card, fitted, sum(value.numel() for value in painter.parameters()))


def read_sittings(
    footage: Footage,
    clips: Sequence[Candidate],
    side_px: int,
    references: int,
    most_frames: int,
    strict: bool = True,
) -> list[Sitting]:
    """Clips to judge on, in memory. Those too short to tell frames of and judge others are left out.

    strict: that none is left is an error.

    Raises: TrainingError - a clip's numbers cannot be used, or none is long enough. NotFoundError, WorkspaceError - one
    cannot be read.
    """
    sittings = []
    for clip in clips:
        try:
            read = portrait(footage.stored.pictures(clip.place), side_px, clip.facts.frames)
        except ValueError as error:
            raise TrainingError(f"clip {clip.facts.clip_id}: {error}") from error
        exam = PictureExam(clip.facts.clip_id, clip.facts.speaker, read)
        with suppress(ValueError):  # too short
            sittings.append(sit(exam, references, most_frames))
    if strict and not sittings:
        raise TrainingError(f"no clip to judge on has more than the {references} tracked frames that are told")
    return sittings


def validation_scores(painter: Painter, sittings: Sequence[Sitting], judge: Lite0) -> dict[str, float | None]:
    """What a training looks at on its val split: "loss", the perceptual distance on the lower half by the stages it
    learns from, and scores; means over speakers.
    """
    translator = PainterTranslator(painter)
    sat = []
    for sitting in sittings:
        scores = score(sitting, answer(sitting, "painted", translator), judge)
        sat.append(Sat(sitting.exam.clip_id, sitting.exam.speaker, "painted", scores))
    means = {name: over_speakers(sat, name) for name in _SHOWN}
    return {"loss": means["pd_lower"]} | means


def _best(fabric: Fabric, checkpoints: Checkpoints, settings: Stage2Settings) -> tuple[Painter, Critics, int]:
    found = read_on_all(fabric, checkpoints, BEST)
    if found is None:
        raise TrainingError(f"{checkpoints.folder} holds no best checkpoint; train with --fresh")
    painter, critics = Painter(settings.shape), Critics(settings.critics, settings.feed.window_frames)
    painter.load_state_dict(found["weights"][PAINTER])
    critics.load_state_dict(found["weights"][CRITICS])
    return painter.eval(), critics, int(found["step"])
