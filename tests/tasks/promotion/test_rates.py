"""Error rates of the promotion gate on real scores of trained generators: speakers resampled a hundred times."""

import shutil

import numpy as np
import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.promotion import load_promotion_policy
from heterodub.schemas.reasons import Stage
from heterodub.tasks.promotion.candidates import Candidates, ModelScores
from heterodub.tasks.promotion.decision import PromotionDecision, decide
from heterodub.tasks.promotion.evaluators import GENERATOR_DIRECTIONS
from heterodub.tasks.promotion.generator_evaluator import evaluate
from heterodub.tasks.releases import benchmarks
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.promotion.trials import MOST_WINS, TRIALS, drawn, swapped
from tests.tasks.training.talkers import forget_scores


@pytest.fixture(scope="module")
def rules(policy):
    return load_promotion_policy(policy)


@pytest.fixture(scope="module")
def sheets(talking, trained, rules, tmp_path_factory) -> dict[str, ModelScores]:
    """Scores of every generator on the same benchmark. The settings name senone scores, which a clip lacks: generators
    that read none are judged all the same.
    """
    ws = Workspace.open(str(shutil.copytree(talking.root, tmp_path_factory.mktemp("rates") / "ws")))
    stage1 = Stage1Settings(preset="tiny", architecture={"speech_features": "mel+senones"})
    settings = Settings(workspace=ws.root, stage1=stage1)
    release, rule = forget_scores(ws, 0), rules.rule("landmark-generator")
    benchmark = benchmarks.freeze(ws, release, Stage.STAGE1, "test")
    graded = evaluate(Candidates(ws, settings, release, benchmark, rule, dict(enumerate(trained.values(), 1))))
    return dict(zip(trained, graded, strict=True))


def wins(rules, challenger: ModelScores, champion: ModelScores | None) -> bool:
    return decided(rules, rules.rule("landmark-generator"), challenger, champion).outcome == "promote"


def decided(rules, rule, challenger: ModelScores, champion: ModelScores | None) -> PromotionDecision:
    return decide(challenger, champion, GENERATOR_DIRECTIONS, rule, rules.resampling)


def test_trained_generator_becomes_the_first_champion(sheets, rules):
    assert wins(rules, sheets["good"], None)
    assert not wins(rules, sheets["deaf"], None)


def test_generator_that_does_not_beat_the_linear_map_is_refused(sheets, rules):
    """The lips of these talkers follow the sound linearly, so the linear map is hard to beat."""
    rule = rules.rule("landmark-generator")
    stricter = rule.model_copy(update={"controls": {**rule.controls, "linear": 0.0}})
    verdict = decided(rules, stricter, sheets["good"], None)
    assert verdict.outcome == "keep"
    assert [check.name for check in verdict.checks if not check.passed] == ["beats linear"]


@pytest.mark.parametrize("worse", ["deaf", "shaken"])
def test_worse_generator_is_never_promoted(sheets, rules, worse):
    draw = np.random.default_rng(1)
    assert not any(wins(rules, *drawn(draw, sheets[worse], sheets["good"])) for _ in range(TRIALS))


def test_clearly_better_generator_is_promoted(sheets, rules):
    assert wins(rules, sheets["good"], sheets["deaf"])


def test_equal_generator_is_promoted_at_most_at_the_nominal_rate(sheets, rules):
    """The interval's near end alone may exceed zero in 2.5 of 100 cases; it has to exceed the minimum effect."""
    draw = np.random.default_rng(2)
    won = 0
    for _ in range(TRIALS):
        one, other = swapped(draw, *drawn(draw, sheets["good"], sheets["other seed"]))
        won += wins(rules, one, other)
    assert won <= MOST_WINS


def test_identical_weights_are_never_promoted(sheets, rules):
    draw = np.random.default_rng(3)
    assert not any(wins(rules, *drawn(draw, sheets["good"], sheets["good"])) for _ in range(20))
