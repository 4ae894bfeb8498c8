"""Evaluators of each stage's models: the one list that the gate uses. A new stage adds an entry.

Networks load only when a model is scored or rendered: history, rollback and the check of a policy need names alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from schemas.cards import GENERATOR, TRANSLATOR
from schemas.config.settings import Settings
from schemas.errors import SettingsError
from schemas.promotion import COSTS, ModelRule
from schemas.reasons import Stage
from tasks.releases.benchmarks import Benchmark
from tasks.stores.workspace import Workspace

from .model_scores import Direction, ModelScores, Renderings
from .scores import GENERATOR_DIRECTIONS, GENERATOR_SYSTEMS, TRANSLATOR_DIRECTIONS, TRANSLATOR_SYSTEMS

Candidates = Mapping[int, Path]
"""Folder of the fetched model by version."""

Evaluate = Callable[[Workspace, Settings, Benchmark, Candidates, ModelRule], Sequence[ModelScores]]
"""Function that scores all candidates on the same clips by the same code, in the given order."""


Render = Callable[[Workspace, Settings, Benchmark, Candidates, ModelRule, Sequence[str]], Renderings]
"""Function that renders all candidates on some of the clips, for people to compare."""


@dataclass(frozen=True, slots=True)
class StageEvaluator:
    """Evaluator of one stage's models. model: registered name. inner: our folder inside a logged model.

    systems: the systems that are scored, the model itself first.
    """

    stage: Stage
    model: str
    inner: str
    systems: Sequence[str]
    directions: Mapping[str, Direction]
    evaluate: Evaluate
    render: Render


def _evaluate_generators(*arguments: Any) -> Sequence[ModelScores]:
    from .generator_evaluator import evaluate_generators

    return evaluate_generators(*arguments)


def _render_generators(*arguments: Any) -> Renderings:
    from .generator_samples import render_generators

    return render_generators(*arguments)


def _evaluate_translators(*arguments: Any) -> Sequence[ModelScores]:
    from .translator_evaluator import evaluate_translators

    return evaluate_translators(*arguments)


def _render_translators(*arguments: Any) -> Renderings:
    from .translator_samples import render_translators

    return render_translators(*arguments)


EVALUATORS: Final[Mapping[str, StageEvaluator]] = {
    "stage1": StageEvaluator(
        Stage.STAGE1,
        GENERATOR,
        "generator",
        GENERATOR_SYSTEMS,
        GENERATOR_DIRECTIONS,
        _evaluate_generators,
        _render_generators,
    ),
    "stage2": StageEvaluator(
        Stage.STAGE2,
        TRANSLATOR,
        "translator",
        TRANSLATOR_SYSTEMS,
        TRANSLATOR_DIRECTIONS,
        _evaluate_translators,
        _render_translators,
    ),
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
    for field, words, known in named:
        if unknown := sorted(set(words) - set(known)):
            raise SettingsError(
                f"promotion policy, models.{evaluator.model}.{field}: unknown name {unknown[0]!r}; known are "
                f"{', '.join(known)}"
            )


def evaluator_of(stage_or_model: str) -> StageEvaluator:
    """Return the evaluator of a stage, or of a registered model's name.

    Raises: SettingsError - there is none.
    """
    for stage, evaluator in EVALUATORS.items():
        if stage_or_model in (stage, evaluator.model):
            return evaluator
    raise SettingsError(f"no evaluator of {stage_or_model!r}; known are {', '.join(EVALUATORS)}")
