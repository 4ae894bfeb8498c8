"""Translator inference: chunks equal one pass, hidden pixels do not matter, pixels outside the mask are the source."""

import numpy as np
import pytest

from heterodub.model.stage2 import mask
from heterodub.model.stage2.inference import TranslatorInference
from heterodub.model.stage2.network import LandmarkTranslator
from heterodub.model.stage2.warp import distances, steady_path
from heterodub.schemas.config.translation import Stage2Settings
from tests.model.stage2.faces import SIDE, lively, speaker


@pytest.fixture(scope="module")
def translator() -> TranslatorInference:
    return TranslatorInference(lively(LandmarkTranslator(Stage2Settings(preset="tiny").architecture)))


@pytest.fixture(scope="module")
def clip():
    return speaker(2, 24)


@pytest.fixture(scope="module")
def whole(translator, clip):
    return translated(translator, *clip)


def translated(translator, pictures, landmarks, known=None, path=None):
    first = speaker(2, 24)
    known = known or translator.appearance(first[0][:4], first[1][:4])
    return translator.translate(known, pictures, landmarks, landmarks, path)


@pytest.mark.parametrize("size", [3, 16])
def test_chunks_with_context_equal_one_pass(translator, clip, whole, size):
    pictures, landmarks = clip
    path = steady_path(distances(landmarks[:4], landmarks))
    for start in range(0, 24, size):
        low, high = max(0, start - translator.context), min(24, start + size + translator.context)
        piece = translated(translator, pictures[low:high], landmarks[low:high], path=path[low:high])
        piece = piece[start - low :][:size]
        assert np.abs(piece - whole[start : start + size]).max() < 1 / 255


def test_chunks_without_context_differ(translator, clip, whole):
    alone = translated(translator, clip[0][10:12], clip[1][10:12])
    assert np.abs(alone - whole[10:12]).max() > 1 / 255


def test_hidden_source_pixels_do_not_change_the_output(translator, clip, whole):
    pictures, landmarks = clip
    spoiled = np.where(mask.hidden(landmarks, SIDE)[..., None], 255 - pictures, pictures)
    painted = mask.soft(landmarks, SIDE) >= 1
    assert np.array_equal(translated(translator, spoiled, landmarks)[painted], whole[painted])


def test_output_outside_the_mask_is_the_source(clip, whole):
    outside = mask.soft(clip[1], SIDE) == 0
    assert np.array_equal(whole[outside], clip[0][outside] / np.float32(255))


def test_references_of_another_speaker_change_the_face(translator, clip, whole):
    other = translator.appearance(*speaker(7, 3))
    assert np.abs(translated(translator, *clip, other) - whole).mean() > 0.01
