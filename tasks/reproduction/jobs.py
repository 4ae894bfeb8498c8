"""Trainings that tables ask for, by kind: which clips, which settings, what comes out.

A kind is an entry of KINDS; whatever is to be compared with ours is added there and in tasks/reproduction/systems.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model.training.callbacks import Callback
from schemas.config.baselines import BASELINES, BaselineName, BaselineSettings
from schemas.config.sections import Section, merged
from schemas.config.settings import Settings
from schemas.config.training import Stage1Settings
from schemas.config.translation import Stage2Settings
from tasks.reproduction.budget import WARM_STEPS
from tasks.reproduction.footage import ExperimentData
from tasks.stores.workspace import Workspace
from tasks.training.baselines import PairedSelection, paired, train_baseline
from tasks.training.clip_selection import Selection
from tasks.training.stage1 import train_generator
from tasks.training.stage2 import train_translator

GENERATOR: Final = "generator"
TRANSLATOR: Final = "translator"

GATED, TEMPORAL, FACE_RECOGNITION = "gated convolution", "temporal discriminator", "face-recognition loss"

_OFF: Final[Mapping[str, Mapping[str, Any]]] = {
    GATED: {"architecture": {"gated": False}},
    TEMPORAL: {"discriminators": {"temporal": False}},
    FACE_RECOGNITION: {"losses": {"face_recognition": False}},
}
"""Settings of stage 2 without a component of the paper's Table 4."""

LOOKS, _SAVES = 6, 12
"""How often in a training the val split is looked at, and a checkpoint is written."""

_SHARE_WITHOUT_DISCRIMINATORS = 6
"""The discriminators are heard after this part of a training at the latest; of the baselines' preset `cpu`, 400 of
2400.
"""

_SHARE_OF_WARMUP = 10
"""And the learning rate is reached within this part, at the latest."""


@dataclass(frozen=True, slots=True)
class TrainingJob:
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
class JobType:
    """selection: what of the footage it learns from. section: its settings for a job and so many steps. train: trains,
    or goes on, in a folder, and returns the model's. shares: of a table's minutes. code: folders whose code decides
    what this kind alone learns.
    """

    selection: Callable[[Workspace, ExperimentData], Selection]
    section: Callable[[Settings, TrainingJob, int], Section]
    train: Callable[[Selection, Section, Settings, Path, Callback], Path]
    shares: int = 1
    code: tuple[str, ...] = ()


def _speech_section(settings: Settings, job: TrainingJob, steps: int) -> Section:
    return _paced(settings.stage1, {}, steps)


def _picture_section(settings: Settings, job: TrainingJob, steps: int) -> Section:
    recognises = {"losses": {"face_recognition": settings.weights.vgg_face is not None}}
    changes = merged(recognises, _OFF[job.off] if job.off else {})
    heard_from = min(settings.stage2.losses.disc_start_step, steps // _SHARE_WITHOUT_DISCRIMINATORS)
    return _paced(settings.stage2, merged({"losses": {"disc_start_step": heard_from}}, changes), steps)


def _baseline_section(settings: Settings, job: TrainingJob, steps: int) -> Section:
    """At the side of our crops, so that all are scored at one size."""
    own = settings.baselines
    changes: dict[str, Any] = {
        "architecture": {"side_px": settings.stage2.architecture.side_px},
        "schedule": {"minutes": None},
    }
    painting = steps
    if job.kind == "wav2lip":
        changes["syncnet_steps"] = _expert_steps(own, steps)
        painting -= changes["syncnet_steps"]
    heard_from = max(0, min(own.disc_start_step, painting // _SHARE_WITHOUT_DISCRIMINATORS))
    return _paced(own, merged({"disc_start_step": heard_from}, changes), steps)


def _expert_steps(settings: BaselineSettings, steps: int) -> int:
    """Those of Wav2Lip's steps in which its expert learns: the share that the settings give it.

    A step of the expert is far quicker than one of painting. The first steps, which are not timed, are the expert's,
    too: so the timed ones of a trial are mixed as those of the training are.
    """
    share = min(1.0, settings.syncnet_steps / settings.schedule.max_steps)
    return max(1, min(steps - 1, WARM_STEPS + int(share * (steps - WARM_STEPS))))


def _paced(
    section: Stage1Settings | Stage2Settings | BaselineSettings, changes: Mapping[str, Any], steps: int
) -> Section:
    """Settings for so many steps, all of them taken: an early stop would give each training another budget."""
    schedule = {
        "steps": steps,
        "eval_interval": max(1, steps // LOOKS),
        "save_interval": max(1, steps // _SAVES),
        "sample_interval": steps,
        "patience": 0,
    }
    warmup = {"warmup_steps": max(1, min(section.optimiser.warmup_steps, steps // _SHARE_OF_WARMUP))}
    given = merged(section.model_dump(), merged({"schedule": schedule, "optimiser": warmup}, changes))
    return type(section).model_validate(given)


def _train_generator(
    selection: Selection, section: Section, settings: Settings, folder: Path, listener: Callback
) -> Path:
    assert isinstance(section, Stage1Settings)
    return train_generator(selection, section, folder, listener, device=settings.device).model


def _train_translator(
    selection: Selection, section: Section, settings: Settings, folder: Path, listener: Callback
) -> Path:
    assert isinstance(section, Stage2Settings)
    return train_translator(selection, section, settings.weights, folder, listener, device=settings.device).model


def _baseline(name: BaselineName) -> JobType:
    """It does alone what generator and translator do together, so it has the minutes of both."""

    def train(selection: Selection, section: Section, settings: Settings, folder: Path, listener: Callback) -> Path:
        assert isinstance(selection, PairedSelection)
        assert isinstance(section, BaselineSettings)
        return train_baseline(
            name, selection, section, settings.weights, folder, listener, device=settings.device
        ).model

    def selection(workspace: Workspace, footage: ExperimentData) -> Selection:
        return paired(workspace, footage.pictures)

    return JobType(selection, _baseline_section, train, shares=2, code=("model/baselines",))


KINDS: Final[Mapping[str, JobType]] = {
    GENERATOR: JobType(lambda _, footage: footage.speech, _speech_section, _train_generator),
    TRANSLATOR: JobType(lambda _, footage: footage.pictures, _picture_section, _train_translator),
    **{name: _baseline(name) for name in BASELINES},
}
