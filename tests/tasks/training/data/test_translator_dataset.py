"""Picture batches from the store: crops and landmarks as they were stored, the same for any readers, bounded memory."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from heterodub.model.training.sampler import WindowSampler
from heterodub.schemas.config.training import DataSettings
from heterodub.schemas.config.translation import Stage2Settings
from heterodub.schemas.errors import TrainingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.training.clip_selection import find_release, select
from heterodub.tasks.training.datasets import (
    ClipDataset,
    EncodedClip,
    TranslatorReader,
    UnusableCropError,
    batches_from,
    face_clip,
)
from tests.model.stage2.faces import SIDE, speaker
from tests.tasks.training.face_release import add_face_clips, face_release
from tests.tasks.training.talkers import publish

SETTINGS = Stage2Settings(preset="tiny")


@pytest.fixture(scope="module")
def selection(tmp_path_factory):
    workspace = face_release(tmp_path_factory.mktemp("face_release") / "w")
    return select(workspace, find_release(workspace, None), Stage.STAGE2)


def batches(selection, buffer_frames: int = 1000) -> ClipDataset:
    plan = WindowSampler(
        [clip.facts for clip in selection.train],
        DataSettings(window_frames=2, batch_size=2, buffer_frames=buffer_frames),
        0,
    )
    return ClipDataset(TranslatorReader(selection.stored, SETTINGS), selection.places, plan)


def stored(selection, number: int):
    return next(clip for clip in selection.train if clip.facts.speaker == f"speaker {number}")


def test_face_clip_equals_the_stored_clip(selection):
    clip = selection.stored.pictures(stored(selection, 3).place)
    read, (pictures, landmarks) = face_clip(clip, SIDE), speaker(3, 24)
    assert np.array_equal(read.pictures_TSS3, pictures)
    assert np.abs(read.landmarks_TPXY - landmarks).max() < 1e-3
    assert np.flatnonzero(~read.tracked_T).tolist() == [5]


def test_landmarks_follow_the_size(selection):
    clip = selection.stored.pictures(stored(selection, 3).place)
    small, large = face_clip(clip, 32, 4), face_clip(clip, 128, 4)
    assert (small.pictures_TSS3.shape, large.pictures_TSS3.shape) == ((4, 32, 32, 3), (4, 128, 128, 3))
    assert np.allclose(small.landmarks_TPXY * 4, large.landmarks_TPXY, atol=1e-3)


def test_batches_are_the_same_for_any_number_of_readers(selection):
    alone = list(batches_from(batches(selection), 3, readers=0)(0))
    read = list(batches_from(batches(selection), 3, readers=1)(0))
    for one, other in zip(alone, read, strict=True):
        assert one.clip_ids == other.clip_ids
        assert np.array_equal(one.frames_USS3, other.frames_USS3)
        assert np.array_equal(one.nearest_BK, other.nearest_BK)


def test_only_the_frames_of_a_window_are_decoded(selection):
    clip = selection.stored.pictures(stored(selection, 3).place)
    spoilt = tuple(data if frame in (2, 7) else b"no picture" for frame, data in enumerate(clip.crops))
    read = EncodedClip.of("a", replace(clip, crops=spoilt), SIDE)
    assert np.array_equal(read.crops(np.array([7, 2])), speaker(3, 24)[0][[7, 2]])
    with pytest.raises(UnusableCropError, match="a: the crop of frame 3 cannot be decoded"):
        read.crops(np.array([2, 3]))


def test_reader_is_sent_no_list_of_clips(selection):
    data = batches(selection)
    sent = pickle.dumps(data.reader)
    assert b"ClipInfo" not in sent and b"ClipSource" not in sent
    assert len(pickle.loads(pickle.dumps(data.plan(0)))) == 2


def test_memory_holds_two_groups_at_most(selection):
    data = batches(selection, buffer_frames=12)
    for number in range(6):
        data[number]
        assert sum(clip.frames for clip in data.reader._kept.values()) <= 24


def test_crop_that_cannot_be_decoded_names_its_clip(tmp_path):
    workspace = face_release(tmp_path / "w", speakers=2)
    add_face_clips(workspace, 4, 24, spoil=b"\xff\xd8no picture\xff\xd9")
    publish(workspace)
    result = select(workspace, find_release(workspace, None), Stage.STAGE2)
    broken = stored(result, 4).facts.clip_id
    with pytest.raises(TrainingError, match=f"clip {broken}: the crop of frame 2 cannot be decoded"):
        list(batches_from(batches(result), 12, readers=0)(0))
