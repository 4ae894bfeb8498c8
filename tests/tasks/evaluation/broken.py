"""Deliberate faults of finished dubs: what acceptance has to see."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import av
import cv2
import numpy as np
import pytest

from heterodub.model.features.landmarks import LIPS, box
from heterodub.tasks.dubbing import dub
from heterodub.tasks.dubbing.compositing import CompositedFrame, composite
from heterodub.tasks.media.canvas import Canvas

Fault = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""Changes a picture (H, W, 3) as displayed, given the wanted landmarks (216, 2) and the frame's number."""


@contextmanager
def faulty(*faults: Fault | None) -> Iterator[None]:
    """Let the shots of dubs within the block have these faults, made between compositing and encoding; one for all."""

    def work(film, look, timeline, segments, *rest) -> Generator[CompositedFrame]:
        canvas = Canvas(look)
        of_shots = list(zip(segments, faults * len(segments) if len(faults) == 1 else faults, strict=True))
        for number, one in enumerate(composite(film, look, timeline, segments, *rest)):
            segment, fault = next(
                ((part, fault) for part, fault in of_shots if part.first <= number < part.stop), (None, None)
            )
            if segment is None or fault is None or not segment.strength(number - segment.first):
                yield one
                continue
            row = number - segment.first
            wanted = segment.landmarks(slice(row, row + 1)).wanted_NPXY[0]
            picture = fault(canvas.rgb(one.frame, look.geometry), wanted, number)
            frame = av.VideoFrame.from_ndarray(np.clip(np.rint(picture), 0, 255).astype(np.uint8), "rgb24")
            yield CompositedFrame(canvas.output(frame, look.geometry), one.dubbed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dub, "composite", work)
        yield


def _patch(picture: np.ndarray, points: np.ndarray, room: float = 0.3, soft: float = 0.0) -> np.ndarray:
    """(H, W, 1) 0..1: a rectangle around the lips."""
    left, top, right, bottom = box(points[LIPS])
    width = right - left
    mask = np.zeros(picture.shape[:2], np.float32)
    rows = slice(max(0, int(top - room * width)), int(bottom + room * width))
    mask[rows, max(0, int(left - room * width)) : int(right + room * width)] = 1
    return (cv2.GaussianBlur(mask, (0, 0), soft * width) if soft else mask)[..., None]


def blurred_mouth(picture, wanted, number):
    """A mouth that a small network would paint."""
    width = float(np.ptp(wanted[LIPS][:, 0]))
    mask = _patch(picture, wanted, soft=0.1)
    return picture * (1 - mask) + cv2.GaussianBlur(picture, (0, 0), width / 15) * mask


def patch_of_another_colour(picture, wanted, number):
    """A rectangle that is redder and darker than the face."""
    return picture + _patch(picture, wanted) * np.array([6, -14, -14])


def soft_patch_of_another_colour(picture, wanted, number):
    """The same without an edge."""
    return picture + _patch(picture, wanted, 0.5, 0.25) * np.array([6, -20, -20])


def flickering_mouth(picture, wanted, number):
    """Light of the lower face that changes with every frame."""
    return picture + _patch(picture, wanted, 0.5, 0.2) * (8 if number % 2 else -8)


def degraded_frame(picture, wanted, number):
    """Everything softer, as by a second encoder."""
    small = cv2.resize(picture, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def lips_elsewhere(picture, wanted, number):
    """The lower face, moved down by a fifth of the mouth's width."""
    shift = np.float32([[1, 0, 0], [0, 1, 0.2 * np.ptp(wanted[LIPS][:, 0])]])
    mask = _patch(picture, wanted, 0.3, 0.1)
    moved = cv2.warpAffine(picture, shift, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    return picture * (1 - mask) + moved * mask


FAULTS: dict[str, Fault] = {
    one.__name__: one
    for one in (
        blurred_mouth,
        patch_of_another_colour,
        soft_patch_of_another_colour,
        flickering_mouth,
        degraded_frame,
        lips_elsewhere,
    )
}


def another_face(picture, wanted, number):
    """Eyes, nose and mouth of other proportions."""
    left, top, right, bottom = box(wanted)
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    across, down = (columns - (left + right) / 2) / (right - left), (rows - (top + bottom) / 2) / (bottom - top)
    inside = np.clip(1 - across**2 - down**2, 0, 1)
    moved = columns + 0.6 * inside * across * (right - left), rows - 0.3 * inside * down * (bottom - top)
    return cv2.remap(picture, *(one.astype(np.float32) for one in moved), cv2.INTER_LINEAR)
