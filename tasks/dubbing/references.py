"""Reference frames that show a translator a face: of the video itself, or of another video or picture."""

import errno
import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from heterodub.model.dubbing.faces import Track
from heterodub.model.features.arrays import Rgb
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import EXPLANATIONS, ClipReason, FileReason
from heterodub.tasks.dubbing.face_tracking import follow
from heterodub.tasks.dubbing.passes import PassMonitor
from heterodub.tasks.dubbing.segments import Face, face_of
from heterodub.tasks.faces.backend import LandmarkBackend
from heterodub.tasks.faces.patches import FacePatches
from heterodub.tasks.faces.tracker import FaceObservation, FaceTracker
from heterodub.tasks.faces.window import Window, cut_window
from heterodub.tasks.media.canvas import Canvas
from heterodub.tasks.media.paths import open_regular
from heterodub.tasks.media.source_video import SourceVideo

_SHOWN_S: Final = 30.0
"""Length of another video that is examined; more would show the same face once more."""

_CANNOT_RESERVE: Final = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
"""Errors of file systems that reserve no room; there the file grows as it is written."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceFrames:
    """Reference crops (R, S, S, 3) of a face, with landmarks (R, 216, 2) in crop pixels."""

    pictures: Rgb
    landmarks: NDArray[np.float32]


def in_crop(points_XY: NDArray[np.float32], window: Window, side_px: int) -> NDArray[np.float32]:
    """Convert points (..., 2) in picture pixels to pixels of the window's crop."""
    left, top, side = window
    return np.asarray((points_XY - np.array([left, top])) * (side_px / side), np.float32)


def collect_references(
    faces: Sequence[Face], film: SourceVideo, canvas: Canvas, side_px: int, scratch: Path, monitor: PassMonitor
) -> dict[Face, ReferenceFrames]:
    """Collect the reference crops of each face, in one pass over the film up to the last of them.

    The crops lie in a nameless file in `scratch`, since a film has any number of faces.
    """
    starts = np.cumsum([0, *(len(face.references) for face in faces)]).tolist()
    crops = _on_disk((starts[-1], side_px, side_px, 3), scratch)
    placements: dict[int, list[tuple[int, Window]]] = {}
    for face, start in zip(faces, starts, strict=False):
        for place, number in enumerate(face.references, start):
            placements.setdefault(number, []).append((place, face.windows[number - face.track.first]))
    last = max(placements, default=-1)
    for picture in monitor.over("decode", film.pictures()) if placements else ():
        with monitor("references"):
            if picture.index in placements:
                rgb = canvas.rgb(picture.frame, picture.geometry)
                for place, window in placements[picture.index]:
                    crops[place] = cut_window(rgb, window, side_px)
        monitor.progress.advance()
        if picture.index >= last:
            break
    return {
        face: ReferenceFrames(crops[start:stop], _landmarks(face, side_px))
        for face, start, stop in zip(faces, starts[:-1], starts[1:], strict=True)
    }


def load_references(
    path: Path, backend: LandmarkBackend, settings: Settings, side_px: int, scratch: Path
) -> ReferenceFrames:
    """Load reference crops of the face seen largest and longest in a video's first half minute, or in a picture.

    Raises: MediaRefusedError - the file is neither, or NO_FACE.
    """
    try:
        film = SourceVideo.open(path, settings.limits)
    except MediaRefusedError as error:
        if error.reason is not FileReason.STILL_PICTURE:
            raise
        return _of_picture(read_picture(path, settings.limits.max_pixels), backend, settings, side_px)
    canvas, monitor = Canvas(film.look()), PassMonitor()
    followed = follow(film, canvas, backend, settings.clips, settings.dub.least_tracked_frames, monitor, _SHOWN_S)
    best = max(followed.tracks, key=_worth, default=None)
    if best is None or not best.usable.any():
        raise MediaRefusedError(FileReason.NO_FACE, "" if best is None else EXPLANATIONS[ClipReason.MOUTH_COVERED])
    face = face_of(best, settings.dub, settings.clips)
    return collect_references([face], film, canvas, side_px, scratch, monitor)[face]


def _on_disk(shape: tuple[int, ...], scratch: Path) -> Rgb:
    """Return an array that lies in a nameless file.

    Raises: OSError - the disk is too full for it.
    """
    shape = (max(1, shape[0]), *shape[1:])
    with tempfile.TemporaryFile(dir=scratch) as file:  # the mapping keeps it
        _reserve(file.fileno(), math.prod(shape))
        return np.asarray(np.memmap(file, np.uint8, "w+", shape=shape))


def _reserve(descriptor: int, size_bytes: int) -> None:
    """Reserve room for a file where the system can: a full disk behind a mapping would end the process.

    Raises: OSError - there is no room.
    """
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    try:
        os.posix_fallocate(descriptor, 0, size_bytes)
    except OSError as error:
        if error.errno not in _CANNOT_RESERVE:
            raise


def _landmarks(face: Face, side_px: int) -> NDArray[np.float32]:
    rows = [number - face.track.first for number in face.references]
    return np.stack([in_crop(face.track.points_TPXY[row], face.windows[row], side_px) for row in rows])


def _worth(track: Track) -> float:
    return track.height_px * int(track.usable.sum())


def read_picture(path: Path, max_pixels: int) -> Rgb:
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


def patches_of_picture(rgb: Rgb, backend: LandmarkBackend, settings: Settings) -> FacePatches:
    """Cut the patch of the largest face of a picture.

    Raises: MediaRefusedError - NO_FACE.
    """
    patches = FacePatches()
    patches.add(0, 0.0, rgb, _largest(rgb, backend, settings))
    return patches


def _largest(rgb: Rgb, backend: LandmarkBackend, settings: Settings) -> FaceObservation:
    faces = FaceTracker(backend, settings.clips).step(rgb, cut=True)
    if not faces:
        raise MediaRefusedError(FileReason.NO_FACE)
    return max(faces, key=lambda face: float(np.ptp(face.points[:, 1])))


def _of_picture(rgb: Rgb, backend: LandmarkBackend, settings: Settings, side_px: int) -> ReferenceFrames:
    points = _largest(rgb, backend, settings).points
    track = Track(0, 0, points[None], np.ones(1, bool), np.zeros(1, bool), np.zeros(1, np.float32))
    face = face_of(track, settings.dub, settings.clips)
    crop = cut_window(rgb, face.windows[0], side_px)
    return ReferenceFrames(crop[None], _landmarks(face, side_px))
