"""The first pass: every face of the film followed from picture to picture, at the film's own rate.

Only landmarks are kept: 1.7 kB a face and picture, 156 MB an hour of one face at 25 pictures a second.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from model.dubbing.faces import Track
from schemas.settings import ClipSettings
from tasks.dubbing.source import Canvas, Film
from tasks.dubbing.watching import Stopwatch
from tasks.faces.backend import LandmarkBackend
from tasks.faces.tracker import FaceObservation, FaceTracker
from tasks.media.decode import Frame
from tasks.media.shots import with_cuts


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """What the first pass found. ticks_S: times of the film's pictures. last_lasts: ticks that the last one stands."""

    base: Fraction
    ticks_S: NDArray[np.int64]
    last_lasts: int
    tracks: list[Track]

    @property
    def seconds(self) -> float:
        """Length of the picture."""
        return float((int(self.ticks_S[-1]) + self.last_lasts) * self.base)


@dataclass(slots=True)
class _Growing:
    shot: int
    first: int
    points: list[NDArray[np.float32]] = field(default_factory=list)
    tracked: list[bool] = field(default_factory=list)
    yaw: list[float] = field(default_factory=list)

    def add(self, face: FaceObservation) -> None:
        self.points.append(face.points)
        self.tracked.append(face.tracked)
        self.yaw.append(face.yaw)

    def track(self) -> Track:
        return Track(
            self.shot, self.first, np.stack(self.points), np.array(self.tracked), np.array(self.yaw, np.float32)
        ).without_lost_tail()


def follow(
    film: Film,
    canvas: Canvas,
    backend: LandmarkBackend,
    clips: ClipSettings,
    least_frames: int,
    stopwatch: Stopwatch,
    step: Callable[[], None],
    most_s: float | None = None,
) -> Followed:
    """Follow the faces of a film. least_frames: tracks with fewer tracked pictures are dropped. step: called for each
    picture. most_s: only the film's first seconds.

    Raises: MediaRefusedError - see Film.pictures.
    """
    tracker = FaceTracker(backend, clips)
    growing: dict[int, _Growing] = {}
    tracks: list[Track] = []
    ticks: list[int] = []
    lasts = 1
    shot = 0

    def frames() -> Iterator[Frame]:
        nonlocal lasts
        base_s = float(film.base())
        for picture in stopwatch.over("decode", film.pictures()):
            if most_s is not None and picture.tick * base_s > most_s:
                return
            ticks.append(picture.tick)
            lasts = picture.lasts
            with stopwatch("colours"):
                rgb = canvas.rgb(picture.frame)
            yield Frame(picture.index, rgb, picture.index, picture.tick * base_s, False)

    def close(number: int) -> None:
        track = growing.pop(number).track()
        if track.tracked_T.sum() >= least_frames:
            tracks.append(track)

    for frame, _, starts_shot in stopwatch.over("shot cuts", with_cuts(frames(), clips.cut_threshold)):
        shot += starts_shot
        with stopwatch("faces"):
            faces = tracker.step(frame.rgb, starts_shot)
        for gone in set(growing) - {face.track for face in faces}:
            close(gone)
        for face in faces:
            growing.setdefault(face.track, _Growing(shot, frame.index)).add(face)
        step()
    for number in list(growing):
        close(number)
    return Followed(film.base(), np.array(ticks, np.int64), lasts, tracks)
