"""How each stage's models are judged: the one list that the gate goes by. A new stage adds an entry.

Networks load only where somebody is graded or drawn: history, rollback and the check of a policy ask for names alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from schemas.cards import GENERATOR, TRANSLATOR
from schemas.errors import SettingsError
from schemas.promotion import COSTS, ModelRule
from schemas.reasons import Stage
from schemas.settings import Settings
from tasks.stores.benchmarks import Benchmark
from tasks.stores.workspace import Workspace

from .scored import GENERATOR_DIRECTIONS, GENERATOR_SYSTEMS, TRANSLATOR_DIRECTIONS, TRANSLATOR_SYSTEMS
from .sheets import Direction, Drawings, Sheet

Contestants = Mapping[int, Path]
"""Folder of the fetched model by version."""

Grade = Callable[[Workspace, Settings, Benchmark, Contestants, ModelRule], Sequence[Sheet]]
"""Scores all contestants on the same clips by the same code, in the order they were given."""


Draw = Callable[[Workspace, Settings, Benchmark, Contestants, ModelRule, Sequence[str]], Drawings]
"""Draws all contestants on some of the clips, for people to see beside each other."""


@dataclass(frozen=True, slots=True)
class Judge:
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


def _grade_generators(*given: Any) -> Sequence[Sheet]:
    from .judging_speech import grade_generators

    return grade_generators(*given)


def _draw_generators(*given: Any) -> Drawings:
    from .drawing_speech import draw_generators

    return draw_generators(*given)


def _grade_translators(*given: Any) -> Sequence[Sheet]:
    from .judging_pictures import grade_translators

    return grade_translators(*given)


def _draw_translators(*given: Any) -> Drawings:
    from .drawing_pictures import draw_translators

    return draw_translators(*given)


JUDGES: Final[Mapping[str, Judge]] = {
    "stage1": Judge(
        Stage.STAGE1,
        GENERATOR,
        "generator",
        GENERATOR_SYSTEMS,
        GENERATOR_DIRECTIONS,
        _grade_generators,
        _draw_generators,
    ),
    "stage2": Judge(
        Stage.STAGE2,
        TRANSLATOR,
        "translator",
        TRANSLATOR_SYSTEMS,
        TRANSLATOR_DIRECTIONS,
        _grade_translators,
        _draw_translators,
    ),
}


def require_judgeable(judge: Judge, rule: ModelRule) -> None:
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


def judge_of(stage_or_model: str) -> Judge:
    """The judge of a stage, or of a registered model's name.

    Raises: SettingsError - nobody judges it.
    """
    for stage, judge in JUDGES.items():
        if stage_or_model in (stage, judge.model):
            return judge
    raise SettingsError(f"nobody judges {stage_or_model}; known are {', '.join(JUDGES)}")
