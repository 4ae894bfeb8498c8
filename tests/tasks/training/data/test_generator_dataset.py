"""Batches from the store: what was stored, the same for any number of readers, in bounded memory."""

import numpy as np
import pytest
import torch

from heterodub.model.training.sampler import WindowSampler
from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.errors import NotFoundError, TrainingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.training.clip_selection import find_release, select
from heterodub.tasks.training.clip_store import ClipSource
from heterodub.tasks.training.datasets import ClipDataset, GeneratorReader, batches_from
from tests.model.talking import talk
from tests.tasks.stores import sample_rows as sample
from tests.tasks.training.talkers import damage, talkers

SPEAKERS, CLIPS, FRAMES = 8, 2, 60


@pytest.fixture(scope="module")
def selection(tmp_path_factory):
    workspace = talkers(tmp_path_factory.mktemp("data") / "w", SPEAKERS, CLIPS, FRAMES)
    return select(workspace, find_release(workspace, None), Stage.STAGE1)


def settings(**data):
    return Stage1Settings(preset="tiny", data=data)


def batches(selection, made, rank=0, devices=1):
    plan = WindowSampler([clip.facts for clip in selection.train], made.data, made.seed)
    return ClipDataset(GeneratorReader(selection.stored, made), selection.places, plan, rank, devices)


def test_clip_comes_back_as_it_was_stored(selection):
    landmarks, _, mel = talk(FRAMES, seed=301)
    row = selection.stored.speech(ClipSource(sample.clip_id(3, 1), sample.media_id(3)))
    assert (row.landmarks == landmarks).all()
    assert (row.mel == mel).all()
    assert np.flatnonzero(~row.tracked).tolist() == [3, 4, 5]


def test_missing_clip_is_an_error(selection):
    with pytest.raises(NotFoundError, match="nowhere"):
        selection.stored.speech(ClipSource("nowhere", sample.media_id(3)))
    with pytest.raises(NotFoundError, match="not in this version"):
        selection.stored.speech(ClipSource(sample.clip_id(3, 1), sample.media_id(99)))


def test_windows_equal_the_clip_content(selection):
    made = settings(references=3).model_copy(update={"augmentation": quiet()})
    data = batches(selection, made)
    window, batch = data.sampler.batch(0)[0], data[0]
    clip = data.reader.prepared(data.plan(0)[0])
    span = slice(window.start, window.start + window.frames)
    torch.testing.assert_close(batch.target_BTPXY[0, : window.frames], torch.tensor(clip.target[span]))
    assert batch.counts_BT[0, : window.frames].tolist() == clip.counts_T[span].tolist()
    columns = slice(4 * span.start, 4 * span.stop + 16)
    torch.testing.assert_close(batch.mel_BCM[0, : 4 * window.frames + 16], torch.tensor(clip.mel_CM[columns]))


def quiet():
    from heterodub.schemas.config.training import Augmentation

    return Augmentation(hflip_prob=0, gain_db=0, tilt_db=0, noise=0)


def test_masked_frames_are_neither_target_nor_reference(selection):
    data = batches(selection, settings(window_frames=45, references=8))
    lost = 0
    for number in range(6):
        for window, counts in zip(data.sampler.batch(number), data[number].counts_BT, strict=True):
            gone = [frame - window.start for frame in (3, 4, 5) if 0 <= frame - window.start < window.frames]
            lost += len(gone)
            assert not counts[gone].any()
    assert lost


def test_any_number_of_readers_gives_the_same_batches(selection):
    here = list(batches_from(batches(selection, settings()), 5, 0)(1))
    there = list(batches_from(batches(selection, settings()), 5, 2)(1))
    assert len(here) == len(there) == 4
    for one, other in zip(here, there, strict=True):
        assert one.clip_ids == other.clip_ids
        assert torch.equal(one.mel_BCM, other.mel_BCM)
        assert torch.equal(one.reference_BRPXY, other.reference_BRPXY)


def test_devices_share_a_batch_between_them(selection):
    whole = batches(selection, settings())[2]
    shares = [batches(selection, settings(), rank, 2)[2] for rank in (0, 1)]
    assert sorted(shares[0].clip_ids + shares[1].clip_ids) == sorted(whole.clip_ids)
    assert torch.equal(shares[1].target_BTPXY, whole.target_BTPXY[1::2])


def test_store_far_larger_than_the_buffer_stays_out_of_memory(selection):
    """A buffer of one clip against a store of eight: no more than the clips of two groups are ever kept."""
    data = batches(selection, settings(buffer_frames=FRAMES))
    for number in range(2 * data.sampler.batches_per_epoch):
        assert data[number].clip_ids
        assert data.reader._kept_frames <= 2 * FRAMES + FRAMES
        assert len(data.reader._kept) <= 3
    assert len(data.sampler.clips) == 8


def test_broken_clip_is_named_across_processes(tmp_path):
    workspace = talkers(tmp_path / "w", speakers=4, clips=1, frames=40)
    damage(workspace, 0, 40, np.nan)
    broken = select(workspace, find_release(workspace, None), Stage.STAGE1)
    with pytest.raises(TrainingError, match=f"{sample.clip_id(0)}.*not finite"):
        list(batches_from(batches(broken, settings()), 20, 1)(0))


class Unmade(GeneratorReader):
    """Its batches cannot be made."""

    def make(self, windows, clips, ids):
        raise ValueError("shapes differ")


def test_batch_that_cannot_be_made_names_all_of_its_clips(selection):
    data = batches(selection, settings())
    data.reader = Unmade(selection.stored, settings())
    broken, ids = data[0], {one.source.clip_id for one in data.plan(0)}
    assert len(ids) > 1 and "shapes differ" in broken.text
    assert all(clip_id in broken.text for clip_id in ids)
