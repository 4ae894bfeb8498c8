"""Scores of systems, kept as they are made: a table that is interrupted while it judges goes on from there, and what
stands in two tables is judged once.
"""

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
from model.metrics.bootstrap import Interval
from model.perceptual.lite0 import Lite0
from schemas.config.settings import Settings
from schemas.errors import TrainingError
from tasks.evaluation.translator_scores import finder
from tasks.reproduction.footage import REFERENCES, ExperimentData, scenes
from tasks.reproduction.trainer_cache import code_of
from tasks.training.device import device_of

_CODE: Final = ("model", "schemas", "tasks/faces", "tasks/training", "tasks/evaluation",
                "tasks/reproduction/systems.py", "tasks/reproduction/footage.py",
                "tasks/reproduction/judged.py")  # fmt: skip
"""Folders and files whose code decides a score."""

Scores = Mapping[str, SpeakerScores]


@dataclass(frozen=True, slots=True)
class Entry:
    """A system and what it is made from. what: its kind, in a word. models: folders of trained models, whose trainings
    are named by all that decides them. opened: the system itself, on a device.
    """

    what: str
    models: tuple[Path, ...]
    opened: Callable[[torch.device], System]


class EvaluatedSystems:
    """Scores of entries on the judged clips of some footage, at the settings' size of crops."""

    def __init__(self, settings: Settings, footage: ExperimentData, folder: Path) -> None:
        self._folder, self._device = folder, device_of(settings.device)
        self._find, self.missing = finder(settings, footage.speech.release.backend)
        self.scenes: list[EvalClip] = scenes(footage, settings.stage2.architecture.side_px)
        clips = [scene.eval_window.exam.clip_id for scene in self.scenes]
        side_px, looks = settings.stage2.architecture.side_px, self._find is not None
        self._identity = [footage.release, clips, REFERENCES, side_px, looks, code_of(_CODE)]

    def paired(self, entry: Entry) -> Scores:
        """See Bench.paired."""
        return self._kept("paired", entry, lambda: self._bench.paired(entry.what, entry.opened(self._device)))

    def unpaired(self, entry: Entry) -> SpeakerScores:
        """See Bench.unpaired."""
        return self._kept("unpaired", entry, lambda: {"": self._bench.unpaired(entry.opened(self._device))})[""]

    @cached_property
    def _bench(self) -> Evaluator:
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
    def measured(told: Mapping[str, Any]) -> SpeakerScores:
        return SpeakerScores(Interval(**told["interval"]), told["parts"], told["pooled"])

    try:
        return {name: measured(told) for name, told in json.loads(path.read_text()).items()}
    except (ValueError, TypeError, KeyError) as error:
        raise TrainingError(f"{path} is damaged ({error}); delete it to judge anew") from error
