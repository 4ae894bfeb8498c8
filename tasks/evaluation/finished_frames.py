"""Frames of a finished file beside the dubbing's plan, with the dubbed faces found in them again.

The same tracker as in the first pass finds them, in the whole picture: it knows nothing of where lips were wanted.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heterodub.model.dubbing.timing import OutputTimeline
from heterodub.model.features.arrays import Rgb
from heterodub.model.features.landmarks import box
from heterodub.schemas.config.settings import ClipSettings
from heterodub.schemas.errors import DubbingError
from heterodub.tasks.dubbing.passes import PassMonitor
from heterodub.tasks.dubbing.segments import Segment
from heterodub.tasks.faces.backend import LandmarkBackend
from heterodub.tasks.faces.region import distance
from heterodub.tasks.faces.tracker import SAME_DISTANCE, FaceObservation, FaceTracker
from heterodub.tasks.media.canvas import Canvas
from heterodub.tasks.media.source_video import SourceVideo


@dataclass(frozen=True, slots=True, eq=False)
class FinishedFrame:
    """A frame of the finished file. time_s: by its own clock. found: landmarks (216, 2) in pixels by segment, None
    where the face is not found.
    """

    number: int
    time_s: float
    rgb: Rgb
    found: dict[Segment, NDArray[np.float32] | None]


def finished_frames(
    film: SourceVideo,
    segments: Sequence[Segment],
    timeline: OutputTimeline,
    backend: LandmarkBackend,
    clips: ClipSettings,
    monitor: PassMonitor,
    section_frames: int,
    numbers: range | None = None,
) -> Generator[FinishedFrame]:
    """Yield every frame of a finished file. segments: by time; outside of them no face is looked for. section_frames:
    the search for faces begins anew after so many frames. numbers: of the wanted frames, from the start of a section
    on; else all.

    Raises: DubbingError - it has other frames than the dubbing. MediaRefusedError - it cannot be read.
    """
    known = clips.model_copy(update={"detect_every_frames": section_frames})  # faces that come later are nobody's
    canvas, tracker, base_s = Canvas(film.look()), FaceTracker(backend, known), float(film.base())
    wanted = numbers or range(timeline.frames)
    waiting, active = [segment for segment in segments if segment.stop > wanted.start], list[Segment]()
    count = 0
    for picture in monitor.over("decode output", film.pictures()):
        if count < wanted.start:
            count += 1
            continue
        if count == wanted.stop < timeline.frames:
            return
        active = [segment for segment in active if segment.stop > count]
        begins = [segment for segment in waiting if segment.first <= count]
        waiting = waiting[len(begins) :]
        active += begins
        with monitor("colours of output"):
            rgb = canvas.rgb(picture.frame, picture.geometry)
        faces: list[FaceObservation] = []
        if active:
            with monitor("faces of output"):
                faces = tracker.step(rgb, cut=bool(begins) or count % section_frames == 0)
        found = {segment: _nearest(faces, segment, count - segment.first) for segment in active}
        yield FinishedFrame(count, picture.tick * base_s, rgb, found)
        count += 1
    if count != timeline.frames:
        raise DubbingError(
            f"{film.path} has {count} frames where the job gives {timeline.frames}: it was made of another video, "
            f"speech or length"
        )


def _nearest(faces: Sequence[FaceObservation], segment: Segment, row: int) -> NDArray[np.float32] | None:
    """Return the landmarks of the tracked face that lies where the segment's face is in the source, if there is one."""
    there = _box(segment.face.track.points_TPXY[segment.rows_N[row]])
    near = [(distance(_box(face.points), there), face.points) for face in faces if face.tracked]
    apart, points = min(near, key=lambda one: one[0], default=(np.inf, None))
    return points if apart < SAME_DISTANCE else None


def _box(points_PXY: NDArray[np.float32]) -> tuple[float, float, float, float]:
    left, top, right, bottom = box(points_PXY).tolist()
    return left, top, right, bottom
