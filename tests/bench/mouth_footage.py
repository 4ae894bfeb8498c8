"""Mouths of films as face mesh v1 sees them, damaged in many ways, with the points that mesh v2 finds in the clean
picture: what fit_mouth_refiner.py learns from and is tested on.
"""

import csv
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Rgb
from heterodub.model.features.landmarks import MIRRORED
from heterodub.schemas.config.settings import ClipSettings
from heterodub.tasks.faces.litert import bundle_model
from heterodub.tasks.faces.mesh import MeshBackend, open_mesh_v1
from heterodub.tasks.faces.mouth_crop import CROP_PX, mouth_crop, mouth_frame
from heterodub.tasks.faces.region import Region
from heterodub.tasks.faces.tracker import FaceObservation, FaceTracker
from heterodub.tasks.faces.window import Window, next_window, scale_square, square_of

DAMAGES: Final = ("clean", "blurred", "grey", "small", "crushed", "turned", "mirrored", "dark")

STORED_PX: Final = CROP_PX + 16
"""Side of a stored crop: at the same scale, so that training can move and bend it."""

_MARGIN: Final = 1.8
_MOST_PX: Final = 320
"""Side of the square around the face that is damaged: over the face's height, and in pixels."""

_LEAST_FACE_PX: Final = 45
_LEAST_SCORE: Final = 0.8
_LEAST_FRAMES: Final = 25


@dataclass(frozen=True, slots=True, eq=False)
class MouthClip:
    """Frames of one face that follow on each other. D = kinds of damage, P = 216 points in pixels of the damaged picture.

    seen_TDPXY: points of mesh v1 in the damaged picture. true_TDPXY: those of v2 in the clean one, moved along.
    crops_TDSS3: the damaged mouth, in the frame of v1's points.
    """

    file: str
    speaker: str
    is_free: bool
    face_px: float
    seen_TDPXY: NDArray[np.float32]
    true_TDPXY: NDArray[np.float32]
    crops_TDSS3: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Damage:
    """One damage as strong as drawn for a clip. `matrix` (2, 3): from pixels of the square to those of the damaged
    picture, without the mirror.
    """

    matrix: NDArray[np.float64]
    size: tuple[int, int]
    is_mirrored: bool = False
    sigma_px: float = 0.0
    is_grey: bool = False
    quality: int = 100
    gamma: float = 1.0
    gain: float = 1.0
    noise: float = 0.0

    def picture(self, rgb: Rgb, rng: np.random.Generator) -> Rgb:
        side = rgb.shape[0]
        scale = float(np.hypot(*self.matrix[:, 0]))
        if abs(scale - 1) > 1e-6 and not self.matrix[0, 1]:
            rgb = cv2.resize(rgb, self.size, interpolation=cv2.INTER_AREA)
        elif self.matrix[0, 1] or self.size != (side, side):
            rgb = cv2.warpAffine(rgb, self.matrix, self.size, borderMode=cv2.BORDER_REPLICATE)
        if self.is_mirrored:
            rgb = np.ascontiguousarray(rgb[:, ::-1])
        if self.sigma_px:
            rgb = cv2.GaussianBlur(rgb, (0, 0), self.sigma_px)
        if self.is_grey:
            rgb = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        if self.gain != 1 or self.gamma != 1 or self.noise:
            light = 255 * self.gain * (np.arange(256) / 255.0) ** self.gamma
            rgb = cv2.LUT(rgb, np.clip(light, 0, 255).astype(np.uint8))
            noise = cv2.randn(np.empty(rgb.shape, np.int16), 0, self.noise)
            rgb = cv2.add(rgb, noise, dtype=cv2.CV_8U)
        if self.quality < 100:
            coded = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.quality])[1]
            rgb = np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1])
        return rgb

    def points(self, points_PXY: NDArray[np.float32]) -> NDArray[np.float32]:
        moved = points_PXY @ self.matrix[:, :2].T + self.matrix[:, 2]
        if self.is_mirrored:
            moved = moved[MIRRORED]
            moved[:, 0] = self.size[0] - 1 - moved[:, 0]
        return moved.astype(np.float32)


def _drawn(kind: str, side: int, face_px: float, rng: np.random.Generator) -> _Damage:
    """Draw how strong a damage is for one clip."""
    plain = np.eye(2, 3)
    parts = (kind,)
    values: dict[str, object] = {}
    size = side
    scale = 1.0
    if "small" in parts:
        scale = min(1.0, rng.uniform(40, 80) / face_px)
        size = round(side * scale)
        scale = size / side
        plain = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2]])
    elif "turned" in parts:
        plain = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), rng.choice([-1, 1]) * rng.uniform(8, 40), 1.0)
    if "blurred" in parts:
        values["sigma_px"] = scale * face_px * rng.uniform(0.01, 0.03)
    if "grey" in parts:
        values["is_grey"] = True
    if "crushed" in parts:
        values["quality"] = int(rng.integers(5, 16))
    if "dark" in parts:
        values |= {"gain": rng.uniform(0.2, 0.8), "gamma": rng.uniform(0.8, 1.6), "noise": rng.uniform(1, 6)}
    return _Damage(plain, (size, size), is_mirrored="mirrored" in parts, **values)


def pictures(path: Path, step: int, most: int) -> Iterator[Rgb]:
    """Decode every step-th picture of a file; ends where it is damaged."""
    try:
        with av.open(str(path)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number == most * step:
                    return
                if number % step == 0:
                    yield frame.to_ndarray(format="rgb24")
    except (av.error.FFmpegError, IndexError):
        return


class MouthReader:
    """Follows the largest face of a film by both meshes."""

    def __init__(self, bundle: Path) -> None:
        self._first = open_mesh_v1()
        self._second = MeshBackend("v2", bundle_model(bundle))

    def clips(self, path: Path, speaker: str, is_free: bool, step: int, frames: int, seed: int) -> Iterator[MouthClip]:
        """Yield stretches of a film in which its largest face is followed."""
        tracker = FaceTracker(self._first, ClipSettings())
        rng = np.random.default_rng(seed)
        clip: _Growing | None = None
        for rgb in pictures(path, step, frames):
            face = _largest([one for one in tracker.step(rgb, cut=False) if one.tracked and one.score >= _LEAST_SCORE])
            if clip is not None and (face is None or face.track != clip.track):
                yield from clip.finished(path.name, speaker, is_free)
                clip = None
            if face is not None:
                clip = clip or _Growing(face, self._first, self._second, rng)
                clip.add(rgb, face)
        if clip is not None:
            yield from clip.finished(path.name, speaker, is_free)


def _largest(faces: list[FaceObservation]) -> FaceObservation | None:
    faces = [face for face in faces if np.ptp(face.points[:, 1]) >= _LEAST_FACE_PX]
    return max(faces, key=lambda face: float(np.ptp(face.points[:, 1])), default=None)


class _Growing:
    """A clip in the making: its damages are drawn at its first frame."""

    def __init__(self, face: FaceObservation, first: MeshBackend, second: MeshBackend, rng: np.random.Generator) -> None:
        self.track = face.track
        self._first, self._second, self._rng = first, second, rng
        self._window: Window | None = None
        self._side = 0
        self._face_px = 0.0
        self._damages: list[_Damage] = []
        self._regions: list[Region | None] = [None] * len(DAMAGES)
        self._true_region: Region | None = None
        self._rows: list[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]]] = []
        self._last: Window | None = None

    def add(self, rgb: Rgb, face: FaceObservation) -> None:
        points = face.points
        box = (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())
        window = next_window(self._window, box, _MARGIN)
        if window != self._window:
            self._start(window, float(np.ptp(points[:, 1])))
        left, top, whole = window
        scale = self._side / whole
        square = scale_square(square_of(rgb, window), self._side) if self._side != whole else square_of(rgb, window)
        square = np.ascontiguousarray(square)
        here = ((points - (left, top) + 0.5) * scale - 0.5).astype(np.float32)
        clean = self._region(here)
        found = self._second.landmarks(square, self._true_region or clean)
        self._true_region = found.next_region
        seen, true, crops = [], [], []
        for number, damage in enumerate(self._damages):
            picture = damage.picture(square, self._rng)
            region = self._regions[number] or self._region(damage.points(here))
            view = self._first.landmarks(picture, region)
            self._regions[number] = view.next_region if view.score > 0.5 else None
            seen.append(view.points)
            true.append(damage.points(found.points))
            crops.append(mouth_crop(picture, mouth_frame(view.points), STORED_PX))
        self._rows.append((np.stack(seen), np.stack(true), np.stack(crops)))

    @staticmethod
    def _region(points: NDArray[np.float32]) -> Region:
        x, y = (points.min(axis=0) + points.max(axis=0)) / 2
        from heterodub.model.features.landmarks import eye_centres

        eyes = eye_centres(points)
        across = eyes[1] - eyes[0]
        side = 1.6 * float(np.ptp(points, axis=0).max())
        return Region(float(x), float(y - 0.1 * side), side, float(np.degrees(np.arctan2(across[1], across[0]))))

    def _start(self, window: Window, face_px: float) -> None:
        self._window = window
        side = min(_MOST_PX, window[2])
        face_px *= side / window[2]
        self._face_px = self._face_px or face_px
        if not self._damages or side != self._side:
            self._damages = [_drawn(kind, side, face_px, self._rng) for kind in DAMAGES]
        self._side = side
        self._regions, self._true_region = [None] * len(DAMAGES), None

    def finished(self, file: str, speaker: str, is_free: bool) -> Iterator[MouthClip]:
        if len(self._rows) >= _LEAST_FRAMES:
            seen, true, crops = (np.stack(part) for part in zip(*self._rows, strict=True))
            yield MouthClip(file, speaker, is_free, self._face_px, seen, true, crops)


def footage(folder: Path, bundle: Path, cache: Path) -> list[MouthClip]:
    """Read the clips of a corpus with a manifest.csv; what was read once is kept in `cache`."""
    reader = MouthReader(bundle)
    cache.mkdir(parents=True, exist_ok=True)
    with (folder / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if _is_wanted(row)]
    counts: Counter[str] = Counter()
    clips = []
    for number, row in enumerate(sorted(rows, key=lambda row: not _is_free(row))):
        is_free = _is_free(row)
        counts[row["speaker_id"]] += 1
        if counts[row["speaker_id"]] > (_FREE_FILES if is_free else _FILES):
            continue
        kept = cache / f"{row['file']}.npz"
        if not kept.exists():
            seconds = float(row["seconds"] or 0)
            step = 1 if seconds < 4 else 2
            began = time.process_time()
            made = list(reader.clips(folder / "media" / row["file"], row["speaker_id"], is_free, step, 250 if is_free else 75, number))
            print(row["file"], [len(one.crops_TDSS3) for one in made], round(time.process_time() - began, 1), flush=True)
            np.savez(kept, **{f"{k}.{part}": getattr(one, part) for k, one in enumerate(made) for part in _PARTS})
    return clips


_PARTS = ("face_px", "seen_TDPXY", "true_TDPXY", "crops_TDSS3")
_FREE_FILES = 9
_FILES = 2


def _is_free(row: dict[str, str]) -> bool:
    return row["redistribution"] == "ok" or row["redistribution"].startswith("probably ok")


def _is_wanted(row: dict[str, str]) -> bool:
    speaker = row["speaker_id"]
    return row["expected"] != "reject" and "__" not in row["file"] and "+" not in speaker and speaker != "none"
