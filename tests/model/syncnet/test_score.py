"""The sync score of unseen talkers: in time, late, with another sound, and without a score."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from heterodub.model.evaluation.sync_windows import SyncClip
from heterodub.model.evaluation.syncnet import LEAST_FRAMES, SyncScore, SyncScorer, score_sync
from heterodub.schemas.reasons import MissingCause
from tests.model.evaluation.faces import moved, talking
from tests.model.syncnet.talkers import clip, raw_clip

UNSEEN = range(100, 106)


def test_sync_score_separates_matching_audio(trained):
    scorer, _ = trained
    own = [score_sync(scorer, clip(100, seed)) for seed in UNSEEN]
    false = [score_sync(scorer, replace(clip(100, seed), mel_SM=clip(100, seed + 50).mel_SM)) for seed in UNSEEN]
    assert min(result.score for result in own) > 1
    assert max(abs(result.score) for result in false) < 0.5
    assert all(result.own > result.other for result in own)


@pytest.mark.parametrize("late", [-7, 0, 3, 15])
def test_offset_is_how_late_the_sound_is(trained, late):
    assert [score_sync(trained[0], clip(100, seed, late)).offset_frames for seed in UNSEEN] == [late] * len(UNSEEN)


def test_late_sound_scores_less(trained):
    in_time, late = (score_sync(trained[0], clip(100, 101, late)) for late in (0, 7))
    assert late.score < in_time.score - 1


def test_score_does_not_grow_with_the_length(trained):
    short, long = (
        np.mean([score_sync(trained[0], clip(frames, seed)).score for seed in UNSEEN]) for frames in (60, 240)
    )
    assert long == pytest.approx(short, rel=0.2)


def test_articulation_head_and_mouth_do_not_change_it(trained):
    points, tracked, mel = raw_clip(80, seed=110)
    plain = score_sync(trained[0], SyncClip.of(points, tracked, mel))
    turned = score_sync(trained[0], SyncClip.of(moved(points, seed=3), tracked, mel))
    assert turned.score == pytest.approx(plain.score, abs=1e-3)


def test_sync_score_matches_its_definition(trained):
    scorer, made = trained[0], clip(60, 111)
    every = np.arange(56)
    with torch.no_grad():
        likeness = (
            scorer.embed_lips(torch.from_numpy(made.lips_at(every)))
            @ scorer.embed_mel(torch.from_numpy(made.mel_at(every))).T
        )
    own = [likeness[i, i].item() for i in every]
    other = [likeness[i, j].item() for i in every for j in every if abs(i - j) >= 10]
    result = score_sync(scorer, made)
    assert result.own == pytest.approx(np.mean(own), abs=1e-5)
    assert result.other == pytest.approx(np.mean(other), abs=1e-5)
    assert result.score == pytest.approx((np.mean(own) - np.mean(other)) / np.std(other), rel=1e-4)


def test_frames_that_were_not_tracked_do_not_count(trained):
    points, tracked, mel = raw_clip(100, seed=112)
    tracked[40:44] = False
    wanted = score_sync(trained[0], SyncClip.of(points, tracked, mel))
    points[40:44] = 0
    assert score_sync(trained[0], SyncClip.of(points, tracked, mel)) == wanted


def test_late_detected_face_keeps_its_time(trained):
    points, tracked, mel = raw_clip(100, seed=116, late=3)
    tracked[:12] = False
    assert score_sync(trained[0], SyncClip.of(points, tracked, mel)).offset_frames == 3


def test_scoring_amid_training_drops_nothing_and_leaves_the_mode(trained):
    scorer, made = trained[0], clip(60, 115)
    wanted = score_sync(scorer, made)
    scorer.train()
    try:
        assert score_sync(scorer, made) == wanted
        assert scorer.training
    finally:
        scorer.eval()


def test_missing_sync_score_names_its_cause(trained):
    scorer = trained[0]
    points, tracked, mel = raw_clip(60, seed=113)
    still = SyncClip.of(moved(talking(np.full(60, 9.0))), tracked, mel)
    silent = SyncClip.of(points, tracked, np.full_like(mel, -11.5))
    holes = tracked.copy()
    holes[::5] = False
    assert score_sync(scorer, still) is MissingCause.MOUTH_STILL
    assert score_sync(scorer, silent) is MissingCause.SILENT
    assert score_sync(scorer, SyncClip.of(points, holes, mel)) is MissingCause.TOO_SHORT
    assert score_sync(scorer, clip(LEAST_FRAMES - 1, 114)) is MissingCause.TOO_SHORT
    assert isinstance(score_sync(scorer, clip(LEAST_FRAMES, 114)), SyncScore)


def test_untrained_scorer_scores_near_zero():
    torch.manual_seed(1)
    scores = [score_sync(SyncScorer(width=16), clip(100, seed)).score for seed in UNSEEN]
    assert abs(np.mean(scores)) < 0.3
