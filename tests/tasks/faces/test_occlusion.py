"""A cover over the mouth is found where it lies; speech, blinking, light and beards are none."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from heterodub.schemas.config.settings import ClipSettings
from heterodub.tasks.faces.occlusion import mouth_occluded
from heterodub.tasks.faces.patches import FacePatches
from heterodub.tasks.faces.tracker import FaceTracker
from heterodub.tasks.synthetic.people import BY_NAME
from heterodub.tasks.synthetic.portrait import portrait
from tests.tasks.faces.covered import cover, passing, talker

FRAMES, FIRST, STOP = 60, 24, 40


@pytest.fixture(scope="module")
def s01() -> list[np.ndarray]:
    return talker("s01", FRAMES)


@pytest.fixture(scope="module")
def followed(mesh):
    def follow(pictures: Sequence[np.ndarray]) -> FacePatches:
        tracker, patches = FaceTracker(mesh, ClipSettings()), FacePatches()
        for number, picture in enumerate(pictures):
            faces = tracker.step(picture, False)
            assert faces[0].score > 0.9, "the mesh takes what it draws over a cover for a face"
            patches.add(number, number / 25, picture, faces[0])
        return patches

    return follow


@pytest.mark.parametrize(("name", "kind"), [("s01", "hand"), ("s01", "microphone"), ("s01", "mask"), ("s06", "hand")])
def test_frames_with_a_cover_are_found_and_no_others(followed, s01, name, kind):
    pictures = s01 if name == "s01" else talker(name, FRAMES)
    occluded = mouth_occluded(followed(passing(pictures, name, kind, FIRST, STOP)), FRAMES)
    assert occluded[FIRST:STOP].all()
    assert not occluded[: FIRST - 8].any()
    assert not occluded[STOP + 8 :].any()


def lights_down(picture: np.ndarray, at: int) -> np.ndarray:
    return (picture * np.array([1, 0.9, 0.8]) ** (at > 20) * (1 - 0.5 * np.clip((at - 20) / 10, 0, 1))).astype(np.uint8)


def from_the_side(picture: np.ndarray, at: int) -> np.ndarray:
    return (picture * np.linspace(1, 1 - 0.5 * np.clip((at - 20) / 10, 0, 1), 320)[:, None]).astype(np.uint8)


def bearded(picture: np.ndarray, at: int) -> np.ndarray:
    return cover(picture, portrait(BY_NAME["s01"]), "beard")


@pytest.mark.parametrize("change", [lights_down, from_the_side, bearded], ids=lambda one: one.__name__)
def test_speech_blinks_light_and_a_beard_are_no_cover(followed, s01, change):
    pictures = [change(picture, at) for at, picture in enumerate(s01)]
    assert not mouth_occluded(followed(pictures), FRAMES).any()


def test_permanent_mask_is_detected(followed, s01):
    pictures = passing(s01[:30], "s01", "mask", -FRAMES, 2 * FRAMES)
    assert mouth_occluded(followed(pictures), 30).all()


def test_earlier_track_reveals_a_cover_over_the_whole_clip(followed, s01):
    patches = followed(passing(s01, "s01", "hand", 38, 2 * FRAMES))
    before, after = patches.between(0, 36), patches.between(42, FRAMES)
    assert not mouth_occluded(after, FRAMES - 42).any()
    assert mouth_occluded(after, FRAMES - 42, before).all()


def test_long_track_equals_its_parts(followed, s01):
    """Twelve seconds and more are processed in stretches, each with the one before."""
    once = followed(passing(s01, "s01", "microphone", FIRST, STOP))
    clean = followed(s01)
    rounds = 13
    long = FacePatches()
    for turn in range(rounds):
        part = once if turn == rounds - 1 else clean
        first = turn * FRAMES
        long.patches += [replace(one, frame=first + one.frame, time_s=first / 25 + one.time_s) for one in part.patches]
    occluded = mouth_occluded(long, rounds * FRAMES)
    assert occluded[(rounds - 1) * FRAMES :].tolist() == mouth_occluded(once, FRAMES).tolist()
    assert not occluded[: (rounds - 1) * FRAMES].any()


def test_no_patches_give_no_occlusion():
    assert mouth_occluded(FacePatches(), 5).tolist() == [False] * 5
