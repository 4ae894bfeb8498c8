"""Evaluators of each stage's models: their scores and systems, and the module that measures and renders them; with
the scores of every clip by every candidate under every system, and the costs of each candidate.

This is the one list that the gate uses; a new stage adds an entry. Networks load only when a model is scored or
rendered: history, rollback and the check of a policy need names alone.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol

from heterodub.model.metrics.clip_scores import ClipScores
from heterodub.schemas.cards import GENERATOR, TRANSLATOR
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import SettingsError
from heterodub.schemas.promotion import COSTS, ModelRule
from heterodub.schemas.reasons import Stage
from heterodub.tasks.releases.benchmarks import Benchmark
from heterodub.tasks.releases.releases import Release
from heterodub.tasks.stores.workspace import Workspace

if TYPE_CHECKING:
    from heterodub.model.evaluation.generator import System as SpeechSystem
    from heterodub.model.evaluation.translator import System as PictureSystem

Direction = Literal["less", "more", "near one", "up to one"]
"""Direction in which a score is better: less, more, the nearer to 1, or less but not below 1."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """Rendering of one clip. pictures: PNGs by version. film: MP4 of all versions and the truth side by side."""

    pictures: Mapping[int, tuple[bytes, ...]]
    film: bytes


Renderings = Mapping[str, Rendering]
"""Renderings by clip."""


def film_bytes(write: Callable[[Path], object]) -> bytes:
    """Return the film that a function writes to a path."""
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        path = Path(scratch) / "film.mp4"
        write(path)
        return path.read_bytes()


@dataclass(frozen=True, slots=True)
class ModelScores:
    """Scores and costs of one candidate. main_system: name of the system that is the model itself."""

    version: int
    main_system: str
    clip_scores: tuple[ClipScores, ...]
    costs: Mapping[str, float] = field(default_factory=dict)

    def column(self, system: str, score: str, clips: Sequence[str]) -> list[float | None]:
        """Return a score of a system on clips, in their order; None where it was not measured."""
        values = {row.clip_id: row.metrics.get(score) for row in self.clip_scores if row.system == system}
        return [values.get(clip) for clip in clips]

    @property
    def speakers(self) -> dict[str, str]:
        """Speaker of each clip that was scored."""
        return {row.clip_id: row.speaker for row in self.clip_scores if row.system == self.main_system}

    def systems(self) -> tuple[str, ...]:
        """Return every system that was scored, the model itself first."""
        return tuple(dict.fromkeys((self.main_system, *(row.system for row in self.clip_scores))))


@dataclass(frozen=True, slots=True)
class Candidates:
    """Models to compare, and the clips and rules by which. folders: of each fetched model, by version."""

    workspace: Workspace
    settings: Settings
    release: Release
    benchmark: Benchmark
    rule: ModelRule
    folders: Mapping[int, Path]


class EvaluatorModule(Protocol):
    """Module that evaluates one stage's models."""

    def evaluate(self, candidates: Candidates) -> Sequence[ModelScores]:
        """Score all candidates on the same clips by the same code, in the given order, and measure their costs."""

    def render(self, candidates: Candidates, clips: Sequence[str]) -> Renderings:
        """Render all candidates on some of the clips, for people to compare."""


@dataclass(frozen=True, slots=True)
class StageEvaluator:
    """Evaluator of one stage's models. model: registered name. systems: those that are scored, the model itself first.
    load: returns the module, whose imports take seconds.
    """

    stage: Stage
    model: str
    systems: Sequence[str]
    directions: Mapping[str, Direction]
    load: Callable[[], EvaluatorModule]


GENERATOR_DIRECTIONS: Final[Mapping[str, Direction]] = {
    "nme_lips": "less",
    "nme_outline": "less",
    "nme": "less",
    "mouth_opening_corr": "more",
    "mouth_opening_std_ratio": "near one",
    "velocity_error": "less",
    "jitter": "up to one",
    "landmark_sync_z": "more",
}
"""Every score of a generator, and its direction. True points jitter by the detector's noise, a jitter of 1; less is no
merit: a mouth that stands still has none."""

GENERATOR_SYSTEMS: Final[tuple["SpeechSystem", ...]] = (
    "paired audio",
    "unpaired audio",
    "silent audio",
    "copy",
    "ground truth",
)
"""Systems that are scored, the generator itself first."""

TRANSLATOR_DIRECTIONS: Final[Mapping[str, Direction]] = {
    "perceptual_lower": "less",
    "perceptual_heldout_lower": "less",
    "perceptual_mouth": "less",
    "perceptual_heldout_mouth": "less",
    "psnr_lower": "more",
    "psnr_mouth": "more",
    "psnr_whole": "more",
    "ssim_lower": "more",
    "ssim_mouth": "more",
    "ssim_whole": "more",
    "sharpness_lower": "near one",
    "sharpness_mouth": "near one",
    "flicker": "near one",
    "face_found_frac": "more",
    "nme_lips": "less",
    "mouth_opening_corr": "more",
    "mouth_opening_std_ratio": "near one",
}
"""Every score of a translator (model/evaluation/image_scores.py), and its direction."""

TRANSLATOR_SYSTEMS: Final[tuple["PictureSystem", ...]] = (
    "generated",
    "copy",
    "warp",
    "nearest frame oracle",
    "ground truth",
)
"""Systems that are scored, the translator itself first."""


def _generators() -> EvaluatorModule:
    from . import generator_evaluator

    return generator_evaluator


def _translators() -> EvaluatorModule:
    from . import translator_evaluator

    return translator_evaluator


EVALUATORS: Final[Mapping[str, StageEvaluator]] = {
    "stage1": StageEvaluator(Stage.STAGE1, GENERATOR, GENERATOR_SYSTEMS, GENERATOR_DIRECTIONS, _generators),
    "stage2": StageEvaluator(Stage.STAGE2, TRANSLATOR, TRANSLATOR_SYSTEMS, TRANSLATOR_DIRECTIONS, _translators),
}


def require_measured(evaluator: StageEvaluator, rule: ModelRule) -> None:
    """Refuse rules about scores, controls and costs that this evaluator does not measure: they would never hold.

    Raises: SettingsError - the text names the word and the known ones.
    """
    errors = [name for name, direction in evaluator.directions.items() if direction == "less"]
    named = (
        ("primary", {rule.primary}, errors),
        ("tolerances", rule.tolerances, evaluator.directions),
        ("controls", rule.controls, evaluator.systems[1:]),
        ("gain_tolerances", rule.gain_tolerances, evaluator.systems[1:]),
        ("costs", rule.costs, COSTS),
    )
    for rule_field, words, measured in named:
        if unknown := sorted(set(words) - set(measured)):
            raise SettingsError(
                f"promotion policy, models.{evaluator.model}.{rule_field}: unknown name {unknown[0]!r}; known are "
                f"{', '.join(measured)}"
            )


def evaluator_of(stage_or_model: str) -> StageEvaluator:
    """Return the evaluator of a stage, or of a registered model's name.

    Raises: SettingsError - there is none.
    """
    for stage, evaluator in EVALUATORS.items():
        if stage_or_model in (stage, evaluator.model):
            return evaluator
    raise SettingsError(f"no evaluator of {stage_or_model!r}; known are {', '.join(EVALUATORS)}")
