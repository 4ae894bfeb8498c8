"""Judging: controls that are what they say, references that are not scored, speakers that weigh the same."""

from dataclasses import replace

import numpy as np
import pytest

from heterodub.model.evaluation.clip_scores import ClipScores
from heterodub.model.evaluation.generator import (
    GENERATOR_REPORT,
    FittedControls,
    GeneratorEvalClip,
    fit_linear,
    linear_landmarks,
    reference_frames,
    score_generator,
)
from heterodub.model.evaluation.report import make_report
from heterodub.model.features.landmarks import PREDICTED
from heterodub.model.stage1.features import prepare
from tests.model.stage1.test_network import generator
from tests.model.talking import talk


def eval_clip(number, speaker, frames=60):
    landmarks, tracked, mel = talk(frames, seed=number)
    return GeneratorEvalClip(f"clip{number}", speaker, landmarks, mel, prepare(mel, landmarks, tracked, 4.0))


@pytest.fixture(scope="module")
def eval_clips():
    return [eval_clip(0, "a"), eval_clip(1, "a"), eval_clip(2, "b", 45)]


@pytest.fixture(scope="module")
def clip_scores(eval_clips):
    fitted = FittedControls(np.zeros((100, 2)), fit_linear([eval_clip(number, f"t{number}") for number in range(5, 9)]))
    return score_generator(generator(), eval_clips, 3, fitted=fitted)


def of(clip_scores, system, clip="clip0"):
    return next(row for row in clip_scores if (row.system, row.clip_id) == (system, clip))


def test_every_clip_is_scored_with_every_system(clip_scores):
    assert len(clip_scores) == 3 * 7
    assert len({(row.clip_id, row.system) for row in clip_scores}) == 21


def test_ground_truth_has_no_error_and_its_own_movement(clip_scores):
    metrics = of(clip_scores, "ground truth").metrics
    assert metrics["nme"] == pytest.approx(0, abs=1e-9)
    assert metrics["mouth_opening_corr"] == pytest.approx(1)
    assert metrics["mouth_opening_std_ratio"] == pytest.approx(1)


def test_copy_does_not_move(clip_scores):
    assert of(clip_scores, "copy").metrics["mouth_opening_std_ratio"] == pytest.approx(0, abs=0.01)
    assert of(clip_scores, "copy").metrics["mouth_opening_corr"] is None


def test_unpaired_and_silent_audio_change_the_prediction(clip_scores):
    errors = {
        system: of(clip_scores, system).metrics["nme_lips"]
        for system in ("paired audio", "unpaired audio", "silent audio")
    }
    assert len({round(error, 6) for error in errors.values()}) == 3


def test_references_are_tracked_spread_and_not_scored(eval_clips):
    tracked = np.ones(60, bool)
    tracked[:4] = False
    assert reference_frames(tracked, 1).tolist() == [4]
    assert reference_frames(tracked, 3).tolist() == [4, 31, 59]
    assert len(reference_frames(tracked, 500)) == 56
    with pytest.raises(ValueError, match="tracked"):
        reference_frames(np.zeros(5, bool), 1)
    one, three = (
        score_generator(generator(), eval_clips[:1], count, systems=("ground truth",))[0].metrics["frames"]
        for count in (1, 3)
    )
    assert (one, three) == (59, 57)


def test_linear_control_hears_when_an_unseen_mouth_opens(clip_scores):
    for clip in ("clip0", "clip2"):
        linear, copy = of(clip_scores, "linear", clip).metrics, of(clip_scores, "copy", clip).metrics
        assert linear["mouth_opening_corr"] > 0.9
        assert linear["nme_lips"] < 0.7 * copy["nme_lips"]


def test_loudness_does_not_shift_the_linear_control(eval_clips):
    linear = fit_linear([eval_clip(number, f"t{number}") for number in range(5, 9)])
    clip, reference = eval_clips[0], np.arange(3)
    louder = replace(clip, prepared=replace(clip.prepared, mel_CM=clip.prepared.mel_CM + np.float32(0.2)))
    same = (linear_landmarks(linear, one, reference) for one in (clip, louder))
    assert np.allclose(*same, atol=1e-3)


@pytest.mark.parametrize("control", ["mean face", "linear"])
def test_fitted_control_must_be_given(eval_clips, control):
    with pytest.raises(ValueError, match=control):
        score_generator(generator(), eval_clips[:1], 1, systems=(control,))


def row(speaker, value, system="paired audio", clip="c"):
    return ClipScores(clip, speaker, system, {"nme_lips": value})


def test_reductions_are_paired_by_speaker():
    ours = [row("a", 0.1), row("b", 0.3), row("c", 0.9)]
    theirs = [row("a", 0.2, "copy"), row("b", 0.6, "copy")]
    card = make_report(ours + theirs, GENERATOR_REPORT)
    cut = next(one for one in card.improvements if (one.control, one.score) == ("copy", "nme_lips"))
    assert cut.interval.mean == pytest.approx(0.5)
    assert card.speakers == 3


def test_unpaired_audio_is_fitted_to_the_clip_length(eval_clips):
    for clip in (eval_clips[0], eval_clips[2]):
        others = [one for one in eval_clips if one is not clip]
        assert (
            score_generator(generator(), [clip, *others], 1, systems=("unpaired audio",))[0].metrics["nme"] is not None
        )
    assert eval_clips[2].landmarks_TPXY[:, PREDICTED].shape == (45, 100, 2)
