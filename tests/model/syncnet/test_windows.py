"""Windows: which frames and columns they hold, what normalisation takes out, and how pairs are drawn."""

import numpy as np
import pytest
import torch

from heterodub.model.evaluation.sync_windows import WINDOW_FRAMES, SyncClip, sample_pairs
from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.features.landmarks import LIPS
from heterodub.model.features.timing import mel_columns
from heterodub.schemas.contract import MEL_CONTEXT_COLUMNS
from tests.model.evaluation.faces import moved, talking
from tests.model.syncnet.talkers import clip, raw_clip


def test_window_length_equals_the_generator_input():
    assert mel_columns(WINDOW_FRAMES) == MEL_CONTEXT_COLUMNS


def test_windows_of_lips_and_speech_start_at_the_same_time():
    made = clip(30, seed=0)
    starts = np.array([0, 7, 25])
    assert made.lips_at(starts).shape == (3, 5, 60, 2)
    assert made.mel_at(starts).shape == (3, 20, 80)
    assert np.array_equal(made.lips_at(starts)[1], made.lips_TLXY[7:12])
    assert np.array_equal(made.mel_at(starts)[1], made.mel_SM[28:48])
    assert np.array_equal(made.mel_at(starts)[2], made.mel_SM[100:])


def test_normalisation_removes_speaker_and_level():
    points, tracked, mel = raw_clip(40, seed=1)
    mel /= 2  # no part of it 70 dB under the loudest
    plain = SyncClip.of(points, tracked, mel)
    frame = FaceFrame.of(points)
    other_mouth = points.copy()
    shape = np.random.default_rng(2).normal(0, 0.05, (60, 2))
    other_mouth[:, LIPS] = frame.leave(1.7 * frame.enter(points[:, LIPS]) + shape)
    other_voice = mel + np.linspace(-1, 1, 80, dtype=np.float32) + 2
    changed = SyncClip.of(moved(other_mouth, seed=5), tracked, other_voice)
    assert np.allclose(changed.lips_TLXY, plain.lips_TLXY, atol=1e-4)
    assert np.allclose(changed.mel_SM, plain.mel_SM, atol=1e-4)


def test_normalised_clips_have_mean_0_and_spread_1():
    made = clip(40, seed=3)
    assert np.allclose(made.lips_TLXY.mean(axis=0), 0, atol=1e-5)
    assert np.allclose(made.mel_SM.mean(axis=0), 0, atol=1e-5)
    assert made.lips_TLXY.std() == pytest.approx(1, abs=1e-3)
    assert made.mel_SM.std() == pytest.approx(1, abs=1e-3)


def test_levels_below_70_db_are_clamped():
    points, tracked, mel = raw_clip(40, seed=4)
    deeper = mel.copy()
    mel[:40] = mel.max() - 9
    deeper[:40] = deeper.max() - 11.5
    assert np.allclose(SyncClip.of(points, tracked, mel).mel_SM, SyncClip.of(points, tracked, deeper).mel_SM)


def test_windows_keep_out_of_frames_that_were_not_tracked():
    points, tracked, mel = raw_clip(30, seed=5)
    tracked[12] = False
    points[12] = 0  # no face frame there, and none is asked for
    made = SyncClip.of(points, tracked, mel)
    assert made.starts_N.tolist() == [*range(8), *range(13, 26)]
    assert not made.lips_TLXY[12].any()


def test_still_lips_and_silence_are_detected():
    points, tracked, mel = raw_clip(30, seed=6)
    still = SyncClip.of(moved(talking(np.full(30, 9.0))), tracked, mel)
    silent = SyncClip.of(points, tracked, np.full_like(mel, -11.5))
    unseen = SyncClip.of(points, ~tracked, mel)
    short = clip(3, seed=6)
    assert [(made.moves, made.sounds) for made in (still, silent, unseen, short)] == [
        (False, True),
        (True, False),
        (False, True),
        (True, True),
    ]
    assert len(unseen.starts_N) == len(short.starts_N) == 0
    assert not still.lips_TLXY.any()
    assert not silent.mel_SM.any()


def test_pairs_are_windows_of_one_time_of_different_speakers():
    clips = [clip(frames, seed=frames) for frames in (30, 40, 50, 60)]
    pairs = sample_pairs([[made] for made in clips], per_batch=3, per_clip=6, draw=np.random.default_rng(0))
    assert pairs.mel_NCM.shape == (18, 20, 80)
    assert pairs.lips_NFLXY.shape == (18, 5, 60, 2)
    assert pairs.clip_N.tolist() == [0] * 6 + [1] * 6 + [2] * 6
    for part in range(3):
        mine = pairs.clip_N == part
        starts = pairs.start_N[mine].numpy()
        assert len(set(starts.tolist())) == 6
        source = [
            made
            for made in clips
            if starts.max() <= made.frames - WINDOW_FRAMES
            and np.array_equal(made.lips_at(starts), pairs.lips_NFLXY[mine].numpy())
        ]
        assert len(source) == 1
        assert np.array_equal(source[0].mel_at(starts), pairs.mel_NCM[mine].numpy())


def test_same_seed_draws_the_same_pairs():
    speakers = [[clip(40, seed)] for seed in range(4)]
    first, again, other = (sample_pairs(speakers, 2, 5, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.mel_NCM, again.mel_NCM)
    assert torch.equal(first.lips_NFLXY, again.lips_NFLXY)
    assert not torch.equal(first.mel_NCM, other.mel_NCM)


def test_clips_without_usable_windows_are_skipped():
    points, tracked, mel = raw_clip(30, seed=7)
    silent = SyncClip.of(points, tracked, np.full_like(mel, -11.5))
    good = clip(9, seed=8)
    pairs = sample_pairs([[silent], [silent, good], []], 5, 20, np.random.default_rng(0))
    assert sorted(pairs.start_N.tolist()) == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="no clip of 1 speakers"):
        sample_pairs([[silent]], 5, 20, np.random.default_rng(0))


def test_speaker_with_many_clips_is_drawn_as_often_as_one_with_few():
    many, few = [clip(30, seed) for seed in range(9)], [clip(30, seed=20)]
    draw = np.random.default_rng(0)
    batches = [sample_pairs([many, few], 1, 1, draw) for _ in range(200)]
    alone = torch.from_numpy(few[0].lips_at(few[0].starts_N))
    drawn = sum(bool((alone == pairs.lips_NFLXY).all(dim=(1, 2, 3)).any()) for pairs in batches)
    assert 75 <= drawn <= 125  # 100, give or take 3.5 standard deviations


def test_mismatched_clips_are_refused():
    points, tracked, mel = raw_clip(30, seed=9)
    for wrong in ((points[:29], tracked, mel), (points, tracked, mel[:-1]), (points, tracked.astype(int), mel)):
        with pytest.raises(ValueError, match="do not go with"):
            SyncClip.of(*wrong)
