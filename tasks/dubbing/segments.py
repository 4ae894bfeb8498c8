"""Segments of the output: the chosen face's tracks laid over the timeline, each with its speech."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.dubbing.faces import Track, nth_face, reference_pictures, strength
from model.dubbing.motion import MouthTargets, Smoothing, Spoken, wanted_landmarks
from model.dubbing.timing import OutputTimeline
from model.evaluation.generator import reference_frames
from model.features.landmarks import box
from model.stage1.network import LandmarkGenerator
from schemas.cards import GeneratorCard
from schemas.config.dubbing import DubSettings
from schemas.config.settings import ClipSettings
from tasks.dubbing.face_tracking import Followed
from tasks.dubbing.predict_lips import predict_lips
from tasks.dubbing.speech import SpeechSource
from tasks.faces.window import Window, next_window

_HIGHEST_RATE: Final = 240.0
"""Most pictures a second that low-passes assume: times may be too close to each other by mistake."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A track that is dubbed. references: numbers of the source pictures that show it to the translator.

    windows: of each picture of the track. strength_T: how far the dubbing shows in it, 0..1.
    """

    track: Track
    references: tuple[int, ...]
    windows: tuple[Window, ...]
    strength_T: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Consecutive output frames that show one face. rows_N: number of each frame's picture within the track.

    smoothing: low-passes of the landmarks.
    """

    face: Face
    first: int
    rows_N: NDArray[np.int64]
    times_N: NDArray[np.float64]
    spoken: Spoken
    smoothing: Smoothing

    @property
    def stop(self) -> int:
        """One past its last output frame."""
        return self.first + len(self.rows_N)

    def window(self, frame: int) -> Window:
        """Window of the face in an output frame, counted from the start of the segment."""
        return self.face.windows[int(self.rows_N[frame])]

    def strength(self, frame: int) -> float:
        """Share of the dubbing that shows in a frame, 0..1."""
        return float(self.face.strength_T[int(self.rows_N[frame])])

    def landmarks(self, frames: slice) -> MouthTargets:
        """Landmarks of some frames: as measured and as wanted."""
        low = max(0, frames.start - self.smoothing.reach)
        high = min(len(self.rows_N), frames.stop + self.smoothing.reach)
        measured = self.face.track.points_TPXY[self.rows_N[low:high]]
        inner = slice(frames.start - low, frames.stop - low)
        return wanted_landmarks(self.spoken, measured, self.times_N[low:high], inner, self.smoothing)


def lay_out(
    followed: Followed,
    timeline: OutputTimeline,
    number: int,
    speech: SpeechSource,
    generator: LandmarkGenerator,
    card: GeneratorCard,
    settings: DubSettings,
    clips: ClipSettings,
) -> list[Segment]:
    """Build the segments of a dubbing, by time. number: of the face, see model.dubbing.faces.nth_face."""
    parts = []
    for track in nth_face(followed.tracks, number):
        if track.usable.sum() < settings.least_tracked_frames:
            continue
        face = face_of(track, settings, clips)
        reference_RPXY = track.points_TPXY[reference_frames(track.usable, settings.references)]
        for first, stop in _spans(track, timeline):
            rows = timeline.source_N[first:stop] - track.first
            times = timeline.seconds(slice(first, stop))
            spoken = predict_lips(generator, card.gain, speech, track.points_TPXY, rows, times, reference_RPXY)
            parts.append(Segment(face, first, rows, times, spoken, _smoothing(times, settings)))
    return sorted(parts, key=lambda part: part.first)


def covered_frames(followed: Followed, timeline: OutputTimeline, number: int) -> int:
    """Output frames in which something lies over the mouth of the face."""
    return sum(
        int(track.occluded_T[timeline.source_N[first:stop] - track.first].sum())
        for track in nth_face(followed.tracks, number)
        for first, stop in _spans(track, timeline)
    )


def face_of(track: Track, settings: DubSettings, clips: ClipSettings) -> Face:
    """Build the face of a track, independent of any speech."""
    return Face(
        track,
        tuple(track.first + int(row) for row in reference_pictures(track, settings.references)),
        _windows(track, clips.crop_margin),
        strength(track, settings.max_yaw_deg, settings.fade_frames),
    )


def _windows(track: Track, margin: float) -> tuple[Window, ...]:
    windows: list[Window] = []
    for left, top, right, bottom in box(track.points_TPXY).tolist():
        windows.append(next_window(windows[-1] if windows else None, (left, top, right, bottom), margin))
    return tuple(windows)


def _spans(track: Track, timeline: OutputTimeline) -> list[tuple[int, int]]:
    """Half-open ranges of output frames that show the track without a break."""
    shown = (timeline.source_N >= track.first) & (timeline.source_N < track.stop)
    begins = shown & ~(np.concatenate([[False], shown[:-1]]) & timeline.follows_N)
    starts = np.flatnonzero(begins)
    ends = np.flatnonzero(shown & np.concatenate([begins[1:] | ~shown[1:], [True]])) + 1
    return [(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]


def _smoothing(times_N: NDArray[np.float64], settings: DubSettings) -> Smoothing:
    if len(times_N) < 2:
        return Smoothing(0.0, 0.0)
    rate = min(1 / float(np.median(np.diff(times_N))), _HIGHEST_RATE)
    return Smoothing(settings.steady_s * rate, settings.placed_s * rate)
