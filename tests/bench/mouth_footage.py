"""Mouths of real films as mesh v1 sees them, whole and damaged, with the points that mesh v2 finds in the whole
picture: what fit_mouth_refiner.py learns from and is tested on.

Shape suffix legend: T = frames, D = kinds of damage, P = 216 points, XY = 2 coordinates in pixels of the (damaged)
picture, S = pixels of a side.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Rgb
from heterodub.model.features.landmarks import box, eye_centres
from heterodub.schemas.config.settings import ClipSettings
from heterodub.tasks.faces.litert import bundle_model
from heterodub.tasks.faces.mesh import MeshBackend, open_mesh_v1
from heterodub.tasks.faces.mouth_crop import CROP_PX, mouth_crop, mouth_frame
from heterodub.tasks.faces.region import Region
from heterodub.tasks.faces.tracker import FaceObservation, FaceTracker
from heterodub.tasks.faces.window import Window, next_window, scale_square, square_of
from tests.bench.mouth_damage import DAMAGES, Damage, Points, draw_damage

STORED_PX: Final = CROP_PX + 16
"""Side of a stored crop, at the scale of the network's: training moves and bends it."""

_MARGIN: Final = 1.8
_MOST_PX: Final = 320
"""Side of the square around a face that is damaged: over the face's height, and in pixels at most."""

_REGION_SCALE, _RAISE = 1.6, 0.1

_LEAST_FACE_PX: Final = 45
_LEAST_SCORE: Final = 0.8
_LEAST_FRAMES: Final = 25

_SHORT_S: Final = 4.0
"""Of shorter films every frame is read, of longer ones every second."""

_FREE_FILES, _FREE_FRAMES = 9, 250
_FILES, _FRAMES = 2, 75
"""Files of a speaker and frames of a file that are read: where the licence lets weights be passed on, and elsewhere."""


@dataclass(frozen=True, slots=True, eq=False)
class MouthClip:
    """A stretch of film with one face. is_free: its licence lets weights that learned from it be passed on.

    seen_TDPXY: points of mesh v1 in the damaged picture. true_TDPXY: those of v2 in the whole one, moved with it.
    crops_TDSS3: the damaged mouth in the frame of v1's points.
    """

    file: str
    speaker: str
    is_free: bool
    seen_TDPXY: Points
    true_TDPXY: Points
    crops_TDSS3: NDArray[np.uint8]


Arrays = dict[str, NDArray[Any]]

_ARRAYS: Final = ("seen_TDPXY", "true_TDPXY", "crops_TDSS3")


def load_clips(corpus: Path, bundle: Path, cache: Path) -> list[MouthClip]:
    """Read the clips of a folder of films (media/) with its manifest.csv; what was read once is kept in `cache`."""
    with (corpus / "manifest.csv").open(newline="") as file:
        rows = sorted((row for row in csv.DictReader(file) if _is_wanted(row)), key=lambda row: not _is_free(row))
    cache.mkdir(parents=True, exist_ok=True)
    reader, counts, clips = _FilmReader(bundle), Counter[str](), []
    for number, row in enumerate(rows):
        speaker, is_free = row["speaker_id"], _is_free(row)
        counts[speaker] += 1
        if counts[speaker] > (_FREE_FILES if is_free else _FILES):
            continue
        kept = cache / f"{row['file']}.npz"
        if not kept.exists():
            step = 1 if float(row["seconds"] or 0) < _SHORT_S else 2
            pictures = _pictures(corpus / "media" / row["file"], step, _FREE_FRAMES if is_free else _FRAMES)
            made = list(reader.clips(pictures, np.random.default_rng(number)))
            named: Arrays = {f"{at}.{name}": one for at, clip in enumerate(made) for name, one in clip.items()}
            np.savez(kept, allow_pickle=False, **named)
        with np.load(kept) as stored:
            for at in range(len(stored.files) // len(_ARRAYS)):
                arrays = (stored[f"{at}.{name}"] for name in _ARRAYS)
                clips.append(MouthClip(row["file"], speaker, is_free, *arrays))
    return clips


def _is_free(row: dict[str, str]) -> bool:
    return row["redistribution"] == "ok" or row["redistribution"].startswith("probably ok")


def _is_wanted(row: dict[str, str]) -> bool:
    """Leave out what cannot be used, copies made of other files ("__"), and films of several people or of nobody."""
    speaker = row["speaker_id"]
    return row["expected"] != "reject" and "__" not in row["file"] and "+" not in speaker and speaker != "none"


def _pictures(path: Path, step: int, most: int) -> Iterator[Rgb]:
    """Decode every step-th picture of a file; ends where it is damaged."""
    try:
        with av.open(str(path)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number == most * step:
                    return
                if number % step == 0:
                    yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    except (av.error.FFmpegError, IndexError):
        return


class _FilmReader:
    """Follows the largest face of a film by both meshes."""

    def __init__(self, bundle: Path) -> None:
        self._first, self._second = open_mesh_v1(), MeshBackend("v2", bundle_model(bundle))

    def clips(self, pictures: Iterator[Rgb], rng: np.random.Generator) -> Iterator[Arrays]:
        """Yield the arrays of each stretch in which one face is followed."""
        tracker, clip = FaceTracker(self._first, ClipSettings()), None
        for rgb in pictures:
            face = _largest(tracker.step(rgb, cut=False))
            if clip is not None and (face is None or face.track != clip.track):
                yield from clip.finished()
                clip = None
            if face is not None:
                clip = clip or _GrowingClip(face.track, self._first, self._second, rng)
                clip.add(rgb, face.points)
        if clip is not None:
            yield from clip.finished()


def _largest(faces: list[FaceObservation]) -> FaceObservation | None:
    sizes = {float(np.ptp(face.points[:, 1])): face for face in faces if face.tracked and face.score >= _LEAST_SCORE}
    largest = max(sizes, default=0.0)
    return sizes[largest] if largest >= _LEAST_FACE_PX else None


class _GrowingClip:
    """A clip in the making. Damages are drawn at its first frame; each is followed by a v1 of its own."""

    def __init__(self, track: int, first: MeshBackend, second: MeshBackend, rng: np.random.Generator) -> None:
        self.track = track
        self._first, self._second, self._rng = first, second, rng
        self._window: Window | None = None
        self._side_px = 0
        self._damages: list[Damage] = []
        self._regions: list[Region | None] = []
        self._true_region: Region | None = None
        self._rows: list[tuple[Points, Points, NDArray[np.uint8]]] = []

    def add(self, rgb: Rgb, points_PXY: Points) -> None:
        """Add a frame with the points of mesh v1 in it."""
        left, top, right, bottom = box(points_PXY).tolist()
        window = next_window(self._window, (left, top, right, bottom), _MARGIN)
        if window != self._window:
            self._start(window, bottom - top)
        square = np.ascontiguousarray(scale_square(square_of(rgb, window), self._side_px))
        scale = self._side_px / window[2]
        here = ((points_PXY - window[:2] + 0.5) * scale - 0.5).astype(np.float32)
        found = self._second.landmarks(square, self._true_region or _region_around(here))
        self._true_region = found.next_region
        rows = [self._row(number, square, here, found.points) for number in range(len(DAMAGES))]
        seen, true, crops = zip(*rows, strict=True)
        self._rows.append((np.stack(seen), np.stack(true), np.stack(crops)))

    def _start(self, window: Window, face_px: float) -> None:
        side_px = min(_MOST_PX, window[2])
        if side_px != self._side_px:
            face_px *= side_px / window[2]
            self._damages = [draw_damage(kind, side_px, face_px, self._rng) for kind in DAMAGES]
        self._window, self._side_px = window, side_px
        self._regions, self._true_region = [None] * len(DAMAGES), None

    def _row(self, number: int, square: Rgb, here: Points, true: Points) -> tuple[Points, Points, NDArray[np.uint8]]:
        damage = self._damages[number]
        picture = damage.picture(square)
        face = self._first.landmarks(picture, self._regions[number] or _region_around(damage.points(here)))
        self._regions[number] = face.next_region if face.score >= ClipSettings().min_mesh_score else None
        return face.points, damage.points(true), mouth_crop(picture, mouth_frame(face.points), STORED_PX)

    def finished(self) -> Iterator[Arrays]:
        """Yield the clip's arrays, if it is long enough."""
        if len(self._rows) >= _LEAST_FRAMES:
            yield dict(zip(_ARRAYS, map(np.stack, zip(*self._rows, strict=True)), strict=True))


def _region_around(points_PXY: Points) -> Region:
    """Region in which a mesh looks for a face with these points, which lack the forehead."""
    left, top, right, bottom = box(points_PXY).tolist()
    side = _REGION_SCALE * max(right - left, bottom - top)
    across = np.subtract(*eye_centres(points_PXY)[::-1])
    roll = float(np.degrees(np.arctan2(across[1], across[0])))
    return Region((left + right) / 2, (top + bottom) / 2 - _RAISE * side, side, roll)
