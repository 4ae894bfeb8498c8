"""Every rule of the gate, seen to hold and to fail, on scores whose outcome can be computed by hand."""

import pytest

from heterodub.flows.cli.render.promotion import show_promotion
from heterodub.tasks.promotion.checks import figure
from heterodub.tasks.promotion.decision import decide
from heterodub.tasks.promotion.evidence import outcome_of
from tests.tasks.promotion.made_sheets import DIRECTIONS, RESAMPLING, RULE, sheet


def verdict(challenger, champion=None, rule=RULE):
    return decide(challenger, champion, DIRECTIONS, rule, RESAMPLING, {})


def failed(result) -> list[str]:
    return [check.name for check in result.checks if not check.passed]


def test_better_challenger_is_promoted():
    decision = verdict(sheet(2, error=0.8), sheet(1))
    assert (decision.outcome, failed(decision), decision.clips, decision.speakers) == ("promote", [], 16, 8)
    assert "every guard holds" in decision.reason


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (1.2, "worse"),
        (1.0, "undecidable, the interval holds zero"),
        (0.985, "not surely by enough"),
        (lambda clip: 0.2 if clip < 2 else 1.05, "undecidable"),  # one speaker's luck
    ],
)
def test_challenger_below_the_minimum_effect_is_kept(error, words):
    decision = verdict(sheet(2, error=error), sheet(1))
    assert decision.outcome == "keep"
    assert failed(decision)[0] == "primary"
    assert words in decision.reason


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"copy": 0.7}, "beats copy"),
        ({"other": 0.8}, "beats unpaired audio"),
        ({"other": 0.9}, "gain over unpaired audio"),
        ({"correlation": 0.4}, "correlation"),
        ({"mouth_opening_std_ratio": 0.8}, "mouth_opening_std_ratio"),
        ({"mouth_opening_std_ratio": 1.2}, "mouth_opening_std_ratio"),
        ({"jitter": 1.3}, "jitter"),
        ({"latency_ms": 16.0}, "latency_ms"),
        ({"latency_ms": None}, "latency_ms"),
        ({"correlation": None}, "correlation"),
        ({"correlation": lambda clip: None if clip % 4 == 0 else 0.9}, "correlation"),
    ],
)
def test_better_challenger_beyond_a_tolerance_is_kept(changes, name):
    decision = verdict(sheet(2, error=0.8, **changes), sheet(1))
    assert decision.outcome == "keep"
    assert name in failed(decision)
    assert decision.reason.startswith("not held")


@pytest.mark.parametrize("changes", [{"correlation": 0.44}, {"mouth_opening_std_ratio": 0.9}, {"latency_ms": 14.0}])
def test_score_within_its_tolerance_passes(changes):
    assert verdict(sheet(2, error=0.8, **changes), sheet(1)).outcome == "promote"


def test_ratio_score_nearer_to_one_passes():
    assert (
        verdict(sheet(2, error=0.8, mouth_opening_std_ratio=1.0), sheet(1, mouth_opening_std_ratio=0.6)).outcome
        == "promote"
    )


def test_champion_without_movement_can_be_beaten():
    """It trembles less than anybody, and nothing can be measured of how its mouth moves."""
    still = sheet(1, error=1.1, correlation=None, mouth_opening_std_ratio=0.0, jitter=0.0)
    assert verdict(sheet(2, error=0.8), still).outcome == "promote"


@pytest.mark.parametrize(("speakers", "clips"), [(4, 4), (8, 1)])
def test_small_benchmark_keeps_the_champion(speakers, clips):
    one, two = (sheet(number, error, speakers=speakers, clips=clips) for number, error in ((2, 0.1), (1, 1.0)))
    decision = verdict(one, two)
    assert decision.outcome == "keep"
    assert decision.reason.startswith("undecidable")


def test_first_champion_has_to_beat_only_its_controls():
    assert verdict(sheet(1)).outcome == "promote"
    assert failed(verdict(sheet(1, copy=0.99))) == ["beats copy"]
    assert failed(verdict(sheet(1, other=1.0))) == ["beats unpaired audio"]


@pytest.mark.parametrize(("speakers", "clips"), [(4, 4), (8, 1), (1, 2)])
def test_first_champion_of_a_small_benchmark_beats_its_controls_by_figures_alone(speakers, clips):
    decision = verdict(sheet(1, speakers=speakers, clips=clips))
    assert (decision.outcome, failed(decision)) == ("promote", [])
    assert "without surety: the benchmark holds" in decision.reason
    for losing in ({"copy": 0.99}, {"copy": 1.0}, {"other": 1.0}):
        refused = verdict(sheet(1, speakers=speakers, clips=clips, **losing))
        assert refused.outcome == "keep" and len(failed(refused)) == 1
        assert refused.reason.endswith("the policy requires 12 and 6")


def test_small_benchmark_still_requires_scores_of_a_first_champion():
    assert verdict(sheet(1, error=None, speakers=2)).outcome == "keep"


def test_other_clips_are_not_compared():
    with pytest.raises(ValueError, match="different clips"):
        verdict(sheet(2), sheet(1, speakers=7))


def test_decision_is_deterministic():
    assert verdict(sheet(2, error=0.97), sheet(1)) == verdict(sheet(2, error=0.97), sheet(1))


def test_missing_interval_names_its_cause_and_keeps_the_figure():
    """Two clips of one speaker: the figure is there, and one speaker does not say how much speakers differ."""
    decision = verdict(sheet(2, error=0.9, speakers=1, clips=2), sheet(1, speakers=1, clips=2))
    assert decision.reason == "undecidable: the benchmark holds 2 clips of 1 speaker, the policy requires 12 and 6"
    for check in (check for check in decision.checks if check.name == "primary" or check.name.startswith("beats")):
        assert check.value.mean is not None and check.value.low is None
        assert check.detail.startswith("no interval: one speaker") and not check.passed
        assert figure(check).startswith(f"{check.value.mean:+.3f}, no interval: one speaker")


@pytest.mark.parametrize(("champion", "says"), [(None, "no champion: "), (3, "kept: ")])
def test_rejected_challenger_without_champion_leaves_none(champion, says, capsys):
    before = sheet(3, speakers=1, clips=2) if champion else None
    decision = verdict(sheet(4, error=1.3, speakers=1, clips=2), before)
    result = dict.fromkeys(("repaired", "move", "run", "benchmark", "policy", "model"), "x") | {
        "challenger": 4,
        "champion_before": champion,
        "champion": champion,
        "clips": decision.clips,
        "speakers": decision.speakers,
        "checks": decision.summary()["checks"],
        "outcome": outcome_of(champion, moved=False, refused=""),
        "reason": decision.reason,
    }
    show_promotion(result)
    captured = capsys.readouterr().out
    assert f"\n{says}" in captured and "2 clips of 1 speaker" in captured
    assert ("--override" in captured) == (champion is None)
