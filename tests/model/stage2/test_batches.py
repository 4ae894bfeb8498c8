"""Training windows: references lie apart, lost frames are passed over, and a mirrored face is still that face."""

import numpy as np
import pytest
import torch

from heterodub.model.features.landmarks import LIPS, eye_centres
from heterodub.model.stage2.batches import FaceClip, _varied, frames_apart, make_batch, render, tracked_run
from heterodub.model.training.sampler import Window
from heterodub.schemas.config.translation import PictureAugmentation, Stage2Settings
from tests.model.stage2 import per_frame
from tests.model.stage2.faces import SIDE, speaker

PLAIN = PictureAugmentation(hflip_prob=0, color_jitter=0, warp_dropout=0)
SHAPE = Stage2Settings(preset="tiny").architecture


def clip(frames: int = 14, lost=()) -> FaceClip:
    pictures, landmarks = speaker(3, frames)
    return FaceClip(pictures, landmarks, ~np.isin(np.arange(frames), lost))


def batch(seed: int = 0, augmentation=PLAIN, one: FaceClip | None = None):
    return render(make_batch([Window(0, 6, 2, seed)], [one or clip()], ["a"], 2, 3, SHAPE, augmentation))


def test_batch_equals_what_is_drawn_frame_by_frame():
    """Lines, masks, contexts and warps of a whole batch, against each frame worked out by itself."""
    architecture = SHAPE.model_copy(update={"context": 1})
    one = clip()
    made = make_batch([Window(0, 6, 2, 0)], [one], ["a"], 2, 3, architecture, PLAIN)
    drawn = render(made)
    frames = [per_frame.composite(one.pictures_TSS3[t], *[one.landmarks_TPXY[t]] * 2) for t in range(5, 9)]
    for row, context in enumerate((frames[:3], frames[1:])):
        assert np.abs(drawn.inputs_BCWW[row].numpy() - np.concatenate(context)).max() < 2e-3
        assert np.abs(drawn.lines_BCWW[row].numpy() - context[1][4:]).max() < 2e-3
        away = drawn.share_BWW[row].numpy()[4:-4, 4:-4]
        assert np.abs(away - per_frame.soft(one.landmarks_TPXY[6 + row], SIDE)[4:-4, 4:-4]).max() < 1e-4
        for rank, reference in enumerate(made.nearest_BK[row].tolist()):
            given = made.references_VSS3[reference].numpy(), made.references_VPXY[reference].numpy()
            plain = per_frame.warped(*given, one.landmarks_TPXY[6 + row])
            off = np.abs(drawn.warped_BKWW[row, 3 * rank : 3 * rank + 3].numpy() - plain)
            assert off.mean() < 1.5 / 255  # between the places of a coarse raster shifts are interpolated there


def test_batch_sends_each_frame_once_and_only_what_is_used():
    architecture = SHAPE.model_copy(update={"context": 2, "candidates": 0})
    made = make_batch([Window(0, 6, 3, 0)], [clip()], ["a"], 3, 4, architecture, PLAIN)
    assert len(made.frames_USS3) == 7 and made.frames_USS3.dtype == torch.uint8
    assert len(made.references_VSS3) == 1
    assert made.around_BG.tolist() == [[0, 1, 2, 3, 4], [1, 2, 3, 4, 5], [2, 3, 4, 5, 6]]
    assert made.size_bytes < 8 * SIDE * SIDE * 3 + 20_000


def test_batch_equals_the_stored_clip():
    made, one = batch(), clip()
    assert np.allclose(made.target_BWW.numpy(), one.pictures_TSS3[6:8, 16:, 8:56].transpose(0, 3, 1, 2) / 255)
    assert made.frames == 2
    assert made.warped_BKWW.shape == (2, 6, 48, 48)


def test_same_seed_draws_the_same_and_another_does_not():
    one, again, other = batch(5), batch(5), batch(6)
    assert np.array_equal(one.reference_NRCWW, again.reference_NRCWW)
    assert not np.array_equal(one.reference_NRCWW, other.reference_NRCWW)


def test_inputs_hold_no_hidden_pixels():
    one = clip()
    spoiled = one.pictures_TSS3.copy()
    spoiled[5:9, 44:52, 26:38] = 255  # mouths of the window and its context; references are elsewhere
    assert (spoiled != one.pictures_TSS3).any()
    made, other = batch(one=one), batch(one=FaceClip(spoiled, one.landmarks_TPXY, one.tracked_T))
    assert np.array_equal(made.inputs_BCWW, other.inputs_BCWW)
    assert np.array_equal(made.warped_BKWW, other.warped_BKWW)
    assert not np.array_equal(made.target_BWW, other.target_BWW)


def test_warp_dropout_leaves_windows_without_warped_frames():
    always, never = (batch(augmentation=PLAIN.model_copy(update={"warp_dropout": share})) for share in (1, 0))
    assert (always.warped_BKWW == 0).all() and (never.warped_BKWW > 0).any()
    assert np.array_equal(always.inputs_BCWW, never.inputs_BCWW)


def test_mouth_s_box_lies_around_the_lips_of_the_window():
    one = clip()
    lips = one.landmarks_TPXY[6:8, LIPS] - (8, 16)  # the window begins there
    for (left, top, side), points in zip(batch(one=one).mouths_B3.tolist(), lips, strict=True):
        assert (points.min(0) >= (left, top)).all() and (points.max(0) <= (left + side, top + side)).all()
        assert side < 30 and left + side <= 48 and top + side <= 48


def test_references_are_not_frames_of_the_window():
    draw = np.random.default_rng(0)
    for _ in range(20):
        result = frames_apart(np.ones(30, bool), np.array([10, 11]), 4, draw)
        assert len(set(result)) == 4
        assert np.abs(result[:, None] - [10, 11]).min() >= 5
    assert frames_apart(np.ones(3, bool), np.array([1, 2]), 4, draw).tolist() == [0]


def test_temporal_runs_are_tracked_and_consecutive():
    tracked = np.array([1, 1, 0, 1, 0, 1, 1, 1], bool)
    assert tracked_run(tracked, 3, 2).tolist() == [5, 6]
    assert tracked_run(tracked, 1, 2).tolist() == [0, 1]
    assert tracked_run(tracked, 3, 4).tolist() == [3] * 4  # there is no such run


@pytest.mark.parametrize(("tracked", "frames"), [(3, 5), (25, 32), (1, 2)])
def test_frame_is_repeated_where_too_few_are_tracked(tracked, frames):
    assert tracked_run(np.arange(40) >= 40 - tracked, 0, frames).tolist() == [40 - tracked] * frames


def test_clip_without_two_tracked_frames_in_a_row_still_trains():
    made = batch(one=clip(14, lost=np.arange(1, 14, 2)))
    assert np.array_equal(made.target_BWW[0], made.target_BWW[1])


def test_mirrored_face_has_its_left_eye_on_the_left():
    pictures, landmarks = speaker(3, 2)
    turned, points = _varied(
        pictures, landmarks, PictureAugmentation(hflip_prob=1, color_jitter=0), np.random.default_rng(0)
    )
    assert np.array_equal(turned, pictures[:, :, ::-1])
    left, right = eye_centres(points)
    assert (left[:, 0] < right[:, 0]).all()
    again, back = _varied(turned, points, PictureAugmentation(hflip_prob=1, color_jitter=0), np.random.default_rng(0))
    assert np.array_equal(again, pictures)
    assert np.allclose(back, landmarks, atol=1e-4)


def test_clip_without_tracked_frames_is_refused():
    with pytest.raises(ValueError, match="no frame of the clip was tracked"):
        clip(5, lost=range(5))
