"""Trains the systems that the paper compares with on a selection of clips, in a folder that a later run can go on from.

They learn only from clips that are good in both picture and sound, because they cannot use the others. That is the
comparison: our two stages take the rest as well.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from lightning_fabric import Fabric
from numpy.typing import NDArray

from model.baselines.batches import AVBatch, AVClip
from model.baselines.build import BASELINES
from model.baselines.evaluation import painted
from model.baselines.files import save_baseline
from model.baselines.inference import BaselineInference, BaselineNetwork
from model.baselines.training_module import TRANSLATOR_NETWORK, TrainingContext
from model.evaluation.translator import EvalWindow, TranslatorEvalClip, sit
from model.features.face_frame import FaceFrame
from model.perceptual.lite0 import Lite0
from model.perceptual.opening import open_perception
from model.stage2.translator import Pictures
from model.training.callbacks import Callback
from model.training.checkpoints import Checkpoints
from model.training.sampler import WindowSampler
from model.training.trainer import ValidationResult, fit
from schemas.cards import BaselineCard
from schemas.config.baselines import BaselineName, BaselineSettings
from schemas.config.settings import WeightSettings
from schemas.config.training import Device
from schemas.config.translation import PictureAugmentation, PictureLosses
from schemas.errors import TrainingError
from schemas.reasons import Stage
from tasks.stores.workspace import Workspace
from tasks.training import run_dirs
from tasks.training.clip_selection import ClipRef, Selection, spread
from tasks.training.common import MODEL, TrainingResult, best_of, pace_of, recipe_of
from tasks.training.data.baseline_dataset import BaselineDataset, BothStages
from tasks.training.data.clip_store import StoredClips
from tasks.training.data.dataset import batches_from
from tasks.training.distributed import on_devices
from tasks.training.validation import EXAMS, FRAMES, REFERENCES, require_some, validation_scores

_FACE_CLIPS, _FACE_STEP = 400, 5
"""Clips of the train split, spread over its speakers, whose landmarks tell how faces differ; of each one frame in
five.
"""

_PLAIN: Final = PictureAugmentation(hflip_prob=0, color_jitter=0)


@dataclass(frozen=True, slots=True)
class PairedSelection(Selection):
    """Clips that are good for both stages, with access to both payloads. `stored` is that of stage 2."""

    both: BothStages


@dataclass(frozen=True, slots=True, eq=False)
class BaselineEvalClip:
    """A clip of the val split to judge on: what is told and judged of it, and what is heard."""

    eval_window: EvalWindow
    mel_TMK: NDArray[np.float32]

    def painted(self, translator: BaselineInference) -> Pictures:
        """A baseline's crops for the evaluation window's span, (F, S, S, 3) uint8."""
        return painted(translator, self.eval_window, self.mel_TMK[self.eval_window.span])


Artist = Callable[[BaselineInference, Sequence[BaselineEvalClip], int], Mapping[str, bytes]]
"""Draws files to look at, by name."""


def paired(workspace: Workspace, selection: Selection) -> PairedSelection:
    """Of a stage-2 selection, the clips that stage 1 holds as well: what a baseline can be trained on.

    Raises: TrainingError - none is left to learn from, or to judge by. NotFoundError - files of the release were
    erased.
    """
    kept = {split: tuple(clip for clip in getattr(selection, split) if clip.both) for split in ("train", "val")}
    release = selection.release
    for split, clips in kept.items():
        if not clips:
            raise TrainingError(
                f"release {release.release_id} has no clip in its {split} split that is good for both stages (of "
                f"{len(getattr(selection, split))} stage2 clips): baselines need picture and sound of the same clip"
            )
    stored = {stage: StoredClips.of(workspace, stage, release.versions[stage.value]) for stage in Stage}
    both = BothStages(stored[Stage.STAGE1], stored[Stage.STAGE2])
    return PairedSelection(release, stored[Stage.STAGE2], kept["train"], kept["val"], both)


def train_baseline(
    name: BaselineName,
    selection: PairedSelection,
    settings: BaselineSettings,
    weights: WeightSettings,
    folder: Path,
    listener: Callback,
    draw: Artist | None = None,
    fresh: bool = False,
    device: Device = "auto",
) -> TrainingResult[BaselineCard]:
    """Train a baseline, or go on training it, and leave it finished in the folder (model/baselines/files.py reads it).

    draw: pictures of what it paints on exams after so many steps. fresh: forget what an earlier run left there.

    Raises: TrainingError - a loss or clip that is not finite, no room, or Wav2Lip's time was up with its expert.
    WeightsMissingError - the settings ask for feature networks whose weights are not there. NotFoundError,
    WorkspaceError - the store cannot be read.
    """
    run_dirs.begin(folder, selection, fresh)
    given = (name, selection, settings, weights, folder, draw)
    return on_devices(device, 1, settings.precision, _train, listener, *given)


def _train(
    fabric: Fabric,
    listener: Callback,
    name: BaselineName,
    selection: PairedSelection,
    settings: BaselineSettings,
    weights: WeightSettings,
    folder: Path,
    draw: Artist | None,
) -> TrainingResult[BaselineCard]:
    baseline = BASELINES[name]
    _require_time_to_paint(name, settings, settings.schedule.max_steps)
    plan = WindowSampler([clip.facts for clip in selection.train], recipe_of(settings.data, settings.seed))
    batches = BaselineDataset(selection.both, selection.places, plan, settings)
    exams = read_talking_exams(selection, spread(selection.val, EXAMS), settings.architecture.side_px)
    judge = Lite0().to(fabric.device)
    losses = PictureLosses(perception=settings.perception)
    perception = open_perception(losses, weights) if baseline.feature_networks else []

    def judge_it(network: BaselineNetwork, step: int) -> ValidationResult:
        translator = BaselineInference(network)
        drawn = draw(translator, exams, step) if draw is not None else {}
        made = (
            (exam.eval_window, np.asarray(exam.painted(translator) / np.float32(255), np.float32)) for exam in exams
        )
        return ValidationResult(validation_scores(made, judge), drawn)

    given = TrainingContext(judge_it, _looked_at(selection, settings), partial(_faces, selection), perception)
    module, checkpoints = baseline.teach(fabric, settings, given), Checkpoints(folder)
    minutes = settings.schedule.minutes
    schedule = replace(pace_of(settings.schedule), limit_s=None if minutes is None else 60 * minutes)
    data = batches_from(batches, settings.schedule.max_steps, settings.data.num_workers)
    fitted = fit(fabric, module, data, schedule, checkpoints, listener, settings.seed)
    _require_time_to_paint(name, settings, fitted.step)
    best, step = best_of(fabric, checkpoints)
    network = baseline.build(settings.architecture)
    network.load_state_dict(best[TRANSLATOR_NETWORK])
    network.eval()
    card = BaselineCard(
        kind=name,
        architecture=settings.architecture,
        backend=selection.release.backend,
        release=selection.release.release_id,
        seed=settings.seed,
        steps=step,
        perception=tuple(one.name for one in perception),
    )
    save_baseline(folder / MODEL, network, card)
    return TrainingResult(folder, card, fitted, sum(value.numel() for value in network.parameters()))


def _require_time_to_paint(name: BaselineName, settings: BaselineSettings, steps: int) -> None:
    if name == "wav2lip" and steps <= settings.syncnet_steps:
        raise TrainingError(
            f"wav2lip has {steps} steps, of which its expert needs {settings.syncnet_steps}: nothing is left to learn "
            f"to paint; allow more steps or minutes, or fewer baselines.syncnet_steps"
        )


def read_talking_exams(selection: PairedSelection, clips: Sequence[ClipRef], side_px: int) -> list[BaselineEvalClip]:
    """Clips to judge on, in memory. Those too short to tell frames of and judge others are left out.

    Raises: TrainingError - a clip's numbers cannot be used, or none is long enough. NotFoundError, WorkspaceError - one
    cannot be read.
    """
    exams = []
    for clip in clips:
        talker = _talker(selection, clip, side_px)
        exam = TranslatorEvalClip(clip.facts.clip_id, clip.facts.speaker, talker.portrait)
        with suppress(ValueError):  # too short
            exams.append(BaselineEvalClip(sit(exam, REFERENCES, FRAMES), talker.mel_TMK))
    require_some(exams, REFERENCES)
    return exams


def _talker(selection: PairedSelection, clip: ClipRef, side_px: int) -> AVClip:
    try:
        return selection.both.talker(clip.place, side_px)
    except ValueError as error:
        raise TrainingError(f"clip {clip.facts.clip_id}: {error}") from error


def _looked_at(selection: PairedSelection, settings: BaselineSettings) -> AVBatch:
    """The same windows of the val split at every look, not varied."""
    data = settings.data.model_copy(update={"batch": settings.looked_at})
    plan = WindowSampler([clip.facts for clip in selection.val], recipe_of(data, settings.seed))
    plain = settings.model_copy(update={"augmentation": _PLAIN})
    batch = BaselineDataset(selection.both, selection.places, plan, plain)[0]
    if not isinstance(batch, AVBatch):
        raise TrainingError(f"a batch cannot be made: {batch.text}")
    return batch


def _faces(selection: PairedSelection) -> NDArray[np.float64]:
    """Landmarks of the train split, (n, 216, 2), each in its own face frame."""
    found = []
    for clip in spread(selection.train, _FACE_CLIPS):
        row = selection.both.speech.speech(clip.place)
        points = row.landmarks[row.tracked][::_FACE_STEP]
        found.append(FaceFrame.of(points).enter(points))
    return np.concatenate(found)
