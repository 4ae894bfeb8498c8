"""How each stage's models are judged: the one list that the gate goes by. A new stage adds an entry.

Networks load only where somebody is graded or drawn: history, rollback and the check of a policy ask for names alone.
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

from .model_scores import Direction, Drawings, ModelScores
from .scores import GENERATOR_DIRECTIONS, GENERATOR_SYSTEMS, TRANSLATOR_DIRECTIONS, TRANSLATOR_SYSTEMS

Contestants = Mapping[int, Path]
"""Folder of the fetched model by version."""

Grade = Callable[[Workspace, Settings, Benchmark, Contestants, ModelRule], Sequence[ModelScores]]
"""Scores all candidates on the same clips by the same code, in the order they were given."""


Draw = Callable[[Workspace, Settings, Benchmark, Contestants, ModelRule, Sequence[str]], Drawings]
"""Draws all candidates on some of the clips, for people to see beside each other."""


@dataclass(frozen=True, slots=True)
class StageEvaluator:
    """How one stage's models are judged. model: registered name. inner: our folder inside a logged model.

    systems: who is graded, the model itself first.
    """

    stage: Stage
    model: str
    inner: str
    systems: Sequence[str]
    directions: Mapping[str, Direction]
    grade: Grade
    draw: Draw


def _grade_generators(*given: Any) -> Sequence[ModelScores]:
    from .generator_evaluator import grade_generators

    return grade_generators(*given)


def _draw_generators(*given: Any) -> Drawings:
    from .generator_samples import draw_generators

    return draw_generators(*given)


def _grade_translators(*given: Any) -> Sequence[ModelScores]:
    from .translator_evaluator import grade_translators

    return grade_translators(*given)


def _draw_translators(*given: Any) -> Drawings:
    from .translator_samples import draw_translators

    return draw_translators(*given)


JUDGES: Final[Mapping[str, StageEvaluator]] = {
    "stage1": StageEvaluator(
        Stage.STAGE1,
        GENERATOR,
        "generator",
        GENERATOR_SYSTEMS,
        GENERATOR_DIRECTIONS,
        _grade_generators,
        _draw_generators,
    ),
    "stage2": StageEvaluator(
        Stage.STAGE2,
        TRANSLATOR,
        "translator",
        TRANSLATOR_SYSTEMS,
        TRANSLATOR_DIRECTIONS,
        _grade_translators,
        _draw_translators,
    ),
}


def require_judgeable(judge: StageEvaluator, rule: ModelRule) -> None:
    """Refuse rules about scores, controls and costs that this judge does not hand in: they would never hold.

    Raises: SettingsError - the text names the word and what is known.
    """
    errors = [name for name, direction in judge.directions.items() if direction == "less"]
    asked = (
        ("primary", {rule.primary}, errors),
        ("tolerances", rule.tolerances, judge.directions),
        ("controls", rule.controls, judge.systems[1:]),
        ("gain_tolerances", rule.gain_tolerances, judge.systems[1:]),
        ("costs", rule.costs, COSTS),
    )
    for field, told, known in asked:
        if unknown := sorted(set(told) - set(known)):
            raise SettingsError(
                f"promotion policy, models.{judge.model}.{field}: nobody measures {unknown[0]!r}; known are "
                f"{', '.join(known)}"
            )


def judge_of(stage_or_model: str) -> StageEvaluator:
    """The judge of a stage, or of a registered model's name.

    Raises: SettingsError - nobody judges it.
    """
    for stage, judge in JUDGES.items():
        if stage_or_model in (stage, judge.model):
            return judge
    raise SettingsError(f"nobody judges {stage_or_model}; known are {', '.join(JUDGES)}")
