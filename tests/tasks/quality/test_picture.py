"""Picture measures on a real photograph that is blurred, scaled, compressed, greyed, darkened by a known amount."""

import cv2
import numpy as np
import pytest

from heterodub.tasks.quality.picture import blockiness, colourfulness, is_still, measure_face, sharpness

FACE = (176, 62, 272, 188)
"""The face in the photograph: left, top, right, bottom."""


@pytest.fixture
def grey(photograph) -> np.ndarray:
    return cv2.cvtColor(photograph, cv2.COLOR_RGB2GRAY)


@pytest.fixture
def face(grey) -> np.ndarray:
    return grey[FACE[1] : FACE[3], FACE[0] : FACE[2]]


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)


def test_sharpness_decreases_with_blur(face):
    measured = [sharpness(face)] + [sharpness(cv2.GaussianBlur(face, (0, 0), s)) for s in (0.7, 1, 1.5, 2, 3, 4, 6)]
    assert (np.diff(measured) < 0).all()
    assert measured[0] > 2 * measured[-2]


@pytest.mark.parametrize("scale", [1.25, 1.5, 2.0, 3.0, 4.0])
def test_sharpness_does_not_depend_on_the_face_size(face, scale):
    """Within 12 % from the measured size, which the photograph has, to four times it."""
    scaled = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    assert sharpness(scaled) == pytest.approx(sharpness(face), rel=0.12)


def test_face_below_the_measured_size_has_lost_detail(face):
    measured = [
        sharpness(cv2.resize(face, None, fx=s, fy=s, interpolation=cv2.INTER_AREA)) for s in (1, 0.8, 0.6, 0.4, 0.2)
    ]
    assert (np.diff(measured) < 0).all()


@pytest.mark.parametrize(("gain", "offset"), [(0.6, 0), (0.8, 30), (0.5, 100)])
def test_sharpness_does_not_move_with_contrast_and_brightness(face, gain, offset):
    changed = np.clip(face * gain + offset, 0, 255).astype(np.uint8)
    assert sharpness(changed) == pytest.approx(sharpness(face), rel=0.05)


def test_flat_picture_has_no_sharpness():
    assert sharpness(np.full((100, 100), 128, np.uint8)) == 0.0


def test_natural_picture_has_no_blocks(grey):
    assert blockiness(grey, 0, 0) == pytest.approx(1.0, abs=0.06)
    assert blockiness(jpeg(grey, 97), 0, 0) < 1.1


@pytest.mark.parametrize(("left", "top"), [(0, 0), (1, 0), (0, 3), (5, 7), (131, 66)])
def test_blocks_are_found_wherever_the_crop_begins(grey, left, top):
    packed = jpeg(grey, 8)
    assert blockiness(packed[top : top + 200, left : left + 200], left, top) > 1.5


def test_blocks_grow_with_compression(grey):
    measured = [blockiness(jpeg(grey, quality), 0, 0) for quality in (90, 50, 30, 15, 8)]
    assert (np.diff(measured) > 0).all()


def test_blocks_of_another_grid_are_not_taken_for_the_codec_s(grey):
    packed = jpeg(grey, 8)
    assert blockiness(packed[4:204, 4:204], 0, 0) < 1.0 < 1.5 < blockiness(packed[4:204, 4:204], 4, 4)


@pytest.mark.parametrize("levels", [8, 16, 32, 64, 120])
def test_invisible_steps_are_no_blocks(levels):
    """A smooth slope in whole levels: where it rises by one in eight pixels, all of its steps may lie on the grid."""
    slope = np.floor(np.arange(256) / 256 * levels + 60).astype(np.uint8)
    grey = np.broadcast_to(slope, (256, 256))
    assert blockiness(grey, 0, 0) == pytest.approx(1.0)
    blocky = (grey // 8 * 8).astype(np.uint8)[:, ::8].repeat(8, axis=1)
    assert np.isfinite(blockiness(blocky, 0, 0))


@pytest.mark.parametrize("quality", [75, 85, 95])
@pytest.mark.parametrize("blur", [2.0, 6.0])
def test_clean_pictures_of_little_texture_are_not_blocky(grey, quality, blur):
    smooth = cv2.GaussianBlur(grey, (0, 0), blur)
    assert blockiness(jpeg(smooth, quality), 0, 0) < 1.5


@pytest.mark.parametrize("step", [4, 8, 16])
def test_blocks_that_can_be_seen_on_an_even_face_are_found(step):
    rng = np.random.default_rng(1)
    blocks = 120 + step * rng.integers(0, 2, (16, 16))
    assert blockiness(blocks.repeat(8, axis=0).repeat(8, axis=1).astype(np.uint8), 0, 0) > 1.5


@pytest.mark.parametrize("shape", [(8, 8), (1, 1), (9, 3)])
def test_blockiness_of_crops_that_hold_no_grid_line_is_one_or_finite(shape):
    assert np.isfinite(blockiness(np.zeros(shape, np.uint8), 0, 0))


def test_colourfulness(photograph, grey):
    face = photograph[FACE[1] : FACE[3], FACE[0] : FACE[2]]
    assert colourfulness(np.stack([grey] * 3, axis=-1)) == pytest.approx(0, abs=1e-6)
    assert colourfulness(face) > 0.06  # "slightly colourful" of Hasler and Suesstrunk
    half = (face.astype(float) * 0.5 + face.mean(axis=2, keepdims=True) * 0.5).astype(np.uint8)
    assert colourfulness(half) == pytest.approx(colourfulness(face) / 2, rel=0.05)
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    assert colourfulness(red) == pytest.approx(0.3 * np.hypot(1, 0.5), rel=1e-6)


def test_exposure_is_counted_in_pixels():
    frame = np.full((100, 100, 3), 120, np.uint8)
    frame[:30] = 10
    frame[90:] = 255
    seen = measure_face(frame, (0, 0, 100, 100))
    assert (seen.dark_share, seen.bright_share) == (0.3, 0.1)
    assert seen.brightness == pytest.approx(120 / 255)


@pytest.mark.parametrize(("luma", "dark", "bright"), [(16, 1, 0), (17, 0, 0), (249, 0, 0), (250, 0, 1)])
def test_dark_and_bright_thresholds(luma, dark, bright):
    seen = measure_face(np.full((20, 20, 3), luma, np.uint8), (0, 0, 20, 20))
    assert (seen.dark_share, seen.bright_share) == (dark, bright)


def test_face_alone_is_measured(photograph):
    framed = np.zeros_like(photograph)
    left, top, right, bottom = FACE
    framed[top:bottom, left:right] = photograph[top:bottom, left:right]
    assert measure_face(framed, FACE) == measure_face(photograph, FACE)


def test_box_that_leaves_the_picture_is_measured_by_what_is_inside(photograph):
    assert measure_face(photograph, (-50, -40, 120, 110)) == measure_face(photograph, (0, 0, 120, 110))
    assert measure_face(photograph, (400, 400, 900, 900)) == measure_face(photograph, (400, 400, 512, 512))


@pytest.mark.parametrize(
    "box", [(600, 10, 700, 90), (-90, -90, -10, -10), (10, 10, 17, 90), (90, 90, 10, 10), (510, 0, 900, 100)]
)
def test_box_without_a_face_s_worth_of_picture_is_not_measured(photograph, box):
    assert measure_face(photograph, box) is None


def shrunk(rgb: np.ndarray) -> np.ndarray:
    small = cv2.resize(rgb, (160, 160), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))


def test_still_picture_is_still_and_a_moved_mouth_is_not(photograph):
    small = shrunk(photograph)
    assert is_still(small, small.copy())
    specks = np.random.default_rng(0).integers(-1, 2, small.shape)
    assert is_still(small, np.clip(small.astype(int) + specks, 0, 255).astype(np.uint8))
    once = jpeg(photograph, 90)
    assert is_still(shrunk(once), shrunk(jpeg(once, 89)))
    moved = small.copy()
    moved[46:62, 60:90] = np.roll(moved[46:62, 60:90], 2, axis=0)  # a fiftieth of the picture
    assert not is_still(small, moved)
    assert not is_still(small, np.roll(small, 1, axis=1))


def test_empty_or_resized_picture_equals_nothing(photograph):
    small = shrunk(photograph)
    assert not is_still(None, small)
    assert not is_still(small[:100], small)


def test_mouth_that_moves_in_a_wide_shot_is_no_still_picture():
    before = np.full((120, 160), 90, np.uint8)
    now = before.copy()
    now[60:64, 80:84] += 30  # the mouth of a face of some 20 pixels: a thousandth of the picture
    assert not is_still(before, now)
    noise = np.random.default_rng(0).integers(-1, 2, before.shape)
    assert is_still(before, (before + noise).astype(np.uint8))
