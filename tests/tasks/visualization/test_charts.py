"""Still pictures: the right things in the right colours at the right places."""

import cv2
import numpy as np
import pytest

from heterodub.model.features.landmarks import LIPS, PREDICTED
from heterodub.tasks.tracking.kinds import made_face
from heterodub.tasks.visualization.charts import GIVEN_RGB, PREDICTED_RGB, TRUE_RGB, landmarks_over_truth, opening_chart

FRAMES = 50


def talking(amount: float) -> np.ndarray:
    """A face whose lower lip goes down and up once a second, by `amount` pixels."""
    face = made_face(FRAMES)
    face[:, LIPS.stop - 30 : LIPS.stop, 1] += amount * (1 - np.cos(2 * np.pi * np.arange(FRAMES) / 25))[:, None]
    return face


def picture(png: bytes) -> np.ndarray:
    assert png.startswith(b"\x89PNG")
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def where(rgb: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(rgb.astype(int) - colour).max(axis=2) < 12


def test_sheet_shows_prediction_truth_and_input():
    shown = picture(landmarks_over_truth(talking(0), talking(9), title="step 500"))
    assert all(where(shown, colour).sum() > 500 for colour in (PREDICTED_RGB, TRUE_RGB, GIVEN_RGB))


def test_perfect_prediction_hides_the_truth():
    face = talking(5)
    shown = picture(landmarks_over_truth(face, face))
    legend = int(0.92 * shown.shape[0])
    assert where(shown[:legend], PREDICTED_RGB).sum() > 500
    assert where(shown[:legend], TRUE_RGB).sum() < 50


def test_sheet_has_a_panel_a_frame_and_keeps_the_picture_upright():
    face = talking(5)
    narrow, wide = (picture(landmarks_over_truth(one, one)) for one in (face[7:8], face[[0, 10, 20, 49]]))
    assert wide.shape[1] == 4 * narrow.shape[1]
    rows = np.flatnonzero(where(narrow[: narrow.shape[0] // 2], GIVEN_RGB).any(axis=1))
    moved = np.flatnonzero(where(narrow[: narrow.shape[0] // 2], PREDICTED_RGB).any(axis=1))
    assert rows.min() < moved.min()  # brows stand above lips and chin


def test_face_is_fitted_wherever_it_stands_and_however_large_it_is():
    face = talking(5)
    far = face * 0.1 + 5000
    near, tiny = (picture(landmarks_over_truth(one, one)) for one in (face[10:11], far[10:11].astype(np.float32)))
    inked = [where(one, PREDICTED_RGB).sum() for one in (near, tiny)]
    assert inked[1] == pytest.approx(inked[0], rel=0.1)


def test_opening_is_drawn_over_seconds_for_both():
    shown = picture(opening_chart(talking(2), talking(12)))
    predicted, true = (where(shown[60:], colour) for colour in (PREDICTED_RGB, TRUE_RGB))
    heights = [np.ptp(np.flatnonzero(one.any(axis=1))) for one in (predicted, true)]
    assert heights[0] < 0.5 * heights[1]  # it opens less
    assert np.ptp(np.flatnonzero(true.any(axis=0))) > 0.8 * shown.shape[1]


def test_frames_without_a_tracked_face_are_shaded():
    tracked = np.ones(FRAMES, bool)
    tracked[10:20] = False
    plain, shaded = (opening_chart(talking(2), talking(5), given) for given in (np.ones(FRAMES, bool), tracked))
    grey = picture(shaded).astype(int)
    assert ((np.ptp(grey, axis=2) < 3) & (grey[..., 0] < 240) & (grey[..., 0] > 200)).sum() > 5000
    assert plain == opening_chart(talking(2), talking(5))


def test_clip_of_one_frame_can_be_drawn():
    face = talking(5)[:1]
    picture(landmarks_over_truth(face, face))
    picture(opening_chart(face, face))


@pytest.mark.parametrize("draw", [landmarks_over_truth, opening_chart])
def test_undrawable_input_is_refused(draw):
    face = talking(5)
    broken = face.copy()
    broken[3, 5] = np.nan
    for predicted, true in (
        (face[1:], face),
        (face[:, PREDICTED], face[:, PREDICTED]),
        (face[:0], face[:0]),
        (broken, face),
    ):
        with pytest.raises(ValueError, match=r"shape|finite"):
            draw(predicted, true)
