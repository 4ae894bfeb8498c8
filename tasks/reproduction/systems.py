"""Systems of Table 1, one entry each, and the cached scores of systems.

An interrupted evaluation resumes, and a system in two tables is evaluated once. The kinds of training that systems need
are in jobs.py.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import torch
from pydantic import TypeAdapter

from heterodub.model.evaluation.clip_scores import SpeakerScores
from heterodub.model.evaluation.systems import BaselineSystem, EvalClip, Evaluator, System, TwoStage, WithoutAudio
from heterodub.model.evaluation.translator import System as Row
from heterodub.model.files import write_atomic
from heterodub.model.io import load_baseline, load_generator, load_translator
from heterodub.model.perceptual import Lite0
from heterodub.model.stage2.inference import TranslatorInference
from heterodub.model.stage2.translator import Translator
from heterodub.model.stage2.warp import WarpTranslator
from heterodub.schemas.config.baselines import BaselineName
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import TrainingError
from heterodub.tasks.evaluation.translator_scores import finder
from heterodub.tasks.reproduction.footage import REFERENCES, ExperimentData, scenes
from heterodub.tasks.reproduction.jobs import GENERATOR, TRANSLATOR, TrainingJob
from heterodub.tasks.reproduction.trainer_cache import code_of
from heterodub.tasks.training.device import device_of

_CODE: Final = (
    "model",
    "schemas",
    "tasks/faces",
    "tasks/training",
    "tasks/evaluation",
    "tasks/reproduction/systems.py",
    "tasks/reproduction/footage.py",
)
"""Folders and files whose code affects a score."""

Scores = Mapping[str, SpeakerScores]
_SCORES: Final = TypeAdapter(dict[str, SpeakerScores])

Models = Mapping[TrainingJob, Path]
"""Folders of trained models."""


@dataclass(frozen=True, slots=True)
class ComparedSystem:
    """A row of a table.

    kind: the system, in a word; with the trainings it identifies its scores. jobs: its trainings. opened: opens it from
    the folders of their models, the crops' side in pixels, and a device. ignores_sound: True if it takes the mouth from
    the ground truth and ignores the sound.
    """

    name: str
    kind: str
    jobs: tuple[TrainingJob, ...]
    opened: Callable[[Sequence[Path], int, torch.device], System]
    ignores_sound: bool = False


class EvaluatedSystems:
    """Scores of systems on the test clips, at the settings' size of crops. models: those of their trainings."""

    def __init__(self, settings: Settings, footage: ExperimentData, folder: Path) -> None:
        self._folder, self._device = folder, device_of(settings.device)
        self._side_px = settings.stage2.architecture.side_px
        self._find, self.missing = finder(settings, footage.speech.release.backend)
        self.scenes: list[EvalClip] = scenes(footage, self._side_px)
        clips, detects = [scene.eval_window.clip.clip_id for scene in self.scenes], self._find is not None
        self._identity = [footage.release, clips, REFERENCES, self._side_px, detects, code_of(_CODE)]

    def paired(self, system: ComparedSystem, models: Models) -> Scores:
        """Score a system; see Evaluator.paired."""
        return self._cached("paired", system, models, lambda opened: self._evaluator.paired(system.kind, opened))

    def unpaired(self, system: ComparedSystem, models: Models) -> SpeakerScores:
        """Score a system; see Evaluator.unpaired."""
        return self._cached("unpaired", system, models, lambda opened: {"": self._evaluator.unpaired(opened)})[""]

    @cached_property
    def _evaluator(self) -> Evaluator:
        return Evaluator(self.scenes, Lite0().to(self._device), self._find)

    def _cached(
        self, setting: str, system: ComparedSystem, models: Models, evaluate: Callable[[System], Scores]
    ) -> Scores:
        folders = [models[job] for job in system.jobs]
        identity = json.dumps([*self._identity, setting, system.kind, [folder.parent.name for folder in folders]])
        path = self._folder / f"paper-scores-{hashlib.sha256(identity.encode()).hexdigest()[:12]}.json"
        if path.exists():
            return _read(path)
        scores = evaluate(system.opened(folders, self._side_px, self._device))
        write_atomic(path, _SCORES.dump_json(dict(scores)))
        return scores


def _read(path: Path) -> Scores:
    try:
        return _SCORES.validate_json(path.read_bytes())
    except ValueError as error:
        raise TrainingError(f"{path} is damaged ({error}); delete it to evaluate anew") from error


def two_stage(name: str, generator: TrainingJob, translator: TrainingJob | None) -> ComparedSystem:
    """Return our system; without a translator, the untrained warp stands for stage 2."""

    def opened(models: Sequence[Path], side_px: int, device: torch.device) -> System:
        network, card = load_generator(models[0], device)
        return TwoStage(network, card.gain, _translator(models[1:], side_px, device))

    if translator is None:
        return ComparedSystem(name, "generator and warp", (generator,), opened)
    return ComparedSystem(name, "two stages", (generator, translator), opened)


def true_landmarks(name: str, translator: TrainingJob) -> ComparedSystem:
    """Return a translator with ground-truth landmarks."""

    def opened(models: Sequence[Path], side_px: int, device: torch.device) -> System:
        return WithoutAudio("generated", _translator(models, side_px, device))

    return ComparedSystem(name, "true landmarks", (translator,), opened, ignores_sound=True)


def _translator(models: Sequence[Path], side_px: int, device: torch.device) -> Translator:
    """Open the translator in the only folder; without one, the untrained warp."""
    return TranslatorInference(load_translator(models[0], device)[0]) if models else WarpTranslator(side_px)


def _baseline(row: str, name: BaselineName) -> ComparedSystem:
    def opened(models: Sequence[Path], side_px: int, device: torch.device) -> System:
        return BaselineSystem(load_baseline(models[0], device)[0])

    return ComparedSystem(row, name, (TrainingJob(name),), opened)


def _control(name: str, row: Row, ignores_sound: bool = True) -> ComparedSystem:
    def opened(models: Sequence[Path], side_px: int, device: torch.device) -> System:
        return WithoutAudio(row, WarpTranslator(side_px))

    return ComparedSystem(name, row, (), opened, ignores_sound)


GENERATES, TRANSLATES = TrainingJob(GENERATOR), TrainingJob(TRANSLATOR)

SYSTEMS: Final[tuple[ComparedSystem, ...]] = (
    two_stage("ours", GENERATES, TRANSLATES),
    _baseline("LipGAN", "lipgan"),
    _baseline("Wav2Lip", "wav2lip"),
    _baseline("ATVGnet", "atvgnet"),
    _baseline("MakeItTalk", "makeittalk"),
    two_stage("ours, untrained warp for stage 2", GENERATES, None),
    true_landmarks("true landmarks, ours for stage 2", TRANSLATES),
    _control("true landmarks, untrained warp", "warp"),
    _control("copy of one frame", "copy", ignores_sound=False),
    _control("ground truth", "ground truth"),
)
"""Rows of Table 1, ours first."""
