"""Ablation of single-stage footage: both arms are scored on the same speakers, and only one has the added clips."""

import pytest

from heterodub.model.evaluation.clip_scores import ClipScores
from heterodub.model.evaluation.report import ReportSpec
from heterodub.model.training.sampler import ClipInfo
from heterodub.schemas.errors import TrainingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.evaluation.cross_validation import ablate_data, cross_validate
from heterodub.tasks.evaluation.evaluation import Evaluation
from heterodub.tasks.training.clip_selection import ClipRef, Selection
from heterodub.tasks.training.clip_store import ClipSource, HeldPictures

SPEC = ReportSpec(("model",), ("error",), (("model", "copy"),), ("error",), (), ("error", "error"), ())


def trial(part, test_clips, name) -> Evaluation:
    """Scores that are the inverse of the number of clips trained on."""
    assert not {clip.group for clip in part.train} & {clip.group for clip in test_clips}
    rows = tuple(
        ClipScores(clip.facts.clip_id, clip.facts.speaker, "model", {"error": 1 / len(part.train)})
        for clip in test_clips
    )
    return Evaluation(SPEC, Stage.STAGE1, "r", name, 1, "m", rows, frechet={"model": {"frames": 1.0}})


def selection(both) -> Selection:
    """Sixteen speakers of two clips each; both(clip): whether the other stage takes a clip, too."""
    ids = [(f"{speaker:x}{clip}", f"speaker {speaker}") for speaker in range(16) for clip in range(2)]
    clips = [ClipRef(ClipInfo(one, 9, name), ClipSource(one, one), "train", name, both(one)) for one, name in ids]
    return Selection(None, HeldPictures({}), tuple(clips), ())


def test_both_parts_are_evaluated_on_the_same_speakers_and_one_is_shown_more():
    ablation = ablate_data(selection(lambda clip_id: clip_id.endswith("0")), 2, trial)
    half, more = ({row.clip_id: row.metrics["error"] for row in part.rows} for part in (ablation.half, ablation.more))
    assert half.keys() == more.keys()
    assert len(half) == 32  # every speaker is scored in one of the two folds
    assert all(more[clip] < half[clip] for clip in half)
    assert ablation.half_clips == 2 * ablation.added_clips == 2 * ablation.added_speakers  # one of a speaker's two
    summary = ablation.summary()
    assert summary["gains"]["error"]["mean"] == pytest.approx(1 / 3)
    assert "more footage" in summary["more"]["evaluated_on"]
    assert summary["more"]["frechet"] == {}  # of one model's pictures alone


def test_ablation_without_added_clips_is_an_error():
    with pytest.raises(TrainingError, match="nothing to add"):
        ablate_data(selection(lambda _: True), 2, trial)


def test_folds_are_merged_and_one_can_be_run_alone():
    whole = cross_validate(selection(lambda _: True), 4, trial, speakers=3)
    assert len(whole.rows) == 32
    assert whole.evaluated_on == "4 folds over speakers, 3 at most to train on"
    assert {row.metrics["error"] for row in whole.rows} == {1 / 6}
    alone = cross_validate(selection(lambda _: True), 4, trial, only=2)
    assert (alone.evaluated_on, len(alone.rows)) == ("fold 2 of 4", 8)
    with pytest.raises(TrainingError, match="no fold 5; folds are 1 to 4"):
        cross_validate(selection(lambda _: True), 4, trial, only=5)
