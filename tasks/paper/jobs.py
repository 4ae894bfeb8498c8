"""Trainings that tables ask for, by kind: which clips, which settings, what comes out.

A kind is an entry of KINDS; whatever is to be compared with ours is added there and in tasks/paper/contenders.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model.training.listening import Listener
from schemas.rivals import RIVALS, RivalName, RivalSettings
from schemas.sections import Section, merged
from schemas.settings import Settings
from schemas.training import Stage1Settings
from schemas.translation import Stage2Settings
from tasks.learning.rivals import PairedSelection, paired, train_rival
from tasks.learning.selection import Selection
from tasks.learning.stage1 import train_generator
from tasks.learning.stage2 import train_translator
from tasks.paper.budget import WARM_STEPS
from tasks.paper.footage import Footage
from tasks.stores.workspace import Workspace

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
"""The critics are heard after this part of a training at the latest; of the rivals' profile `cpu`, 400 of 2400."""

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
    """selection: what of the footage it learns from. section: its settings for a job and so many steps. train: trains,
    or goes on, in a folder, and returns the model's. shares: of a table's minutes. code: folders whose code decides
    what this kind alone learns.
    """

    selection: Callable[[Workspace, Footage], Selection]
    section: Callable[[Settings, Job, int], Section]
    train: Callable[[Selection, Section, Settings, Path, Listener], Path]
    shares: int = 1
    code: tuple[str, ...] = ()


def _speech_section(settings: Settings, job: Job, steps: int) -> Section:
    return _paced(settings.stage1, {}, steps)


def _picture_section(settings: Settings, job: Job, steps: int) -> Section:
    recognises = {"losses": {"face_recognition": settings.weights.vgg_face is not None}}
    changes = merged(recognises, _OFF[job.off] if job.off else {})
    heard_from = min(settings.stage2.losses.critics_from, steps // _SHARE_WITHOUT_CRITICS)
    return _paced(settings.stage2, merged({"losses": {"critics_from": heard_from}}, changes), steps)


def _rival_section(settings: Settings, job: Job, steps: int) -> Section:
    """At the side of our crops, so that all are scored at one size."""
    own = settings.rivals
    changes: dict[str, Any] = {"shape": {"side_px": settings.stage2.shape.side_px}, "pace": {"minutes": None}}
    painting = steps
    if job.kind == "wav2lip":
        changes["expert_steps"] = _expert_steps(own, steps)
        painting -= changes["expert_steps"]
    heard_from = max(0, min(own.critics_from, painting // _SHARE_WITHOUT_CRITICS))
    return _paced(own, merged({"critics_from": heard_from}, changes), steps)


def _expert_steps(settings: RivalSettings, steps: int) -> int:
    """Those of Wav2Lip's steps in which its expert learns: the share that the settings give it.

    A step of the expert is far quicker than one of painting. The first steps, which are not timed, are the expert's,
    too: so the timed ones of a trial are mixed as those of the training are.
    """
    share = min(1.0, settings.expert_steps / settings.pace.steps)
    return max(1, min(steps - 1, WARM_STEPS + int(share * (steps - WARM_STEPS))))


def _paced(section: Stage1Settings | Stage2Settings | RivalSettings, changes: Mapping[str, Any], steps: int) -> Section:
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
    return train_generator(selection, section, folder, listener, device=settings.device).model


def _train_translator(
    selection: Selection, section: Section, settings: Settings, folder: Path, listener: Listener
) -> Path:
    assert isinstance(section, Stage2Settings)
    return train_translator(selection, section, settings.weights, folder, listener, device=settings.device).model


def _rival(name: RivalName) -> Kind:
    """It does alone what generator and translator do together, so it has the minutes of both."""

    def train(selection: Selection, section: Section, settings: Settings, folder: Path, listener: Listener) -> Path:
        assert isinstance(selection, PairedSelection)
        assert isinstance(section, RivalSettings)
        return train_rival(name, selection, section, settings.weights, folder, listener, device=settings.device).model

    def selection(workspace: Workspace, footage: Footage) -> Selection:
        return paired(workspace, footage.pictures)

    return Kind(selection, _rival_section, train, shares=2, code=("model/baselines",))


KINDS: Final[Mapping[str, Kind]] = {
    GENERATOR: Kind(lambda _, footage: footage.speech, _speech_section, _train_generator),
    TRANSLATOR: Kind(lambda _, footage: footage.pictures, _picture_section, _train_translator),
    **{name: _rival(name) for name in RIVALS},
}
