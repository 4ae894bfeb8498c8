"""Systems of Table 1, one entry each, and the cached scores of systems.

An interrupted evaluation resumes, and a system in two tables is evaluated once. The kinds of training that systems need
are in jobs.py.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import torch

from model.baselines.files import load_baseline
from model.evaluation.comparison import Evaluator
from model.evaluation.systems import BaselineSystem, Copy, EvalClip, GroundTruth, System, TrueLandmarks, TwoStage
from model.metrics.clip_scores import SpeakerScores
from model.metrics.intervals import Interval
from model.perceptual.lite0 import Lite0
from model.stage1.files import load_generator
from model.stage2.files import load_translator
from model.stage2.inference import TranslatorInference
from model.stage2.warp import WarpTranslator
from schemas.config.baselines import BaselineName
from schemas.config.settings import Settings
from schemas.errors import TrainingError
from tasks.evaluation.translator_scores import finder
from tasks.reproduction.footage import REFERENCES, ExperimentData, scenes
from tasks.reproduction.jobs import GENERATOR, TRANSLATOR, TrainingJob
from tasks.reproduction.trainer_cache import code_of
from tasks.training.device import device_of

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


@dataclass(frozen=True, slots=True)
class Entry:
    """A system and its models. what: its kind, in a word. models: folders of trained models, whose names identify
    their trainings. opened: opens the system on a device.
    """

    what: str
    models: tuple[Path, ...]
    opened: Callable[[torch.device], System]


class EvaluatedSystems:
    """Scores of entries on the test clips, at the settings' size of crops."""

    def __init__(self, settings: Settings, footage: ExperimentData, folder: Path) -> None:
        self._folder, self._device = folder, device_of(settings.device)
        self._find, self.missing = finder(settings, footage.speech.release.backend)
        self.scenes: list[EvalClip] = scenes(footage, settings.stage2.architecture.side_px)
        clips = [scene.eval_window.clip.clip_id for scene in self.scenes]
        side_px, detects = settings.stage2.architecture.side_px, self._find is not None
        self._identity = [footage.release, clips, REFERENCES, side_px, detects, code_of(_CODE)]

    def paired(self, entry: Entry) -> Scores:
        """Score an entry; see Evaluator.paired."""
        return self._kept("paired", entry, lambda: self._evaluator.paired(entry.what, entry.opened(self._device)))

    def unpaired(self, entry: Entry) -> SpeakerScores:
        """Score an entry; see Evaluator.unpaired."""
        return self._kept("unpaired", entry, lambda: {"": self._evaluator.unpaired(entry.opened(self._device))})[""]

    @cached_property
    def _evaluator(self) -> Evaluator:
        return Evaluator(self.scenes, Lite0().to(self._device), self._find)

    def _kept(self, setting: str, entry: Entry, make: Callable[[], Scores]) -> Scores:
        trainings = [model.parent.name for model in entry.models]
        identity = json.dumps([*self._identity, setting, entry.what, trainings])
        path = self._folder / f"paper-scores-{hashlib.sha256(identity.encode()).hexdigest()[:12]}.json"
        if path.exists():
            return _read(path)
        scores = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps({name: asdict(one) for name, one in scores.items()}) + "\n")
        unfinished.replace(path)
        return scores


def _read(path: Path) -> Scores:
    def parsed(fields: Mapping[str, Any]) -> SpeakerScores:
        return SpeakerScores(Interval(**fields["interval"]), fields["parts"], fields["pooled"])

    try:
        return {name: parsed(fields) for name, fields in json.loads(path.read_text()).items()}
    except (ValueError, TypeError, KeyError) as error:
        raise TrainingError(f"{path} is damaged ({error}); delete it to evaluate anew") from error


Models = Mapping[TrainingJob, Path]
"""Folders of trained models."""

GENERATES, TRANSLATES = TrainingJob(GENERATOR), TrainingJob(TRANSLATOR)


@dataclass(frozen=True, slots=True)
class ComparedSystem:
    """A row of the table. needs: its trainings. entry: makes the system from their models and the crops' side in
    pixels. ignores_sound: True if it takes the mouth from the ground truth and ignores the sound.
    """

    name: str
    needs: tuple[TrainingJob, ...]
    entry: Callable[[Models, int], Entry]
    ignores_sound: bool = False


def two_stage(generator: Path, translator: Path) -> Entry:
    """Return our system from the folders of its two models."""

    def opened(device: torch.device) -> System:
        network, card = load_generator(generator, device)
        return TwoStage(network, card.gain, TranslatorInference(load_translator(translator, device)[0]))

    return Entry("two stages", (generator, translator), opened)


def true_landmarks(translator: Path) -> Entry:
    """Return a translator in a folder with ground-truth landmarks."""

    def opened(device: torch.device) -> System:
        return TrueLandmarks(TranslatorInference(load_translator(translator, device)[0]))

    return Entry("true landmarks", (translator,), opened)


def _baseline(row: str, name: BaselineName) -> ComparedSystem:
    job = TrainingJob(name)

    def entry(made: Models, _: int) -> Entry:
        folder = made[job]
        return Entry(name, (folder,), lambda device: BaselineSystem(load_baseline(folder, device)[0]))

    return ComparedSystem(row, (job,), entry)


def _warped(generator: Path, side_px: int) -> Entry:
    def opened(device: torch.device) -> System:
        network, card = load_generator(generator, device)
        return TwoStage(network, card.gain, WarpTranslator(side_px))

    return Entry("generator and warp", (generator,), opened)


def _true_warped(side_px: int) -> Entry:
    return Entry("true landmarks, warp", (), lambda _: TrueLandmarks(WarpTranslator(side_px)))


SYSTEMS: Final[tuple[ComparedSystem, ...]] = (
    ComparedSystem("ours", (GENERATES, TRANSLATES), lambda made, _: two_stage(made[GENERATES], made[TRANSLATES])),
    _baseline("LipGAN", "lipgan"),
    _baseline("Wav2Lip", "wav2lip"),
    _baseline("ATVGnet", "atvgnet"),
    _baseline("MakeItTalk", "makeittalk"),
    ComparedSystem("ours, untrained warp for stage 2", (GENERATES,), lambda made, side: _warped(made[GENERATES], side)),
    ComparedSystem(
        "true landmarks, ours for stage 2", (TRANSLATES,), lambda made, _: true_landmarks(made[TRANSLATES]), True
    ),
    ComparedSystem("true landmarks, untrained warp", (), lambda _, side: _true_warped(side), True),
    ComparedSystem("copy of one frame", (), lambda *_: Entry("copy", (), lambda _: Copy())),
    ComparedSystem("ground truth", (), lambda *_: Entry("ground truth", (), lambda _: GroundTruth()), True),
)
