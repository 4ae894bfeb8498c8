"""The sync network: what its inputs ignore, and that it is in numpy what was trained in torch."""

import numpy as np
import pytest
import torch

from heterodub.model.features.landmarks import MIRRORED
from heterodub.tasks.quality.av_sync import chance_spread, evaluate_curve
from heterodub.tasks.quality.sync_network import (
    LIP_CHANNELS,
    POINTS,
    SOUND_CHANNELS,
    SyncNetwork,
    lip_features,
    sound_features,
    sync_network,
)
from tests.bench.sync_training import EMBEDDING, MIRRORED_LIPS, Example, TorchSyncNetwork, augmented, train


def test_features_ignore_loudness_timbre_place_and_size(talks):
    talk = talks[0]
    lips, sound = lip_features(talk.points, talk.tracked), sound_features(talk.mel)
    assert lips.shape == (len(talk.points), LIP_CHANNELS)
    assert sound.shape == (4 * len(talk.points), SOUND_CHANNELS)
    np.testing.assert_allclose(lip_features(talk.points * 2 + 30, talk.tracked), lips, atol=1e-3)
    np.testing.assert_allclose(sound_features(talk.mel + 1.5), sound, atol=1e-3)


def test_unusable_frames_and_still_lips_are_zeros(talks, frozen_mouth):
    talk = talks[0]
    usable = np.arange(len(talk.points)) >= 10
    lips = lip_features(talk.points, usable)
    assert not lips[:10].any() and lips[10:].any()
    still = frozen_mouth()
    assert np.abs(lip_features(still.points, still.tracked)).max() < 1e-3


@pytest.mark.parametrize("frames", [1, 2, 3, 24, 25, 26, 100])
def test_embeddings_have_a_row_for_each_frame(frames, talks):
    talk = talks[0]
    network = sync_network()
    lips = network.embed_lips(lip_features(talk.points[:frames], talk.tracked[:frames]))
    sound = network.embed_sound(sound_features(talk.mel[: 4 * frames]))
    assert lips.shape == sound.shape == (frames, EMBEDDING)
    for rows in (lips, sound):
        assert np.isfinite(rows).all()
        assert np.linalg.norm(rows, axis=1).max() < 1


def test_numpy_network_is_the_trained_one(talks):
    torch.manual_seed(0)
    trained = TorchSyncNetwork().eval()
    with torch.inference_mode():
        for norm in trained.modules():
            if isinstance(norm, torch.nn.LayerNorm):
                norm.bias.normal_()
    network = SyncNetwork.of(trained.arrays())
    talk = talks[0]
    lips, sound = lip_features(talk.points, talk.tracked), sound_features(talk.mel)
    with torch.inference_mode():
        seen, heard = trained(torch.from_numpy(lips[None]), torch.from_numpy(sound[None]))
    scale = float(trained.log_scale.detach().exp())
    np.testing.assert_allclose(network.embed_lips(lips), seen[0].T.numpy(), atol=1e-5)
    np.testing.assert_allclose(network.embed_sound(sound), heard[0].T.numpy() / scale, atol=1e-5)


def test_mirrored_lips_swap_left_and_right(talks):
    talk = talks[0]
    width = float(talk.points[..., 0].max()) + 1
    flipped = talk.points[:, MIRRORED].copy()
    flipped[..., 0] = width - flipped[..., 0]
    lips, mirror = (lip_features(points, talk.tracked) for points in (talk.points, flipped))
    expected = lips.reshape(-1, 2, POINTS, 2)[:, :, MIRRORED_LIPS] * np.array([-1, 1])
    np.testing.assert_allclose(mirror, expected.reshape(len(lips), -1), atol=1e-3)


def test_training_learns_which_sound_belongs_to_a_mouth(talks):
    examples = [
        Example(str(number), str(number), "v1", lip_features(talk.points, talk.tracked), sound_features(talk.mel))
        for number, talk in enumerate(talks)
    ]
    network = SyncNetwork.of(train(examples, 40, 0))
    curves = [example.curve(network) for example in examples]
    found = [evaluate_curve(curve, chance_spread(curves), None) for curve in curves]
    assert all(sync.score > 4 and abs(sync.offset_frames) <= 3 for sync in found)


def test_augmentation_keeps_lips_and_sound_of_one_length(talks):
    talk = talks[0]
    draw = np.random.default_rng(0)
    for _ in range(5):
        lips, sound = augmented(lip_features(talk.points, talk.tracked), sound_features(talk.mel), draw)
        assert 4 * len(lips) == len(sound)
        assert (lips.dtype, sound.dtype) == (np.float32, np.float32)
