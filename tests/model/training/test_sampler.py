"""Plans: batches by number, the same for a seed, mixed within bounds, fair to speakers."""

import numpy as np
import pytest

from heterodub.model.training.sampler import ClipInfo, WindowSampler
from heterodub.schemas.config.training import DataSettings


def clips(count, frames=100, speakers=5):
    return [ClipInfo(f"clip{number:04d}", frames, f"speaker {number % speakers}") for number in range(count)]


def recipe(seed=0, **changes):
    """The sampler's settings and seed."""
    given = {"window_frames": 32, "batch_size": 8, "buffer_frames": 1000, "balance": 0.0}
    return DataSettings(**given | changes), seed


def test_batch_is_a_pure_function_of_its_number():
    one, other = WindowSampler(clips(40), *recipe()), WindowSampler(list(reversed(clips(40))), *recipe())
    wanted = [37, 3, 12, 3]
    assert [one.batch(number) for number in wanted] == [other.batch(number) for number in wanted]


def test_another_seed_is_another_order():
    assert WindowSampler(clips(40), *recipe()).batch(0) != WindowSampler(clips(40), *recipe(seed=1)).batch(0)


def test_epoch_takes_every_clip_about_as_often_as_it_is_long():
    plan = WindowSampler([*clips(20, 64), ClipInfo("long", 640, "x")], *recipe(batch_size=4))
    seen = [window.clip for number in range(plan.batches_per_epoch) for window in plan.batch(number)]
    counts = np.bincount(seen, minlength=21)
    assert counts.sum() == 4 * plan.batches_per_epoch
    assert counts[20] == pytest.approx(20, abs=4)
    assert counts[:20].mean() == pytest.approx(2, abs=0.3)


def test_windows_stay_inside_their_clip_and_leave_room_for_a_reference():
    plan = WindowSampler(clips(10, 26), *recipe(window_frames=200))
    for window in plan.batch(0):
        assert window.start >= 0
        assert window.start + window.frames <= 26
        assert window.frames == 19


def test_epochs_differ():
    plan = WindowSampler(clips(40), *recipe())
    assert plan.batch(0) != plan.batch(plan.batches_per_epoch)


def test_batches_mix_clips_of_one_group_only():
    """Batches in a row touch few clips, though the epoch holds all: what a reader must keep is bounded."""
    plan = WindowSampler(clips(400), *recipe(buffer_frames=1000))
    for start in range(0, plan.batches_per_epoch - 3, 7):
        near = {window.clip for number in range(start, start + 3) for window in plan.batch(number)}
        assert len(near) <= 2 * 11
    everything = {window.clip for number in range(plan.batches_per_epoch) for window in plan.batch(number)}
    assert len(everything) > 390


def test_batches_mix_clips():
    assert len({window.clip for window in WindowSampler(clips(40), *recipe()).batch(0)}) > 4


def test_balance_evens_out_speakers():
    uneven = [ClipInfo(f"a{number}", 100, "often") for number in range(90)]
    uneven += [ClipInfo(f"b{number}", 100, f"seldom {number}") for number in range(10)]

    def share_of_often(balance):
        plan = WindowSampler(uneven, *recipe(balance=balance))
        windows = [window for number in range(plan.batches_per_epoch) for window in plan.batch(number)]
        return sum(plan.clips[window.clip].speaker == "often" for window in windows) / len(windows)

    assert share_of_often(0.0) == pytest.approx(0.9, abs=0.05)
    assert share_of_often(1.0) < 0.5


def test_windows_per_clip_limit_reaches_every_speaker_sooner():
    """Windows of two frames: a group of ten clips would else last for 62 steps of eight."""
    all_of_it, few = (WindowSampler(clips(400), *recipe(window_frames=2, windows_per_clip=most)) for most in (0, 4))
    assert all_of_it.batches_per_epoch == 400 * 50 // 8
    assert few.batches_per_epoch == 400 * 4 // 8

    def clips_met(plan):
        return len({window.clip for number in range(60) for window in plan.batch(number)})

    assert clips_met(all_of_it) <= 2 * 11
    assert clips_met(few) > 100


def test_windows_per_clip_limit_keeps_the_balance():
    uneven = [ClipInfo(f"a{number}", 100, "often") for number in range(90)]
    uneven += [ClipInfo(f"b{number}", 100, f"seldom {number}") for number in range(10)]
    for balance in (0.0, 0.7):
        shares = []
        for most in (0, 10):
            plan = WindowSampler(uneven, *recipe(window_frames=2, windows_per_clip=most, balance=balance))
            windows = [window for number in range(plan.batches_per_epoch) for window in plan.batch(number)]
            shares.append(sum(plan.clips[window.clip].speaker == "often" for window in windows) / len(windows))
        assert shares[1] == pytest.approx(shares[0], abs=0.05)


def test_short_footage_is_never_taken_more_often_than_it_is_long():
    assert (
        WindowSampler(clips(40), *recipe(windows_per_clip=100)).batches_per_epoch
        == WindowSampler(clips(40), *recipe()).batches_per_epoch
    )


def test_no_clip_and_a_clip_of_one_frame_are_refused():
    with pytest.raises(ValueError, match="at least one clip"):
        WindowSampler([], *recipe())
    with pytest.raises(ValueError, match="clip0000"):
        WindowSampler(clips(1, 1), *recipe())
