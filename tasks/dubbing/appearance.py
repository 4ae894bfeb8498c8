"""Reference frames that show a translator a face: of the video itself, or lent by another video or picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.features.arrays import Rgb
from tasks.dubbing.canvas import Canvas
from tasks.dubbing.progress import KernelTimer
from tasks.dubbing.segments import Face
from tasks.dubbing.source import SourceVideo
from tasks.faces.window import Window, cut_window


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceFrames:
    """Reference crops (R, S, S, 3) of a face, with landmarks (R, 216, 2) in crop pixels."""

    pictures: Rgb
    landmarks: NDArray[np.float32]


def in_crop(points_XY: NDArray[np.float32], window: Window, side_px: int) -> NDArray[np.float32]:
    """Convert points (..., 2) in picture pixels to pixels of the window's crop."""
    left, top, side = window
    return np.asarray((points_XY - np.array([left, top])) * (side_px / side), np.float32)


class References:
    """Reference crops of all faces, on disk, since a film has any number of them."""

    def __init__(self, faces: Sequence[Face], side_px: int, scratch: Path) -> None:
        self._faces, self._side = list(faces), side_px
        self._starts = np.cumsum([0, *(len(face.references) for face in faces)])
        shape = (max(1, int(self._starts[-1])), side_px, side_px, 3)
        self._crops = np.memmap(scratch / "references.raw", np.uint8, "w+", shape=shape)

    def collect(self, film: SourceVideo, canvas: Canvas, stopwatch: KernelTimer, step: Callable[[], None]) -> None:
        """Decode the film up to the last reference, and keep the crops."""
        wanted: dict[int, list[tuple[int, Window]]] = {}
        for face, start in zip(self._faces, self._starts, strict=False):
            for at, number in enumerate(face.references):
                wanted.setdefault(number, []).append((int(start) + at, face.windows[number - face.track.first]))
        last = max(wanted, default=-1)
        if last < 0:
            return
        for picture in stopwatch.over("decode", film.pictures()):
            with stopwatch("references"):
                if picture.index in wanted:
                    rgb = canvas.rgb(picture.frame, picture.geometry)
                    for place, window in wanted[picture.index]:
                        self._crops[place] = cut_window(rgb, window, self._side)
            step()
            if picture.index >= last:
                return

    def of(self, face: Face) -> ReferenceFrames:
        """Return the reference crops of one of the faces."""
        number = next(at for at, other in enumerate(self._faces) if other is face)
        crops = np.array(self._crops[self._starts[number] : self._starts[number + 1]])
        points = [
            in_crop(face.track.points_TPXY[row], face.windows[row], self._side)
            for row in (source - face.track.first for source in face.references)
        ]
        return ReferenceFrames(crops, np.stack(points))
