"""The two models of a dubbing: opened, and the translator fine-tuned. model_lookup.py finds them.

Fine-tuning adapts the translator to the video's own face before it generates that face. What is learned is kept in the
workspace under a name that follows from the video, the crops, the translator and the settings, as every training is: a
second dubbing of the video finds it finished, and one that was killed goes on. It is noted there which video it learned
from, so that a takedown of that finds it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from heterodub.model.io import load_generator, load_translator
from heterodub.model.stage1.network import LandmarkGenerator
from heterodub.model.stage2.inference import TranslatorInference
from heterodub.model.stage2.translator import Translator
from heterodub.model.stage2.warp import WarpTranslator
from heterodub.model.training.callbacks import Callback, StepMetrics
from heterodub.model.training.sampler import ClipInfo
from heterodub.schemas.cards import GeneratorCard
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.contract import MEL_BANDS
from heterodub.schemas.errors import DubbingError, ModelFileError, TrainingError
from heterodub.tasks.dubbing.face_tracking import Followed
from heterodub.tasks.dubbing.jobs import ModelPaths
from heterodub.tasks.dubbing.references import ReferenceFrames
from heterodub.tasks.dubbing.segments import Face
from heterodub.tasks.faces.backend import LandmarkBackend
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.quality.senones import require_recogniser
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_selection import ClipRef, InMemoryClips
from heterodub.tasks.training.clip_store import ClipSource, HeldPictures, PictureClip
from heterodub.tasks.training.device import device_of
from heterodub.tasks.training.run_dirs import dubbings

_LEAST_FRAMES: Final = 2


@dataclass(frozen=True, slots=True)
class Models:
    """Models of a dubbing. names: of both models, for the output's metadata and the summary. folder: of the
    translator's files; None for the warp, which has learned nothing. tunings: as of ModelPaths.
    """

    generator: LandmarkGenerator
    card: GeneratorCard
    translator: Translator
    names: tuple[str, str]
    folder: Path | None = None
    tunings: Path | None = None


def open_models(paths: ModelPaths, settings: Settings, backend: LandmarkBackend) -> Models:
    """Load the models.

    Raises: ModelFileError - a model is damaged, of another contract, or was made for another backend's landmarks.
    SettingsError - the device is not there, or the recogniser whose scores the generator reads.
    """
    device = device_of(settings.device)
    generator, card = load_generator(paths.generator, device)
    _require(paths.names[0], card.backend, backend)
    if generator.architecture.speech_width > MEL_BANDS:
        require_recogniser()
    if paths.translator is None:
        return Models(generator, card, WarpTranslator(settings.dub.warp_px), paths.names)
    translator, translator_card = load_translator(paths.translator, device)
    _require(paths.names[1], translator_card.backend, backend)
    return Models(generator, card, TranslatorInference(translator), paths.names, paths.translator, paths.tunings)


def _require(name: str, made_for: str, backend: LandmarkBackend) -> None:
    if made_for != backend.name:
        raise ModelFileError(
            f"{name} takes landmarks of {made_for}, the settings name {backend.name}: set `backend` to the former"
        )


def first_seconds(faces: Sequence[Face], followed: Followed, seconds: float) -> list[Face]:
    """Select the faces, by time, within the first `seconds` that show a face; their references are all pictures of that
    time.

    Pictures that will not be dubbed are no part of it: there the landmarks are guesses.
    """
    lasts_S = np.diff(followed.ticks_S, append=followed.ticks_S[-1] + followed.last_lasts)
    left = round(Fraction(seconds) / followed.base)
    selected = []
    for face in faces:
        rows = np.flatnonzero(face.strength_T > 0)
        rows = rows[np.cumsum(lasts_S[face.track.first + rows]) <= left]
        if len(rows) < _LEAST_FRAMES:
            continue
        left -= int(lasts_S[face.track.first + rows].sum())
        first = face.track.first
        selected.append(replace(face, references=tuple(range(first + int(rows[0]), first + int(rows[-1]) + 1))))
    return selected


def as_clip(face: Face, references: ReferenceFrames) -> PictureClip:
    """Return a face of `first_seconds` as a clip of stage 2: crops without loss, landmarks in their pixels."""
    rows = slice(face.references[0] - face.track.first, face.references[-1] - face.track.first + 1)
    boxes = np.tile(np.array([0, 0, references.pictures.shape[1]], np.float32), (len(references.pictures), 1))
    crops = tuple(cv2.imencode(".png", crop[..., ::-1])[1].tobytes() for crop in references.pictures)
    return PictureClip(references.landmarks, face.strength_T[rows] > 0, boxes, crops)


def finetune(
    models: Models,
    clips: Sequence[PictureClip],
    media_id: str,
    seconds: float,
    settings: Settings,
    progress: ProgressSink,
) -> Models:
    """Fine-tune the translator on the clips, which are `seconds` long at most, and return the models. media_id: sha256
    of the video that they were cut from.

    Raises: DubbingError - the clips are too few or too short. ModelFileError - the translator has no discriminators
    beside it. WorkspaceError - there is no workspace to keep what is learned in. TrainingError - no room.
    """
    from heterodub.tasks.training.finetuning import (  # here, not above: Lightning takes seconds to load
        begin_from,
        held_back,
    )
    from heterodub.tasks.training.run import run_training  # and most dubbings tune nothing
    from heterodub.tasks.training.stage2 import translator_spec

    if models.folder is None:
        raise DubbingError(f"{models.names[1]} has nothing to tune: name a translator that was trained")
    if not clips:
        raise DubbingError(f"there are no two pictures within {seconds:g} s that show the face well enough to learn it")
    clips_by_id = {_content(clip): clip for clip in clips}
    name = "+".join(sorted(clips_by_id))
    stage2, finetuning = begin_from(models.folder, settings.stage2, name)
    _, card = load_translator(models.folder)
    refs = tuple(
        ClipRef(ClipInfo(key, len(clip.crops), key), ClipSource(key, media_id), "train", key, False)
        for key, clip in clips_by_id.items()
    )
    footage = InMemoryClips(HeldPictures(clips_by_id), *held_back(refs), card.release, card.backend)
    identity = hashlib.sha256(f"{media_id} {name} {finetuning.weights} {stage2.model_dump_json()}".encode()).hexdigest()
    folder = (models.tunings or dubbings(Workspace.open(settings.workspace))) / f"dubbing-{identity[:12]}"
    progress.phase("fine-tune", stage2.schedule.max_steps)
    try:
        spec = translator_spec(footage, stage2, settings.weights, finetuning=finetuning)
        run = run_training(spec, folder, _Steps(progress), device=settings.device)
    except TrainingError as error:
        raise DubbingError(f"the face cannot be learned from its first {seconds:g} s: {error}") from error
    translator = TranslatorInference(load_translator(run.model, device_of(settings.device))[0])
    names = (models.names[0], f"{models.names[1]}, tuned on {seconds:g} s of this face")
    return replace(models, translator=translator, names=names, folder=run.model)


def _content(clip: PictureClip) -> str:
    digest = hashlib.sha256(b"".join(clip.crops))
    digest.update(clip.landmarks.tobytes() + clip.tracked.tobytes())
    return digest.hexdigest()[:16]


class _Steps(Callback):
    """Reports training steps to a sink."""

    def __init__(self, progress: ProgressSink) -> None:
        self._progress = progress

    def on_train_step_end(self, report: StepMetrics) -> None:
        """Report a step as a frame."""
        self._progress.advance()
