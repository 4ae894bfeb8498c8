"""Trainings that tables ask for, by kind: which clips, which settings, what comes out.

A kind is an entry of KINDS; whatever is to be compared with ours is added there and in tasks/paper/contenders.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model.training.listening import Listener
from schemas.reasons import Stage
from schemas.sections import Section, merged
from schemas.settings import Settings
from schemas.training import Stage1Settings
from schemas.translation import Stage2Settings
from tasks.learning.selection import Selection
from tasks.learning.stage1 import train_generator
from tasks.learning.stage2 import train_translator

GENERATOR: Final = "generator"
TRANSLATOR: Final = "translator"

GATED, TEMPORAL, FACE_RECOGNITION = "gated convolution", "temporal discriminator", "face-recognition loss"

_OFF: Final[Mapping[str, Mapping[str, Any]]] = {
    GATED: {"shape": {"gated": False}},
    TEMPORAL: {"critics": {"temporal": False}},
    FACE_RECOGNITION: {"losses": {"face_recognition": False}},
}
"""Settings of stage 2 without a component of the paper's Table 4."""

LOOKS, _SAVES = 6, 12
"""How often in a training the val split is looked at, and a checkpoint is written."""

_SHARE_WITHOUT_CRITICS = 6
"""The critics are heard after this part of a training, as in the profile `cpu`: 400 of 2400 steps."""

_SHARE_OF_WARMUP = 10
"""And the learning rate is reached within this part, at the latest."""


@dataclass(frozen=True, slots=True)
class Job:
    """A training. half: on half of the speakers. off: a component that is left out (GATED, ...)."""

    kind: str
    half: bool = False
    off: str | None = None

    @property
    def name(self) -> str:
        """What it is, in words."""
        return f"{self.kind}, {'50' if self.half else '100'} % of the speakers" + (
            f", no {self.off}" if self.off else ""
        )


@dataclass(frozen=True, slots=True)
class Kind:
    """stage: whose clips it learns from. section: its settings for a job and so many steps. train: trains, or goes on,
    in a folder, and returns the model's.
    """

    stage: Stage
    section: Callable[[Settings, Job, int], Section]
    train: Callable[[Selection, Section, Settings, Path, Listener], Path]


def _speech_section(settings: Settings, job: Job, steps: int) -> Section:
    return _paced(settings.stage1, {}, steps)


def _picture_section(settings: Settings, job: Job, steps: int) -> Section:
    recognises = {"losses": {"face_recognition": settings.weights.vgg_face is not None}}
    changes = merged(recognises, _OFF[job.off] if job.off else {})
    heard_from = min(settings.stage2.losses.critics_from, steps // _SHARE_WITHOUT_CRITICS)
    return _paced(settings.stage2, merged({"losses": {"critics_from": heard_from}}, changes), steps)


def _paced(section: Stage1Settings | Stage2Settings, changes: Mapping[str, Any], steps: int) -> Section:
    """Settings for so many steps, all of them taken: an early stop would give each training another budget."""
    pace = {
        "steps": steps,
        "validate_every": max(1, steps // LOOKS),
        "save_every": max(1, steps // _SAVES),
        "film_every": steps,
        "patience": 0,
    }
    warmup = {"warmup_steps": max(1, min(section.optimiser.warmup_steps, steps // _SHARE_OF_WARMUP))}
    given = merged(section.model_dump(), merged({"pace": pace, "optimiser": warmup}, changes))
    return type(section).model_validate(given)


def _train_generator(
    selection: Selection, section: Section, settings: Settings, folder: Path, listener: Listener
) -> Path:
    assert isinstance(section, Stage1Settings)
    return train_generator(selection, section, folder, listener).model


def _train_translator(
    selection: Selection, section: Section, settings: Settings, folder: Path, listener: Listener
) -> Path:
    assert isinstance(section, Stage2Settings)
    return train_translator(selection, section, settings.weights, folder, listener).model


KINDS: Final[Mapping[str, Kind]] = {
    GENERATOR: Kind(Stage.STAGE1, _speech_section, _train_generator),
    TRANSLATOR: Kind(Stage.STAGE2, _picture_section, _train_translator),
}
