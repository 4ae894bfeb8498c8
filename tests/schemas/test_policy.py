"""The policy file: every limit parses to a rule that says something, and what is wrong in it is named."""

import json

import pytest

from heterodub.schemas.errors import SettingsError
from heterodub.schemas.policy import (
    DEFAULT_POLICY,
    OWN_SOUND_SCORE,
    REASON_OF,
    Policy,
    Stage1Limits,
    Stage2Limits,
    load_policy,
)
from heterodub.schemas.reasons import EXPLANATIONS, ClipReason, FileReason, Stage
from heterodub.schemas.signals import BY_NAME
from heterodub.schemas.toml import parse_model

LIMITS = [
    (stage, field)
    for stage, model in ((Stage.STAGE1, Stage1Limits), (Stage.STAGE2, Stage2Limits))
    for field in model.model_fields
    if field != "accept_missing"
]
INSIDE = {"min_level_dbfs": -40.0, "min_dnsmos_bak": 2.5, "min_dnsmos_sig": 2.5, "min_dnsmos_ovrl": 2.5}


def text(stage1: str = "", stage2: str = "") -> str:
    return f'name = "mine"\nversion = 1\n[stage1]\n{stage1}\n[stage2]\n{stage2}\n'


def with_limit(stage: Stage, line: str) -> Policy:
    return parse_model(Policy, text(**{stage.value: line}), "mine.toml")


def test_default_limit_of_sync_is_the_one_that_other_parts_share():
    assert load_policy().stage1.min_av_sync_score == OWN_SOUND_SCORE


def test_default_policy_loads():
    policy = load_policy()
    assert policy.name == "default"
    assert len(policy.rules()) > 30
    assert policy == load_policy(DEFAULT_POLICY)


@pytest.mark.parametrize(("stage", "field"), LIMITS)
def test_every_limit_becomes_a_rule_on_a_known_signal_with_a_reason(stage, field):
    limit = INSIDE.get(field, 0.5)
    rules = [rule for rule in with_limit(stage, f"{field} = {limit}").rules() if rule.field != "always"]
    (rule,) = rules
    assert (rule.stage, rule.field, rule.limit) == (stage, field, limit)
    assert rule.signal in BY_NAME
    assert field == f"{rule.direction}_{rule.signal}"
    assert rule.reason is REASON_OF[field]
    assert rule.missing_reason in ClipReason


@pytest.mark.parametrize("model", [Policy, Stage1Limits, Stage2Limits])
def test_every_limit_is_documented(model):
    assert [name for name, field in model.model_fields.items() if not field.description] in ([], ["stage1", "stage2"])


def test_every_reason_of_the_table_is_used():
    assert set(REASON_OF) == {field for _, field in LIMITS}


def test_every_reason_has_a_sentence():
    assert set(EXPLANATIONS) == {*FileReason, *ClipReason}
    assert all(sentence == sentence.strip() and sentence for sentence in EXPLANATIONS.values())


def test_empty_policy_still_requires_sound_for_stage_one():
    (rule,) = parse_model(Policy, text(), "mine.toml").rules()
    assert (rule.stage, rule.signal, rule.missing_reason) == (Stage.STAGE1, "level_dbfs", ClipReason.NO_SOUND)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("min_snr = 5", r"stage1\.min_snr is not a known field"),
        ("min_sharpness = 1.0", r"stage1\.min_sharpness is not a known field"),
        ("min_snr_db = 'loud'", r"stage1\.min_snr_db = 'loud': .*number"),
        ("min_snr_db = '8'", r"stage1\.min_snr_db = '8': .*number"),
        ("min_face_share = true", r"stage1\.min_face_share = True: .*number"),
        ("min_snr_db = nan", r"stage1\.min_snr_db = nan: .*finite"),
        ("min_snr_db = inf", r"stage1\.min_snr_db = inf: .*finite"),
        ("min_face_share = 1.2", r"stage1\.min_face_share = 1\.2: .*less than or equal to 1"),
        ("min_level_dbfs = 3", r"stage1\.min_level_dbfs = 3: .*less than or equal to 0"),
        ("min_dnsmos_bak = 0.5", r"stage1\.min_dnsmos_bak = 0\.5: .*greater than or equal to 1"),
        ("accept_missing = ['snr']", r"accept_missing.*no such signal: snr; known are .*snr_db"),
    ],
)
def test_invalid_fields_are_named(line, message):
    with pytest.raises(SettingsError, match=message) as error:
        parse_model(Policy, text(stage1=line), "mine.toml")
    assert "mine.toml" in str(error.value)


def test_whole_numbers_are_numbers():
    assert with_limit(Stage.STAGE1, "min_snr_db = 8").stage1.min_snr_db == 8.0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name = ", "not TOML"),
        ('name = "x"\n[stage1]\n[stage2]', "version is missing"),
        ('name = "x"\nversion = 0\n[stage1]\n[stage2]', "version = 0"),
        ('name = "x"\nversion = 1\n[stage1]', "stage2 is missing"),
    ],
)
def test_broken_file_is_refused(tmp_path, content, message):
    path = tmp_path / "policy.toml"
    path.write_text(content)
    with pytest.raises(SettingsError, match=message):
        load_policy(path)


def test_missing_or_binary_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"none\.toml: No such file"):
        load_policy(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"bytes\.toml is not TOML"):
        load_policy(tmp_path / "bytes.toml")


def test_hash_is_of_the_content():
    eight = with_limit(Stage.STAGE1, "min_snr_db = 8")
    assert eight.hash == with_limit(Stage.STAGE1, "min_snr_db = 8.0  # a note").hash
    assert len(eight.hash) == 12
    others = [
        with_limit(Stage.STAGE1, "min_snr_db = 8.1"),
        with_limit(Stage.STAGE1, "min_snr_db = 8\naccept_missing = ['snr_db']"),
        with_limit(Stage.STAGE1, ""),
        eight.model_copy(update={"version": 2}),
    ]
    assert len({eight.hash, *(other.hash for other in others)}) == 5


def test_policy_round_trips_through_storage():
    policy = load_policy()
    again = Policy.model_validate(json.loads(policy.model_dump_json()))
    assert again == policy
    assert again.hash == policy.hash


@pytest.mark.parametrize(
    ("field", "missing"),
    [
        ("min_level_dbfs = -50", ClipReason.NO_SOUND),
        ("min_speech_share = 0.2", ClipReason.LITTLE_SPEECH),
        ("min_snr_db = 8", ClipReason.NOISY),
        ("min_av_sync_score = 2", ClipReason.AV_SYNC_UNKNOWN),
        ("max_abs_av_sync_offset_frames = 6", ClipReason.AV_SYNC_UNKNOWN),
        ("min_speech_motion_ratio = 1", ClipReason.AV_SYNC_UNKNOWN),
        ("max_landmark_jitter = 0.1", ClipReason.LANDMARKS_JITTER),
    ],
)
def test_missing_signal_has_its_own_reason_and_can_be_accepted(field, missing):
    signal = field.split(" ")[0].removeprefix("min_").removeprefix("max_").removeprefix("abs_")
    asked, *_ = with_limit(Stage.STAGE1, field).rules()
    accepted, *_ = with_limit(Stage.STAGE1, f"{field}\naccept_missing = ['{signal}']").rules()
    assert asked.missing_reason is missing
    assert accepted.missing_reason is None
