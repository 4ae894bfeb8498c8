"""Error rates of the promotion gate on real scores of trained generators: speakers resampled a hundred times."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.promotion import load_promotion_policy
from heterodub.schemas.reasons import Stage
from heterodub.schemas.strata import FACTOR_NAMES
from heterodub.tasks.promotion.candidates import Candidates, ModelScores
from heterodub.tasks.promotion.decision import PromotionDecision, decide
from heterodub.tasks.promotion.evaluators import GENERATOR_DIRECTIONS
from heterodub.tasks.promotion.generator_evaluator import evaluate
from heterodub.tasks.promotion.stratum_checks import compare_strata, stratum_checks
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
    return decide(challenger, champion, GENERATOR_DIRECTIONS, rule, rules.resampling, {})


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


def test_equal_generator_is_refused_for_a_stratum_at_most_at_the_nominal_rate(sheets, rules):
    """Whatever the factors: speakers fall into halves by the toss of a coin, which no generator can know."""
    draw = np.random.default_rng(4)
    rule = rules.rule("landmark-generator").model_copy(update={"strata": dict.fromkeys(FACTOR_NAMES, 0.0)})
    refused = 0
    for _ in range(TRIALS):
        one, other = swapped(draw, *drawn(draw, sheets["good"], sheets["other seed"]))
        names = sorted(set(one.speakers.values()))
        halves = {name: dict(zip(FACTOR_NAMES, map(str, draw.integers(2, size=6)), strict=True)) for name in names}
        strata = {clip: halves[speaker] for clip, speaker in one.speakers.items()}
        parts = compare_strata(one, other, strata, rule, rules.resampling.level)
        refused += not all(check.passed for check in stratum_checks(parts, rule))
    assert refused <= MOST_WINS


def test_generator_that_is_deaf_to_one_stratum_is_refused(sheets, rules):
    """The good one, with the scores of one without audio for six of the eight speakers."""
    good, deaf = sheets["good"], sheets["deaf"]
    six = set(sorted(set(good.speakers.values()))[:6])
    rows = zip(good.clip_scores, deaf.clip_scores, strict=True)
    mixed = replace(good, clip_scores=tuple(bad if bad.speaker in six else best for best, bad in rows))
    strata = {
        clip: dict.fromkeys(FACTOR_NAMES, "same") | {"corpus": "six" if speaker in six else "rest"}
        for clip, speaker in good.speakers.items()
    }
    rule = rules.rule("landmark-generator").model_copy(update={"strata": {"corpus": 0.02}})
    parts = compare_strata(mixed, good, strata, rule, rules.resampling.level)
    assert [part.stratum for part in parts if not part.holds(0.02)] == ["six"]


def test_identical_weights_are_never_promoted(sheets, rules):
    draw = np.random.default_rng(3)
    assert not any(wins(rules, *drawn(draw, sheets["good"], sheets["good"])) for _ in range(20))
