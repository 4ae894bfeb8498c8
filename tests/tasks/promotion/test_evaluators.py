"""A policy that asks for what unknown name is refused, not waited for in vain."""

import pytest

from heterodub.schemas.errors import SettingsError
from heterodub.schemas.promotion import load_promotion_policy
from heterodub.tasks.promotion.evaluators import EVALUATORS, evaluator_of, require_measured


@pytest.mark.parametrize("stage", EVALUATORS)
def test_default_policy_uses_only_measured_scores(stage):
    judge = evaluator_of(stage)
    rule = load_promotion_policy().rule(judge.model)
    require_measured(judge, rule)
    assert judge.directions[rule.primary] == "less"
    assert rule.controls and set(rule.controls) < set(judge.systems)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"primary": "nme_lipps"}, "primary: unknown name 'nme_lipps'; known are nme_lips"),
        ({"primary": "landmark_sync_z"}, "primary"),  # more of it is better: no error
        ({"tolerances": {"jiter": 0.1}}, "tolerances.*'jiter'"),
        ({"controls": {"paired audio": 0.0}}, "controls.*'paired audio'; known are unpaired audio"),
        ({"gain_tolerances": {"warp": 0.0}}, "gain_tolerances.*'warp'"),
        ({"costs": {"latency": 1.5}}, "costs.*'latency'; known are latency_ms"),
    ],
)
def test_unknown_policy_word_is_named(change, words):
    judge = evaluator_of("stage1")
    rule = load_promotion_policy().rule(judge.model).model_copy(update=change)
    with pytest.raises(SettingsError, match=words):
        require_measured(judge, rule)
