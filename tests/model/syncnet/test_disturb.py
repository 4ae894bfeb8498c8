"""Disturbances: a mirrored mouth is a mouth, a moved voice a voice, and neither distinguishes windows of a clip."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from heterodub.model.evaluation.sync_windows import (
    Disturbance,
    SyncClip,
    WindowPairs,
    disturb,
    other_way_round,
    sample_pairs,
)
from heterodub.model.features.landmarks import LIPS, SLICES
from tests.model.evaluation.faces import face
from tests.model.syncnet.talkers import clip, raw_clip

NOTHING = Disturbance(mel_noise=0.0, lip_noise=0.0, pitch_bands=0, mirrored=0.0)


def batch() -> WindowPairs:
    return sample_pairs([[clip(60, seed)] for seed in range(8)], 8, 6, np.random.default_rng(0))


def test_mirrored_mouth_lies_point_on_point_on_the_mirror_image():
    lips = torch.from_numpy(face(9.0)[LIPS])  # symmetric about x = 0
    assert torch.allclose(lips[other_way_round()] * torch.tensor([-1.0, 1.0]), lips)
    left_corner = SLICES["lip_upper_outer"].start - LIPS.start
    assert other_way_round()[left_corner] == SLICES["lip_upper_outer"].stop - 1 - LIPS.start


def test_mirrored_clips_are_mirrored_as_a_whole_and_twice_is_not_at_all():
    pairs, always = batch(), replace(NOTHING, mirrored=1.0)
    once = disturb(pairs, np.random.default_rng(0), always)
    assert not torch.equal(once.lips_NFLXY, pairs.lips_NFLXY)
    assert torch.equal(disturb(once, np.random.default_rng(0), always).lips_NFLXY, pairs.lips_NFLXY)
    some = disturb(pairs, np.random.default_rng(1), replace(NOTHING, mirrored=0.5)).lips_NFLXY
    mirrored = [
        torch.equal(some[mine], once.lips_NFLXY[mine])
        for mine in (pairs.clip_N == part for part in range(8))
        if not torch.equal(some[mine], pairs.lips_NFLXY[mine])
    ]
    assert 0 < len(mirrored) < 8
    assert all(mirrored)


def test_noise_has_the_given_standard_deviation():
    pairs = batch()
    changed = disturb(pairs, np.random.default_rng(1), replace(NOTHING, mel_noise=0.5, lip_noise=0.2))
    assert (changed.mel_NCM - pairs.mel_NCM).std().item() == pytest.approx(0.5, rel=0.02)
    assert (changed.lips_NFLXY - pairs.lips_NFLXY).std().item() == pytest.approx(0.2, rel=0.02)


def test_pitch_shift_moves_the_whole_spectrum():
    pairs = batch()
    changed = disturb(pairs, np.random.default_rng(2), replace(NOTHING, pitch_bands=3))
    shifts = set()
    for part in range(8):
        before, after = (some.mel_NCM[pairs.clip_N == part] for some in (pairs, changed))
        fitting = [k for k in range(-3, 4) if torch.equal(after[:, :, 5:-5], before.roll(k, dims=2)[:, :, 5:-5])]
        assert len(fitting) == 1
        shifts.update(fitting)
    assert len(shifts) > 2


def test_zero_strength_changes_nothing():
    pairs = batch()
    same = disturb(pairs, np.random.default_rng(0), NOTHING)
    assert torch.equal(same.mel_NCM, pairs.mel_NCM)
    assert torch.equal(same.lips_NFLXY, pairs.lips_NFLXY)


def test_augmentation_is_seeded_and_keeps_times():
    pairs = batch()
    first, again, other = (disturb(pairs, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert torch.equal(first.start_N, pairs.start_N)
    assert torch.equal(first.clip_N, pairs.clip_N)
    assert torch.equal(first.mel_NCM, again.mel_NCM)
    assert torch.equal(first.lips_NFLXY, again.lips_NFLXY)
    assert not torch.equal(first.lips_NFLXY, other.lips_NFLXY)


def test_augmentation_does_not_modify_its_input():
    made = SyncClip.of(*raw_clip(60, seed=9))
    before = made.mel_SM.copy(), made.lips_TLXY.copy()
    disturb(sample_pairs([[made]], 1, 40, np.random.default_rng(0)), np.random.default_rng(0))
    assert np.array_equal(made.mel_SM, before[0])
    assert np.array_equal(made.lips_TLXY, before[1])
