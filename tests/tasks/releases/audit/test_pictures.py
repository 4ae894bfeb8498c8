import cv2
import numpy as np
import pytest

from heterodub.tasks.releases.audit.pictures import picture_size


def _encoded(form, width=48, height=32, options=()):
    picture = np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)
    return cv2.imencode(form, picture, options)[1].tobytes()


@pytest.mark.parametrize("form", [".jpg", ".png", ".webp"])
def test_real_pictures_are_measured(form):
    assert picture_size(_encoded(form)) == (48, 32)


def test_lossless_webp_and_progressive_jpeg_are_measured():
    assert picture_size(_encoded(".webp", options=[cv2.IMWRITE_WEBP_QUALITY, 101])) == (48, 32)
    assert picture_size(_encoded(".jpg", options=[cv2.IMWRITE_JPEG_PROGRESSIVE, 1])) == (48, 32)


@pytest.mark.parametrize("form", [".jpg", ".png", ".webp"])
def test_pictures_that_are_cut_off_are_refused(form):
    whole = _encoded(form)
    for length in (0, 1, 3, 10, 25, 40, len(whole) // 2, len(whole) - 3):
        assert picture_size(whole[:length]) is None


def test_random_bytes_never_raise():
    chance = np.random.default_rng(3)
    heads = [b"\xff\xd8", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x10\x00\x00\x00WEBPVP8 ", b"BM", b""]
    for _ in range(3000):
        data = heads[chance.integers(len(heads))] + chance.bytes(int(chance.integers(0, 60)))
        assert picture_size(data) is None or data[:2] in (b"\xff\xd8", b"RI")
