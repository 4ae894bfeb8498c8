"""Training jobs of the tables by kind: their clips, settings and models.

A kind is an entry of KINDS; a new compared system is added there and in tasks/reproduction/systems.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from heterodub.model.training.callbacks import Callback
from heterodub.schemas.config.baselines import BASELINES, BaselineName, BaselineSettings
from heterodub.schemas.config.sections import Section, merged
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.config.translation import Stage2Settings
from heterodub.tasks.evaluation.cross_validation import train_model
from heterodub.tasks.reproduction.footage import ExperimentData
from heterodub.tasks.training.baselines import PairedSelection, baseline_spec, paired
from heterodub.tasks.training.clip_selection import Selection
from heterodub.tasks.training.run import run_training

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
"""Number of validations and of checkpoints in a training."""

WARM_STEPS: Final = 4
"""Steps at a training's beginning that are slower than the rest and not timed."""

_SHARE_WITHOUT_DISCRIMINATORS = 6
"""The discriminators start after this part (1 / 6) of a training at the latest; as in the baselines' preset `cpu`, 400
of 2400 steps.
"""

_SHARE_OF_WARMUP = 10
"""Warmup ends within this part (1 / 10) of a training at the latest."""


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """A training. half: True for half of the speakers. off: a component that is left out (GATED, ...)."""

    kind: str
    half: bool = False
    off: str | None = None


@dataclass(frozen=True, slots=True)
class JobType:
    """Kind of training.

    selection: its clips. section: its settings for a job and a number of steps. train: trains, or resumes, in a folder
    and returns the model's folder. shares: of a table's minutes. code: folders whose code affects this kind alone.
    """

    selection: Callable[[ExperimentData], Selection]
    section: Callable[[Settings, TrainingJob, int], Section]
    train: Callable[[Selection, Section, Settings, Path, Callback], Path]
    shares: int = 1
    code: tuple[str, ...] = ()


def _picture_section(settings: Settings, job: TrainingJob, steps: int) -> Section:
    recognises = {"losses": {"face_recognition": settings.weights.vgg_face is not None}}
    changes = merged(recognises, _OFF[job.off] if job.off else {})
    disc_start = min(settings.stage2.losses.disc_start_step, steps // _SHARE_WITHOUT_DISCRIMINATORS)
    return _paced(settings.stage2, merged({"losses": {"disc_start_step": disc_start}}, changes), steps)


def _baseline_section(settings: Settings, job: TrainingJob, steps: int) -> Section:
    """Return a baseline's settings, with the side of our crops, so that all are scored at one size."""
    baselines = settings.baselines
    changes: dict[str, Any] = {
        "architecture": {"side_px": settings.stage2.architecture.side_px},
        "schedule": {"minutes": None},
    }
    generator_steps = steps
    if job.kind == "wav2lip":
        changes["syncnet_steps"] = _expert_steps(baselines, steps)
        generator_steps -= changes["syncnet_steps"]
    disc_start = max(0, min(baselines.disc_start_step, generator_steps // _SHARE_WITHOUT_DISCRIMINATORS))
    return _paced(baselines, merged({"disc_start_step": disc_start}, changes), steps)


def _expert_steps(settings: BaselineSettings, steps: int) -> int:
    """Return the number of Wav2Lip's steps that train its expert, by the share in the settings.

    A step of the expert is far quicker than one of the generator. The first steps, which are not timed, are added to
    the expert's, so that the timed steps of a trial have the same mix as those of the training.
    """
    share = min(1.0, settings.syncnet_steps / settings.schedule.max_steps)
    return max(1, min(steps - 1, WARM_STEPS + int(share * (steps - WARM_STEPS))))


def _paced(
    section: Stage1Settings | Stage2Settings | BaselineSettings, changes: Mapping[str, Any], steps: int
) -> Section:
    """Return settings of so many steps without early stop, which would give each training another budget."""
    schedule = {
        "max_steps": steps,
        "eval_interval": max(1, steps // LOOKS),
        "save_interval": max(1, steps // _SAVES),
        "sample_interval": steps,
        "patience": 0,
    }
    warmup = {"warmup_steps": max(1, min(section.optimiser.warmup_steps, steps // _SHARE_OF_WARMUP))}
    values = merged(section.model_dump(), merged({"schedule": schedule, "optimiser": warmup}, changes))
    return type(section).model_validate(values)


def _baseline(name: BaselineName) -> JobType:
    """Return a baseline's kind. It replaces generator and translator together, so it has the minutes of both."""

    def train(selection: Selection, section: Section, settings: Settings, folder: Path, callback: Callback) -> Path:
        assert isinstance(selection, PairedSelection)
        assert isinstance(section, BaselineSettings)
        spec = baseline_spec(name, selection, section, settings.weights)
        return run_training(spec, folder, callback, device=settings.device).model

    return JobType(
        lambda footage: paired(footage.pictures), _baseline_section, train, shares=2, code=("model/baselines",)
    )


KINDS: Final[Mapping[str, JobType]] = {
    GENERATOR: JobType(
        lambda footage: footage.speech, lambda settings, _, steps: _paced(settings.stage1, {}, steps), train_model
    ),
    TRANSLATOR: JobType(lambda footage: footage.pictures, _picture_section, train_model),
    **{name: _baseline(name) for name in BASELINES},
}
