"""Routing by hand-made measurements: each rule alone, all together, one clip or many."""

import math

import numpy as np
import pytest

from heterodub.schemas.policy import Policy, Rule, load_policy
from heterodub.schemas.reasons import ClipReason, Stage
from heterodub.schemas.rights import NOTHING_STATED
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.schemas.toml import parse_model
from heterodub.tasks.quality.routing import as_columns, explain, overrule, route_clip, route_columns, with_rights

GOOD = {
    "face_height_px": 200.0, "interocular_px": 60.0, "face_share": 1.0, "mesh_score": 0.99,
    "mouth_visibility": 1.0, "faces_share": 0.0, "undecided_share": 0.0,
    "landmark_jitter": 0.005, "mouth_motion": 0.2, "yaw_deg": 5.0, "pitch_deg": 5.0, "roll_deg": 2.0,
    "sharpness": 0.4, "blockiness": 1.0, "colourfulness": 0.15, "brightness": 0.5, "dark_share": 0.0,
    "bright_share": 0.0, "distinct_fps": 25.0, "frozen_share": 0.0, "interlace": 0.0,
    "level_dbfs": -24.0, "speech_share": 0.7,
    "speech_s": 5.0, "snr_db": 30.0, "clipping_share": 0.0, "bandwidth_hz": 7800.0, "dnsmos_sig": 3.5,
    "dnsmos_bak": 4.0, "dnsmos_ovrl": 3.3, "av_sync_score": 5.0, "av_sync_corr": 0.5, "av_sync_offset_frames": 0.0,
    "speech_motion_ratio": 3.0, "speaking_margin": 5.0,
}  # fmt: skip
POLICY = load_policy()
LIMITS = [rule for rule in POLICY.rules() if rule.field != "always"]


def only(rule: Rule) -> Policy:
    """A policy that asks for nothing but this rule."""
    line = f"{rule.field} = {rule.limit!r}"
    lines = {stage: line if stage is rule.stage else "" for stage in Stage}
    return parse_model(
        Policy, f'name = "one"\nversion = 1\n[stage1]\n{lines[Stage.STAGE1]}\n[stage2]\n{lines[Stage.STAGE2]}', "one"
    )


def reasons(values, stage: Stage, policy: Policy = POLICY) -> tuple[ClipReason, ...]:
    decision = route_clip(values, policy)
    return decision.stage1_reasons if stage is Stage.STAGE1 else decision.stage2_reasons


def beyond(rule: Rule) -> float:
    return math.nextafter(rule.limit, -math.inf if rule.direction == "min" else math.inf)


def random_clips(count: int) -> list[dict[str, float | None]]:
    rng = np.random.default_rng(7)
    clips = []
    for _ in range(count):
        clip: dict[str, float | None] = dict(GOOD)
        for rule in LIMITS:
            if rng.random() < 0.1:
                clip[rule.signal] = None
            elif rng.random() < 0.15:
                clip[rule.signal] = float(rng.choice([rule.limit, beyond(rule)]))
        clips.append(clip)
    return clips


def test_label_keeps_a_clip_for_its_stage_alone():
    bad = GOOD | {"snr_db": -20.0, "sharpness": 0.0}
    kept = route_clip(bad, POLICY, {Stage.STAGE1: True})
    assert (kept.stage1, kept.stage1_reasons) == (True, ())
    assert (kept.stage2, kept.stage2_reasons) == (False, (ClipReason.BLURRED,))


def test_label_refuses_a_clip_beside_the_reasons_of_the_policy():
    refused = route_clip(GOOD | {"snr_db": -20.0}, POLICY, {Stage.STAGE1: False, Stage.STAGE2: False})
    assert refused.stage1_reasons == (ClipReason.NOISY, ClipReason.REFUSED_BY_PERSON)
    assert (refused.stage2, refused.stage2_reasons) == (False, (ClipReason.REFUSED_BY_PERSON,))


def test_clip_without_sound_cannot_be_kept_for_stage1():
    silent = GOOD | dict.fromkeys(("level_dbfs", "snr_db", "speech_share", "speech_s"))
    kept = route_clip(silent, POLICY, {Stage.STAGE1: True})
    assert (kept.stage1, kept.stage1_reasons) == (False, (ClipReason.NO_SOUND,))


def test_labels_of_many_clips_stay_with_their_clips():
    clips, policy = random_clips(40), POLICY
    verdicts = [
        {stage: number % 3 == 0 for stage in Stage if (number + (stage is Stage.STAGE1)) % 2} for number in range(40)
    ]
    masks = overrule(route_columns(as_columns(clips, policy), policy), 40, dict(enumerate(verdicts)))
    for number, (values, said) in enumerate(zip(clips, verdicts, strict=True)):
        one = route_clip(values, policy, said)
        for stage, alone in ((Stage.STAGE1, one.stage1_reasons), (Stage.STAGE2, one.stage2_reasons)):
            assert tuple(sorted(reason for reason, mask in masks[stage].items() if mask[number])) == alone


def test_good_clip_names_every_signal_and_serves_both_stages():
    assert set(GOOD) == set(SIGNAL_NAMES)
    decision = route_clip(GOOD, POLICY)
    assert (decision.stage1, decision.stage2) == (True, True)
    assert (decision.stage1_reasons, decision.stage2_reasons) == ((), ())


@pytest.mark.parametrize("rule", LIMITS, ids=lambda rule: f"{rule.stage}-{rule.field}")
def test_just_beyond_a_limit_is_refused_for_its_reason_alone_and_the_limit_itself_is_not(rule):
    at = GOOD | {rule.signal: rule.limit}
    assert reasons(at, rule.stage, only(rule)) == ()
    past = GOOD | {rule.signal: beyond(rule)}
    assert reasons(past, rule.stage, only(rule)) == (rule.reason,)
    other = Stage.STAGE2 if rule.stage is Stage.STAGE1 else Stage.STAGE1
    assert reasons(past, other, only(rule)) == ()


@pytest.mark.parametrize("rule", LIMITS, ids=lambda rule: f"{rule.stage}-{rule.field}")
def test_each_limit_flips_only_its_own_reason(rule):
    assert reasons(GOOD | {rule.signal: rule.limit}, rule.stage) == ()
    assert reasons(GOOD | {rule.signal: beyond(rule)}, rule.stage) == (rule.reason,)


@pytest.mark.parametrize("rule", [rule for rule in LIMITS if rule.direction == "max_abs"], ids=lambda rule: rule.field)
def test_both_signs_of_an_absolute_limit_count(rule):
    assert reasons(GOOD | {rule.signal: -rule.limit}, rule.stage) == ()
    assert reasons(GOOD | {rule.signal: -beyond(rule)}, rule.stage) == (rule.reason,)


@pytest.mark.parametrize("rule", LIMITS, ids=lambda rule: f"{rule.stage}-{rule.field}")
@pytest.mark.parametrize("gap", [None, math.nan], ids=["null", "nan"])
def test_missing_signal_is_refused_for_its_own_reason_or_accepted(rule, gap):
    expected = () if rule.missing_reason is None else (rule.missing_reason,)
    if rule.signal == "level_dbfs":
        expected = (ClipReason.NO_SOUND,)
    assert reasons(GOOD | {rule.signal: gap}, rule.stage) == expected


def test_every_reason_that_applies_is_listed():
    worst = GOOD | {rule.signal: beyond(rule) for rule in LIMITS if rule.stage is Stage.STAGE1}
    assert set(reasons(worst, Stage.STAGE1)) == {rule.reason for rule in LIMITS if rule.stage is Stage.STAGE1}
    worst = GOOD | {rule.signal: beyond(rule) for rule in LIMITS if rule.stage is Stage.STAGE2}
    worst["dark_share"] = 1.0  # brightness itself cannot be too low and too high
    assert set(reasons(worst, Stage.STAGE2)) == {rule.reason for rule in LIMITS if rule.stage is Stage.STAGE2}


def test_unmeasured_face_has_one_reason():
    unseen = GOOD | dict.fromkeys(
        ("sharpness", "blockiness", "colourfulness", "brightness", "dark_share", "bright_share")
    )
    assert reasons(unseen, Stage.STAGE2) == (ClipReason.FACE_NOT_TRACKED,)
    assert reasons(unseen, Stage.STAGE1) == ()


def test_reasons_are_sorted_and_unique():
    clip = GOOD | {"speech_share": 0.0, "speech_s": 0.0, "snr_db": 0.0, "face_height_px": 1.0}
    result = reasons(clip, Stage.STAGE1)
    assert list(result) == sorted(set(result))
    assert result == (ClipReason.FACE_TOO_SMALL, ClipReason.LITTLE_SPEECH, ClipReason.NOISY)


@pytest.mark.parametrize("accepted", ["", "accept_missing = ['level_dbfs']", "min_level_dbfs = -90"])
def test_stage_one_always_refuses_a_clip_without_sound(accepted):
    silent = GOOD | {"level_dbfs": None}
    policy = parse_model(Policy, f'name = "x"\nversion = 1\n[stage1]\n{accepted}\n[stage2]\n', "x")
    assert reasons(silent, Stage.STAGE1, policy) == (ClipReason.NO_SOUND,)
    assert reasons(silent, Stage.STAGE2, policy) == ()


def test_one_clip_and_many_are_routed_alike():
    clips = random_clips(300)
    masks = route_columns(as_columns(clips, POLICY), POLICY)
    seen = set()
    for number, clip in enumerate(clips):
        decision = route_clip(clip, POLICY)
        for stage, own in ((Stage.STAGE1, decision.stage1_reasons), (Stage.STAGE2, decision.stage2_reasons)):
            assert own == tuple(sorted(reason for reason, mask in masks[stage].items() if mask[number]))
            seen |= set(own)
        assert decision.stage1 is not bool(decision.stage1_reasons)
        assert decision.stage2 is not bool(decision.stage2_reasons)
    assert len(seen) > 20


def test_explanation_agrees_with_the_decision():
    for clip in random_clips(300):
        verdicts = explain(clip, POLICY)
        assert [verdict.rule for verdict in verdicts] == list(POLICY.rules())
        for stage in Stage:
            result = {v.reason for v in verdicts if v.rule.stage is stage and not v.passed}
            assert result == set(reasons(clip, stage))
        assert all((verdict.reason is None) is verdict.passed for verdict in verdicts)


def test_policy_that_asks_for_more_refuses_no_fewer():
    clips = random_clips(200)
    base = POLICY.model_dump()
    stricter = Policy.model_validate(base | {"stage1": base["stage1"] | {"min_snr_db": 35.0, "min_mouth_motion": 0.3}})
    for clip in clips:
        assert set(reasons(clip, Stage.STAGE1)) <= set(reasons(clip, Stage.STAGE1, stricter))
    assert any(not route_clip(clip, stricter).stage1 and route_clip(clip, POLICY).stage1 for clip in clips)


def test_rights_are_refused_alike_for_one_clip_and_for_columns_and_no_label_overrules_them():
    stated = [
        dict(NOTHING_STATED), NOTHING_STATED | {"consent": "refused"}, NOTHING_STATED | {"synthetic": "made by x"},
    ]  # fmt: skip
    keep = {Stage.STAGE1: True, Stage.STAGE2: True}
    masks = with_rights(route_columns(as_columns([GOOD] * 3, POLICY), POLICY), stated, POLICY)
    for place, one in enumerate(stated):
        decision = route_clip(GOOD, POLICY, keep, one)
        for stage, reasons in ((Stage.STAGE1, decision.stage1_reasons), (Stage.STAGE2, decision.stage2_reasons)):
            assert {*reasons} == {reason for reason, mask in masks[stage].items() if mask[place]}
    assert route_clip(GOOD, POLICY, keep, stated[0]).stage1
    assert route_clip(GOOD, POLICY, keep, stated[1]).stage1_reasons == (ClipReason.CONSENT_NOT_PERMITTED,)
    assert route_clip(GOOD, POLICY, keep, stated[2]).stage2_reasons == (ClipReason.SYNTHETIC_MEDIA,)
