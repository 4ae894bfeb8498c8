"""Acceptance policies: limits name measures, absent ones are not applied, bad ones are refused."""

import pytest

from heterodub.schemas.acceptance import AcceptancePolicy, ShotLimits, ShotMeasures, load_acceptance_policy
from heterodub.schemas.errors import SettingsError
from heterodub.schemas.limits import parse_limit
from heterodub.tasks.evaluation.verdict import judge


def measures(**values) -> ShotMeasures:
    return ShotMeasures(0, 0, 50, 1.0, 3.0, values, {}, {"seam": 2.5, "nme_lips": 1.5})


def policy(**limits) -> AcceptancePolicy:
    return AcceptancePolicy(name="test", version=1, shot=ShotLimits(**limits))


def test_default_policy_limits_every_measure_but_identity():
    default = load_acceptance_policy()
    limited = {measure for _, _, measure, _ in default.limits()}
    assert {parse_limit(field)[1] for field in ShotLimits.model_fields} - limited == {"identity_distance"}


@pytest.mark.parametrize(
    ("limit", "good", "bad"),
    [("max_seam", 5.0, 5.1), ("min_sharpness", 5.0, 4.9), ("max_abs_sync_offset_s", -5.0, -5.1)],
)
def test_judge_applies_each_direction(limit, good, bad):
    measure = parse_limit(limit)[1]
    assert judge(measures(**{measure: good}), policy(**{limit: 5.0})).state == "accepted"
    failed = judge(measures(**{measure: bad}), policy(**{limit: 5.0}))
    assert (failed.state, failed.broken[0].measure, failed.broken[0].limit) == ("failed", measure, limit)


def test_judge_names_the_worst_time():
    at = {one.measure: one.at_s for one in judge(measures(seam=9.0, source_leak=0.9), load_acceptance_policy()).broken}
    assert at == {"seam": 2.5, "source_leak": 1.5}


def test_judge_passes_over_what_was_not_measured():
    assert judge(measures(source_leak=None), load_acceptance_policy()).broken == ()


def test_policy_with_an_unknown_limit_is_refused(tmp_path):
    (tmp_path / "bad.toml").write_text('name = "x"\nversion = 1\n[shot]\nmax_beauty = 1\n')
    with pytest.raises(SettingsError, match=r"shot\.max_beauty is not a known field"):
        load_acceptance_policy(tmp_path / "bad.toml")
    with pytest.raises(SettingsError, match="acceptance policy"):
        load_acceptance_policy(tmp_path / "none.toml")


def test_policy_hash_follows_its_limits():
    assert policy(max_seam=5.0).hash != policy(max_seam=6.0).hash
