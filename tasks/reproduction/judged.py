"""Cached scores of systems: an interrupted evaluation resumes, and systems in two tables are evaluated once."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import torch

from model.evaluation.aggregate import SpeakerScores
from model.evaluation.comparison import Evaluator
from model.evaluation.eval_clip import EvalClip
from model.evaluation.systems import System
from model.files import write_atomic
from model.metrics.bootstrap import Interval
from model.perceptual.lite0 import Lite0
from schemas.config.settings import Settings
from schemas.errors import TrainingError
from tasks.evaluation.translator_scores import finder
from tasks.reproduction.footage import REFERENCES, ExperimentData, scenes
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
    "tasks/reproduction/judged.py",
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
        write_atomic(path, json.dumps({name: asdict(one) for name, one in scores.items()}) + "\n")
        return scores


def _read(path: Path) -> Scores:
    def parsed(fields: Mapping[str, Any]) -> SpeakerScores:
        return SpeakerScores(Interval(**fields["interval"]), fields["parts"], fields["pooled"])

    try:
        return {name: parsed(fields) for name, fields in json.loads(path.read_text()).items()}
    except (ValueError, TypeError, KeyError) as error:
        raise TrainingError(f"{path} is damaged ({error}); delete it to evaluate anew") from error
