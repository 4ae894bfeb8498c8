from dataclasses import asdict

import pyarrow as pa

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.policy import load_policy
from heterodub.schemas.reasons import Stage
from heterodub.schemas.tables import EMBEDDINGS
from heterodub.tasks.inspect.explain import (
    ClipAnswer,
    FileAnswer,
    SignalAnswer,
    SignalCheck,
    explain_clip,
    explain_name,
)
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import policy_in_force
from heterodub.tasks.stores.labels import ClipLabel, NewLabel, store_labels
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.inspect import footage


def signals(number: int) -> dict[str, SignalAnswer]:
    row = footage.clip_row(footage.CLIPS_MADE[number])
    return {signal.signal: signal for signal in explain_clip(row, footage.POLICY).signals}


def test_explain_shows_every_limit_of_the_policy():
    result = signals(1)
    for rule in footage.POLICY.rules():
        if rule.field != "always":
            assert rule.limit in [limit for _, limit in getattr(result[rule.signal], rule.stage).limits]


def test_explain_shows_pass_fail_and_no_limit():
    result = signals(1)
    assert result["face_height_px"].stage1.answer is SignalCheck.FAIL
    assert result["face_height_px"].stage1.reason == "face_too_small"
    assert result["snr_db"].stage2.answer is SignalCheck.NOT_ASKED
    assert result["av_sync_offset_frames"].stage1.answer is SignalCheck.PASS
    assert result["yaw_deg"].stage1.answer is SignalCheck.NOT_ASKED


def test_two_limits_on_one_signal_stand_together():
    says = signals(1)["brightness"].stage2
    assert says.limits == ((">=", 0.1), ("<=", 0.9))
    assert (says.answer, says.reason) == (SignalCheck.FAIL, "too_bright")


def test_unmeasured_signal_shows_cause_and_effect():
    result = signals(3)
    assert result["snr_db"].value is None
    assert result["snr_db"].missing == "no_sound_stream"
    assert (result["snr_db"].stage1.answer, result["snr_db"].stage1.refuses) == (SignalCheck.NOT_MEASURED, True)
    assert (result["landmark_jitter"].stage2.answer, result["landmark_jitter"].stage2.refuses) == (
        SignalCheck.NOT_MEASURED,
        False,
    )


def test_offsets_are_held_against_their_size():
    says = signals(4)["av_sync_offset_frames"].stage1
    assert (says.answer, says.limits) == (SignalCheck.FAIL, (("|x| <=", 6.0),))


def test_clip_of_an_older_policy_shows_the_active_decision():
    row = footage.clip_row(footage.CLIPS_MADE[0]) | {"policy": "0" * 12, "stage1": False}
    answer = explain_clip(row, footage.POLICY)
    assert (answer.stage1, answer.now_stage1) == (False, True)
    assert (answer.policy, answer.policy_in_force) == ("0" * 12, footage.POLICY.hash)


def test_file_explanation_shows_state_reason_and_clips(tmp_path):
    footage.make(tmp_path)
    settings = footage.settings(tmp_path)
    answer = explain_name(settings, "footage/plain.mp4")
    assert isinstance(answer, FileAnswer)
    assert [clip.route for clip in answer.clips] == ["both", "rejected"]
    assert answer.facts["width"] == 640
    refused = explain_name(settings, footage.COLOURED)
    assert isinstance(refused, FileAnswer)
    assert refused.reason is not None
    assert refused.reason.text == "no face was found in any frame"
    copy = explain_name(settings, footage.COPY)
    assert isinstance(copy, FileAnswer)
    assert (copy.clips_of, len(copy.clips)) == (footage.PLAIN, 2)
    clip = explain_name(settings, footage.clip_id(footage.CLIPS_MADE[2])[:10])
    assert isinstance(clip, ClipAnswer)
    assert clip.uri == footage.EVIL


def test_active_policy_is_read_from_the_workspace(tmp_path):
    empty = Workspace.open(str(tmp_path / "empty"), create=True)
    assert policy_in_force(empty, footage.settings(tmp_path)) == load_policy()
    made = footage.make(tmp_path / "made")
    assert policy_in_force(made, footage.settings(tmp_path)).hash == footage.POLICY.hash


def label(number: int, stage: Stage, keep: bool) -> tuple[dict, dict]:
    """A clip's row, and a label on it."""
    row = footage.clip_row(footage.CLIPS_MADE[number])
    said = ClipLabel(1, row["clip_id"], row["media_id"], stage, keep, "seen", "Ann", "2026-01-01T00:00:00+00:00", None)
    return row, {(row["clip_id"], stage): said}


def test_label_is_shown_with_its_effect():
    row, labels = label(1, Stage.STAGE1, True)
    answer = explain_clip(row, footage.POLICY, labels)
    assert [(one.text, one.effect) for one in answer.labels] == [("kept by Ann: seen", "waiting")]
    assert (answer.stage1, answer.now_stage1) == (False, True)
    routed = explain_clip(row | {"stage1": True, "stage1_reasons": []}, footage.POLICY, labels)
    assert routed.labels[0].effect == "applied"
    row, labels = label(0, Stage.STAGE2, False)
    assert explain_clip(row, footage.POLICY, labels).labels[0].effect == "waiting"
    refused = row | {"stage2": False, "stage2_reasons": ["refused_by_person"]}
    assert explain_clip(refused, footage.POLICY, labels).labels[0].effect == "applied"


def test_label_on_a_clip_that_cannot_be_used_names_what_hinders():
    row, labels = label(3, Stage.STAGE1, True)
    assert explain_clip(row, footage.POLICY, labels).labels[0].effect == "no_sound"


def test_explain_reads_the_labels_of_the_workspace(tmp_path):
    ws = footage.make(tmp_path)
    row = footage.clip_row(footage.CLIPS_MADE[1])
    store_labels(ws, [NewLabel(row["clip_id"], row["media_id"], Stage.STAGE2, False, "seen", "Ann")])
    answer = explain_name(footage.settings(tmp_path), row["clip_id"][:10])
    assert isinstance(answer, ClipAnswer) and [one.stage for one in answer.labels] == ["stage2"]
    file = explain_name(footage.settings(tmp_path), "footage/plain.mp4")
    assert isinstance(file, FileAnswer) and [len(clip.labels) for clip in file.clips] == [0, 1]


def test_embeddings_are_explained_without_their_numbers(tmp_path):
    ws = footage.make(tmp_path / "ws")
    bare = footage.embedding_row(footage.CLIPS_MADE[1]) | {"voice": None, "voice_version": None, "voice_s": 0.0}
    rows = pa.Table.from_pylist([bare | {"missing": [("voice", "not_own_speech")]}], schema=EMBEDDINGS)
    tables.replace_rows(ws, "embeddings", rows, "clip_id")
    answer = explain_name(Settings(workspace=ws.root), footage.PLAIN)
    first, second = (clip.embeddings for clip in answer.clips)
    face = "face embedding from frames 3, 10, 17 (dlib-resnet-v1)"
    assert first == (face, "voice embedding from 2.5 s of speech (resemblyzer-0.1.4)")
    assert second == (face, "no voice embedding: not_own_speech")
    assert str(footage.MARK)[:7] not in str(asdict(answer))
