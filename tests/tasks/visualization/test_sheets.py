"""Contact sheets and films: what is shown is what was given, and the hidden half is hidden."""

import av
import cv2
import numpy as np
import pytest

from heterodub.model.stage2 import mask
from heterodub.tasks.visualization.sheets import as_bytes, contact_sheet, crop_film, seen
from tests.model.stage2.faces import SIDE, speaker
from tests.tasks.media.test_synthetic_marks import mark_of


def test_sheet_has_a_row_for_each_frame_and_a_column_for_each_heading():
    pictures, _ = speaker(0, 6)
    data = contact_sheet({"one": pictures, "two": 255 - pictures}, 3)
    sheet = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert sheet.shape == (16 + 3 * SIDE, 2 * SIDE, 3)
    assert np.array_equal(sheet[-SIDE:, :SIDE], pictures[5])
    assert np.array_equal(sheet[16 : 16 + SIDE, SIDE:], 255 - pictures[0])


def test_network_input_shows_no_mouth():
    pictures, landmarks = speaker(0, 3)
    spoiled = np.where(mask.hidden(landmarks, SIDE)[..., None], 255 - pictures, pictures)
    assert np.array_equal(seen(pictures, landmarks), seen(spoiled, landmarks))


def test_film_has_every_frame(tmp_path):
    pictures, _ = speaker(0, 6)
    crop_film(tmp_path / "film.mp4", {"one": pictures, "two": pictures})
    with av.open(str(tmp_path / "film.mp4")) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == 6
    assert frames[0].shape == (16 + SIDE, 2 * SIDE, 3)
    assert np.abs(frames[3][16:, :SIDE].astype(int) - pictures[3]).mean() < 12
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]
    assert mark_of(tmp_path / "film.mp4") == "digitalSourceType compositeWithTrainedAlgorithmicMedia"


def test_columns_of_other_lengths_are_refused(tmp_path):
    pictures, _ = speaker(0, 6)
    with pytest.raises(ValueError, match="side by side"):
        contact_sheet({"one": pictures, "two": pictures[1:]}, 2)
    with pytest.raises(ValueError, match="side by side"):
        crop_film(tmp_path / "film.mp4", {"one": pictures, "two": pictures[1:]})


def test_pictures_are_rounded_and_cut():
    assert as_bytes(np.array([-0.1, 0.5, 1.2], np.float32)).tolist() == [0, 128, 255]
