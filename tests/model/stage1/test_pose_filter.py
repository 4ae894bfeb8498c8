"""The pose filter: no linear map of the filtered pose predicts the mouth that leaked into it."""

import numpy as np
import pytest

from heterodub.model.features.landmarks import POSE, mouth_opening
from heterodub.model.stage1.features import prepare
from heterodub.model.stage1.pose_filter import COORDINATES, PoseMoments
from tests.model.talking import talk


def clips(leak, seeds):
    return [prepare(mel, landmarks, tracked, 0.0) for landmarks, tracked, mel in (talk(150, s, leak) for s in seeds)]


def fitted(parts, components):
    moments = PoseMoments()
    for clip in parts:
        moments.add(clip, 1.0)
    return moments.filter(components)


def opening_correlation(train, test, pose_filter):
    """Correlation of the opening with what a ridge regression makes of filtered pose, on other clips."""

    def seen(clip):
        pose = clip.pose_TPXY.reshape(-1, COORDINATES).astype(float)
        return 100 * (pose - pose.mean(0)) @ pose_filter

    def opening(clip):
        gap = mouth_opening(clip.points_TPXY.astype(float))
        return gap - gap.mean()

    pose, gap = np.concatenate([seen(clip) for clip in train]), np.concatenate([opening(clip) for clip in train])
    weights = np.linalg.solve(pose.T @ pose + 1e-2 * np.eye(COORDINATES), pose.T @ gap)
    return np.mean([np.corrcoef(seen(clip) @ weights + 1e-9 * np.arange(150), opening(clip))[0, 1] for clip in test])


def test_pose_filter_removes_the_mouth_leak():
    train, test = clips(2.0, range(8)), clips(2.0, range(20, 26))
    assert opening_correlation(train, test, np.eye(COORDINATES)) > 0.9
    assert abs(opening_correlation(train, test, fitted(train, 10))) < 0.2


def test_pose_filter_keeps_the_turning_head():
    train = clips(2.0, range(8))
    pose = train[0].pose_TPXY.reshape(-1, COORDINATES)
    pose = pose - pose.mean(0)
    kept = pose @ fitted(train, 10)
    nose = np.flatnonzero(np.isin(POSE, range(72, 84)))[0] * 2
    assert np.corrcoef(pose[:, nose], kept[:, nose])[0, 1] > 0.95


def test_pose_filter_is_idempotent():
    made = fitted(clips(2.0, range(4)), 6).astype(float)
    np.testing.assert_allclose(made @ made, made, atol=1e-4)


def test_heads_that_never_move_are_refused():
    landmarks, tracked, mel = talk(30)
    still = np.repeat(landmarks[:1], 30, axis=0)
    with pytest.raises(ValueError, match="no head"):
        fitted([prepare(mel, still, tracked, 0.0)], 10)
