"""Trains a landmark translator on a selection of clips, in a folder that a later run can go on from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lightning_fabric import Fabric

from model.perception.lite0 import Lite0
from model.perception.opening import open_perception
from model.stage2.critics import Critics
from model.stage2.files import save_translator
from model.stage2.inference import PainterTranslator
from model.stage2.judging import Sitting, answer
from model.stage2.lesson import CRITICS, PAINTER, Start, TranslationLesson
from model.stage2.network import Painter
from model.training.checkpoints import Checkpoints
from model.training.listening import Listener
from model.training.loop import Pace, Verdict, fit
from model.training.plan import Plan
from schemas.cards import TranslatorCard
from schemas.settings import WeightSettings
from schemas.training import Device
from schemas.translation import Stage2Settings
from tasks.feeding.clip_batches import batches_from
from tasks.feeding.picture_batches import PictureBatches
from tasks.learning import folders
from tasks.learning.devices import on_devices
from tasks.learning.selection import Footage, places, spread
from tasks.learning.sittings import EXAMS, FRAMES, REFERENCES, later_sittings, read_sittings, validation_scores
from tasks.learning.training import MODEL, Trained, best_of, pace_of, recipe_of, require_windows

Artist = Callable[[Painter, Sequence[Sitting], int], Mapping[str, bytes]]
"""Draws files to look at, by name."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """A translator to go on from, with its critics, on one speaker: the embedder stays as it is."""

    start: Start
    clips: tuple[str, ...]
    weights: str
    """sha256 of the painter's weights."""
    trained_by: Stage2Settings
    """Of the training that it came from."""


def train_translator(
    footage: Footage,
    settings: Stage2Settings,
    weights: WeightSettings,
    folder: Path,
    listener: Listener,
    draw: Artist | None = None,
    fresh: bool = False,
    tuning: Tuning | None = None,
    device: Device = "auto",
) -> Trained[TranslatorCard]:
    """Train, or go on training, and leave the finished translator in the folder. A Selection is footage, too.

    draw: pictures of a painter on sittings after so many steps. fresh: forget what an earlier run left there.

    Raises: TrainingError - too few windows for the devices, a loss or clip that is not finite, no room.
    WeightsMissingError - the settings ask for feature networks whose weights are not there. NotFoundError,
    WorkspaceError - the store cannot be read.
    """
    require_windows(settings.devices, settings.feed)
    folders.begin(folder, footage, fresh)
    given = (footage, settings, weights, folder, draw, tuning)
    return on_devices(device, settings.devices, settings.precision, _train, listener, *given)


def _train(
    fabric: Fabric,
    listener: Listener,
    footage: Footage,
    settings: Stage2Settings,
    weights: WeightSettings,
    folder: Path,
    draw: Artist | None,
    tuning: Tuning | None,
) -> Trained[TranslatorCard]:
    plan = Plan([clip.facts for clip in footage.train], recipe_of(settings.feed, settings.seed))
    where = places(footage.train)
    batches = PictureBatches(footage.stored, where, plan, settings, fabric.global_rank, fabric.world_size)
    sittings, pace, held = _looked_at(footage, settings, tuning)
    judge = Lite0().to(fabric.device)
    perception = open_perception(settings.losses, weights)

    def judge_it(painter: Painter, step: int) -> Verdict:
        drawn = draw(painter, sittings, step) if draw is not None and fabric.is_global_zero else {}
        translator = PainterTranslator(painter)
        made = ((sitting, answer(sitting, "painted", translator)) for sitting in sittings)
        return Verdict(validation_scores(made, judge), drawn)

    start, freeze = (None, False) if tuning is None else (tuning.start, True)
    lesson = TranslationLesson(fabric, settings, perception, judge_it, start, freeze)
    checkpoints = Checkpoints(folder)
    feed = batches_from(batches, settings.pace.steps, settings.feed.readers)
    fitted = fit(fabric, lesson, feed, pace, checkpoints, listener, settings.seed)
    best, step = best_of(fabric, checkpoints)
    painter, critics = Painter(settings.shape), Critics(settings.critics, settings.feed.window_frames)
    painter.load_state_dict(best[PAINTER])
    critics.load_state_dict(best[CRITICS])
    painter.eval()
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
        held_frames=held,
        trained_by=settings if tuning is None else tuning.trained_by,
    )
    if fabric.is_global_zero:
        save_translator(folder / MODEL, painter, critics, card)
    fabric.barrier()
    return Trained(folder, card, fitted, sum(value.numel() for value in painter.parameters()))


def _looked_at(footage: Footage, settings: Stage2Settings, tuning: Tuning | None) -> tuple[list[Sitting], Pace, int]:
    """What is looked at meanwhile, how often, and how many frames of that fine-tuning's best step is chosen by.

    Where fine-tuning has held nothing back, there is nothing to choose by: what it has learned from gets better and
    better. So all steps are taken, and looked at once, at their end.
    """
    side, pace = settings.shape.side_px, pace_of(settings.pace)
    if tuning is not None and (held := later_sittings(footage, side)):
        return held, pace, sum(int(sitting.judged.sum()) for sitting in held)
    if tuning is not None:
        pace = replace(pace, validate_every=pace.steps)
    clips = footage.val if tuning is None else footage.train
    return read_sittings(footage, spread(clips, EXAMS), side, REFERENCES, FRAMES), pace, 0
