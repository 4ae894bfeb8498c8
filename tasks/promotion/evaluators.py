"""Evaluators of each stage's models: their scores and systems, and the module that measures and renders them.

This is the one list that the gate uses; a new stage adds an entry. Networks load only when a model is scored or
rendered: history, rollback and the check of a policy need names alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from heterodub.schemas.cards import GENERATOR, TRANSLATOR
from heterodub.schemas.errors import SettingsError
from heterodub.schemas.promotion import COSTS, ModelRule
from heterodub.schemas.reasons import Stage
from heterodub.schemas.strata import FACTOR_NAMES

from .candidates import GENERATOR_SYSTEMS, TRANSLATOR_SYSTEMS, Candidates, ModelScores, Renderings

Direction = Literal["less", "more", "near one", "up to one"]
"""Direction in which a score is better: less, more, the nearer to 1, or less but not below 1."""


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
        ("strata", rule.strata, FACTOR_NAMES),
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
