"""Appearance from elsewhere: the face of another video, or of one picture."""

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from model.dubbing.faces import Track
from schemas.config.settings import Settings
from schemas.errors import MediaRefusedError
from schemas.reasons import EXPLANATIONS, ClipReason, FileReason
from tasks.dubbing.appearance import ReferenceFrames, References, in_crop
from tasks.dubbing.canvas import Canvas
from tasks.dubbing.face_tracking import follow
from tasks.dubbing.progress import KernelTimer
from tasks.dubbing.segments import face_of
from tasks.dubbing.source import SourceVideo
from tasks.faces.backend import LandmarkBackend
from tasks.faces.tracker import FaceTracker
from tasks.faces.window import cut_window
from tasks.media.sniff import open_regular

LOOKED_AT_S: Final = 30.0
"""Length of another video that is examined; more would show the same face once more."""


def lent(path: Path, backend: LandmarkBackend, settings: Settings, side_px: int, scratch: Path) -> ReferenceFrames:
    """Load reference crops of the face seen largest and longest in a video's first half minute, or in a picture.

    Raises: MediaRefusedError - the file is neither, or NO_FACE.
    """
    try:
        film = SourceVideo.open(path, settings.limits)
    except MediaRefusedError as error:
        if error.reason is not FileReason.STILL_PICTURE:
            raise
        return _of_picture(_picture(path, settings.limits.max_pixels), backend, settings, side_px)
    canvas = Canvas(film.look())
    least = settings.dub.least_tracked_frames
    followed = follow(film, canvas, backend, settings.clips, least, KernelTimer(), _nothing, LOOKED_AT_S)
    best = max(followed.tracks, key=_worth, default=None)
    if best is None or not best.usable.any():
        raise MediaRefusedError(FileReason.NO_FACE, "" if best is None else EXPLANATIONS[ClipReason.MOUTH_COVERED])
    face = face_of(best, settings.dub, settings.clips)
    references = References([face], side_px, scratch)
    references.collect(film, canvas, KernelTimer(), _nothing)
    return references.of(face)


def _worth(track: Track) -> float:
    return track.height_px * int(track.usable.sum())


def _picture(path: Path, max_pixels: int) -> NDArray[np.uint8]:
    """Read a still picture (H, W, 3) as RGB.

    Raises: MediaRefusedError - NO_DECODABLE_FRAME, PICTURE_TOO_LARGE.
    """
    with open_regular(path) as file:
        bgr = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise MediaRefusedError(FileReason.NO_DECODABLE_FRAME)
    if bgr.shape[0] * bgr.shape[1] > max_pixels:
        raise MediaRefusedError(FileReason.PICTURE_TOO_LARGE, f"{bgr.shape[1]} x {bgr.shape[0]}")
    return np.ascontiguousarray(bgr[..., ::-1])


def _of_picture(rgb: NDArray[np.uint8], backend: LandmarkBackend, settings: Settings, side_px: int) -> ReferenceFrames:
    faces = FaceTracker(backend, settings.clips).step(rgb, cut=True)
    if not faces:
        raise MediaRefusedError(FileReason.NO_FACE)
    largest = max(faces, key=lambda face: float(np.ptp(face.points[:, 1])))
    track = Track(0, 0, largest.points[None], np.ones(1, bool), np.zeros(1, bool), np.zeros(1, np.float32))
    face = face_of(track, settings.dub, settings.clips)
    crop = cut_window(rgb, face.windows[0], side_px)
    return ReferenceFrames(crop[None], in_crop(largest.points, face.windows[0], side_px)[None])


def _nothing() -> None:
    """Ignore progress: nothing is displayed."""
