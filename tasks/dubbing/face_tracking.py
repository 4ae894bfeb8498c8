"""First pass: tracking of every face of the film from picture to picture, at the film's own rate.

Only landmarks are kept, 1.7 kB a face and picture, and nine small pictures of each face a second, 3 kB each: 240 MB
an hour of one face at 25 pictures a second.
"""

from array import array
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.dubbing.faces import Track
from heterodub.schemas.config.settings import ClipSettings
from heterodub.tasks.dubbing.passes import PassMonitor, ahead
from heterodub.tasks.faces.backend import LandmarkBackend
from heterodub.tasks.faces.breaks import between, breaks
from heterodub.tasks.faces.occlusion import mouth_occluded
from heterodub.tasks.faces.patches import FacePatches
from heterodub.tasks.faces.tracker import FaceObservation, FaceTracker
from heterodub.tasks.media.canvas import Canvas
from heterodub.tasks.media.decode import Frame
from heterodub.tasks.media.shots import with_cuts
from heterodub.tasks.media.source_video import SourceVideo
from heterodub.tasks.media.transitions import TransitionFinder

_BLOCK: Final = 512
"""Pictures in a block of points, 0.9 MB."""

_PATCHES: Final = 24
"""Patches of a track that are kept, 72 kB."""


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """Result of the first pass. ticks_S: times of the film's pictures. last_lasts: duration of the last, in ticks.

    patches: some of each track, to tell people apart.
    """

    base: Fraction
    ticks_S: NDArray[np.int64]
    last_lasts: int
    tracks: list[Track]
    patches: Mapping[Track, FacePatches] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Length of the picture."""
        return float((int(self.ticks_S[-1]) + self.last_lasts) * self.base)


class _Growing:
    """A track that is still growing. Points go into blocks: small arrays kept between the large ones of each picture
    keep the heap from shrinking (measured: 25 kB a picture in place of 2).
    """

    def __init__(self, shot: int, first: int) -> None:
        self._shot, self._first, self._count = shot, first, 0
        self._blocks: list[NDArray[np.float32]] = []
        self._tracked, self._yaw = bytearray(), array("f")
        self._patches = FacePatches()

    def add(self, face: FaceObservation, frame: Frame) -> None:
        """Add the face in the next picture."""
        at = self._count % _BLOCK
        if at == 0:
            self._blocks.append(np.empty((_BLOCK, *face.points.shape), np.float32))
        self._blocks[-1][at] = face.points
        self._tracked.append(face.tracked)
        self._yaw.append(face.yaw)
        self._patches.add(self._count, frame.source_s, frame.rgb, face)
        self._count += 1

    def tracks(self, transitions: TransitionFinder) -> Iterator[tuple[Track, FacePatches]]:
        """Yield the track, cut where a transition or another person shows, without the pictures at the end of each
        part in which the face was lost; and patches of it.
        """
        points = np.concatenate(self._blocks)[: self._count]
        tracked = np.frombuffer(bytes(self._tracked), np.bool_)
        yaw = np.array(self._yaw, np.float32)
        broken = breaks(self._patches, self._first, self._count, transitions.found)
        for first, stop in between(broken, self._count):
            shot, part = self._shot + transitions.shots_before(self._first + first), slice(first, stop)
            patches = self._patches.between(first, stop)
            occluded = mouth_occluded(patches, stop - first)
            track = Track(shot, self._first + first, points[part], tracked[part], occluded, yaw[part])
            yield track.without_lost_tail(), patches.thinned(_PATCHES)


def follow(
    film: SourceVideo,
    canvas: Canvas,
    backend: LandmarkBackend,
    clips: ClipSettings,
    least_frames: int,
    monitor: PassMonitor,
    most_s: float | None = None,
) -> Followed:
    """Follow the faces of a film. least_frames: tracks with fewer tracked pictures are dropped. most_s: only the
    film's first seconds.

    Raises: MediaRefusedError - see SourceVideo.pictures.
    """
    tracker, times, shot = FaceTracker(backend, clips), _Times(), 0
    transitions = TransitionFinder()
    growing: dict[int, _Growing] = {}
    grown: list[_Growing] = []
    frames = with_cuts(_frames(film, canvas, monitor, most_s, times), clips.cut_threshold)
    with closing(ahead(monitor.over("shot cuts", frames))) as stream:
        for frame, small, starts_shot in stream:
            shot += starts_shot
            with monitor("shot cuts"):
                transitions.add(frame.index, frame.source_s, small)
            with monitor("faces"):
                faces = tracker.step(frame.rgb, starts_shot)
                grown += [growing.pop(lost) for lost in sorted(set(growing) - {face.track for face in faces})]
                for face in faces:
                    growing.setdefault(face.track, _Growing(shot, frame.index)).add(face, frame)
            monitor.progress.advance()
    grown += growing.values()
    patches: dict[Track, FacePatches] = {}
    with monitor("faces"):
        while grown:  # each is freed as soon as it is copied
            cut = grown.pop(0).tracks(transitions)
            patches |= {track: some for track, some in cut if track.tracked_T.sum() >= least_frames}
    return Followed(film.base(), np.array(times.ticks, np.int64), times.last_lasts, list(patches), patches)


@dataclass(slots=True)
class _Times:
    """Ticks of the pictures so far, and the duration of the last one in ticks."""

    ticks: list[int] = field(default_factory=list)
    last_lasts: int = 1


def _frames(
    film: SourceVideo, canvas: Canvas, monitor: PassMonitor, most_s: float | None, times: _Times
) -> Iterator[Frame]:
    """Yield the film's pictures in RGB; their times are noted as they are read."""
    base_s = float(film.base())
    for picture in monitor.over("decode", film.pictures()):
        if most_s is not None and picture.tick * base_s > most_s:
            return
        times.ticks.append(picture.tick)
        times.last_lasts = picture.lasts
        with monitor("colours"):
            rgb = canvas.rgb(picture.frame, picture.geometry)
        yield Frame(picture.index, rgb, picture.index, picture.tick * base_s, False, picture.geometry)
