"""Baselines: faces that do not move, on heads that do."""

import numpy as np
import pytest

from heterodub.model.evaluation.controls import apply_pose, copy_reference, mean_face, resting_face
from heterodub.model.evaluation.landmarks import score_clip
from heterodub.model.features.landmarks import LIPS, POSE, PREDICTED, SLICES
from tests.model.evaluation.faces import UNIT_PX, face, moved, talking

GAPS = 12 + 6 * np.sin(np.arange(40) * 0.7)
ALL = np.ones(40, np.bool_)


def test_copied_reference_has_no_error_on_equal_mouths():
    clip = moved(talking(np.full(40, 9.0)))
    assert np.allclose(copy_reference(clip[5:6], clip), clip)


def test_error_of_a_copied_reference_by_hand():
    clip = moved(talking(GAPS))
    copied = copy_reference(face(12.0)[None], clip)
    error = np.linalg.norm(copied - clip, axis=-1) / np.linalg.norm(clip[:, 85] - clip[:, 0], axis=-1)[:, None]
    still = talking(GAPS)
    known = np.abs(GAPS - 12) / np.linalg.norm(still[:, 85] - still[:, 0], axis=-1)
    for name in ("lip_lower_inner", "lip_lower_outer"):
        assert np.allclose(error[:, SLICES[name]], known[:, None])
    assert np.allclose(error[:, SLICES["lip_upper_outer"]], 0)


def test_pose_points_stay_the_clips_own():
    clip = moved(talking(GAPS))
    assert np.array_equal(copy_reference(clip[:3], clip)[:, POSE], clip[:, POSE])


def test_several_references_are_averaged_in_the_face_frame():
    references = moved(talking(np.array([6.0, 18.0])))
    clip = moved(talking(np.full(40, 12.0)), seed=1)
    assert np.allclose(copy_reference(references, clip), clip)


def test_mean_face_counts_every_clip_once():
    clips = [moved(talking(np.full(frames, gap)), seed=frames) for frames, gap in ((5, 6.0), (30, 12.0))]
    place = PREDICTED.tolist().index(SLICES["lip_lower_inner"].start)
    # 60 px below the eyes, and the mean of the two gaps
    assert mean_face(clips)[place, 1] * UNIT_PX == pytest.approx(60 + 9)
    assert np.allclose(mean_face(clips), resting_face(face(9.0)[None]))


def test_controls_do_not_move_and_err_on_lips():
    clip = moved(talking(GAPS))
    for worn in (copy_reference(clip[:1], clip), apply_pose(mean_face([talking(GAPS[:7])]), clip)):
        scores = score_clip(worn, clip, ALL)
        assert scores.mouth_opening_std_ratio == pytest.approx(0, abs=1e-9)
        assert scores.nme_outline == pytest.approx(0, abs=1e-9)
        assert scores.nme_lips > 0.005


def test_unusable_references_are_refused():
    clip = talking(GAPS)
    with pytest.raises(ValueError, match="at least one frame"):
        copy_reference(clip[:0], clip)
    with pytest.raises(ValueError, match="at least one clip"):
        mean_face([])
    with pytest.raises(ValueError, match="has the shape"):
        apply_pose(clip[0, LIPS], clip)
