"""Share of each speaker in an epoch: set by the balance, however much footage each has."""

import numpy as np
import pytest

from heterodub.model.training.sampler import ClipInfo, WindowSampler
from heterodub.schemas.config.training import DataSettings


def recipe(seed=0, **changes):
    """The sampler's settings and seed."""
    given = {"window_frames": 32, "batch_size": 8, "buffer_frames": 4000, "balance": 0.7}
    return DataSettings(**given | changes), seed


def crowd(draw: np.random.Generator) -> list[ClipInfo]:
    """Speakers with few clips and many, short ones and long."""
    clips = []
    for speaker in range(int(draw.integers(2, 30))):
        count = int(draw.choice([1, 2, 5, 40, 100]))
        clips += [
            ClipInfo(f"s{speaker}-{number}", int(draw.integers(11, 250)), f"s{speaker}") for number in range(count)
        ]
    return clips


def meant(clips: list[ClipInfo], balance: float) -> dict[str, float]:
    """Each speaker's share of an epoch: its footage, to the power of 1 - balance."""
    footage: dict[str, float] = {}
    for clip in clips:
        footage[clip.speaker] = footage.get(clip.speaker, 0) + clip.frames
    parts = {speaker: frames ** (1 - balance) for speaker, frames in footage.items()}
    return {speaker: part / sum(parts.values()) for speaker, part in parts.items()}


def shares(plan: WindowSampler, epochs: int) -> dict[str, float]:
    """Of the windows of some epochs, those of each speaker."""
    result: dict[str, float] = {clip.speaker: 0.0 for clip in plan.clips}
    for number in range(epochs * plan.batches_per_epoch):
        for window in plan.batch(number):
            result[plan.clips[window.clip].speaker] += 1
    return {speaker: count / sum(result.values()) for speaker, count in result.items()}


def test_balance_bounds_the_share_of_a_large_speaker():
    """600 clips of one speaker beside one clip each of nine: 0.7 means 600^0.3 parts beside nine."""
    clips = [ClipInfo(f"a{number}", 64, "often") for number in range(600)]
    clips += [ClipInfo(f"b{number}", 64, f"seldom {number}") for number in range(9)]
    often = meant(clips, 0.7)["often"]
    assert often == pytest.approx(0.43, abs=0.005)
    assert shares(WindowSampler(clips, *recipe()), 4)["often"] == pytest.approx(often, abs=0.02)


@pytest.mark.parametrize("most", [0, 3])
@pytest.mark.parametrize("seed", range(6))
def test_speaker_shares_match_the_balance(seed, most):
    draw = np.random.default_rng(seed)
    clips, balance = crowd(draw), float(draw.choice([0.0, 0.3, 0.7, 1.0]))
    plan = WindowSampler(clips, *recipe(balance=balance, windows_per_clip=most, batch_size=1, window_frames=8))
    wanted, result = meant(clips, balance), shares(plan, 1)
    for speaker, share in wanted.items():
        assert result[speaker] == pytest.approx(share, abs=1 / plan.batches_per_epoch)


def test_clips_that_one_epoch_leaves_out_come_in_others():
    clips = [ClipInfo(f"a{number}", 64, "often") for number in range(100)] + [ClipInfo("b", 64, "seldom")]
    plan = WindowSampler(clips, *recipe(balance=1.0, batch_size=1, windows_per_clip=0.5))
    seen = [{plan.batch(epoch * plan.batches_per_epoch + at)[0].clip for at in range(plan.batches_per_epoch)}
            for epoch in range(12)]  # fmt: skip
    assert len(seen[0]) < 30
    assert set().union(*seen) == set(range(101))
