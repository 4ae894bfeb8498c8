"""Segments of the output: the chosen face's tracks laid over the timeline, each with what stage 1 predicts for the
speech from the face's own head movement.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.dubbing.faces import Track, nth_face, reference_pictures, strength
from heterodub.model.dubbing.motion import SIGMAS, MouthTargets, Smoothing, Spoken, wanted_landmarks
from heterodub.model.dubbing.timing import OutputTimeline, at_times
from heterodub.model.evaluation.generator import reference_frames
from heterodub.model.features.landmarks import box
from heterodub.model.features.timing import frame_to_sample, frame_to_second, frames_around
from heterodub.model.stage1.features import prepare
from heterodub.model.stage1.inference import amplified, face_frames, predict
from heterodub.model.stage1.network import LandmarkGenerator
from heterodub.schemas.config.dubbing import DubSettings
from heterodub.schemas.config.settings import ClipSettings
from heterodub.tasks.dubbing.face_tracking import Followed
from heterodub.tasks.faces.window import Window, next_window
from heterodub.tasks.media.speech import SpeechSource
from heterodub.tasks.quality.senones import speech_features

_HIGHEST_RATE: Final = 240.0
"""Most pictures a second that low-passes assume: times may be too close to each other by mistake."""

_PIECE_FRAMES: Final = 1500
"""Frames at 25 fps that are predicted at once: a minute. Bounds memory, and changes nothing but where windows of
senone scores lie.
"""

_REFERENCE_SHARE: Final = 3
"""One of so many pictures of a track is a reference at most."""

_SOUND_FRAMES: Final = 4
"""Frames of sound around a piece, so that its first and last mel window contain what is there."""


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

    smoothing: low-passes of the landmarks. is_shown: False where the source's picture stays, since the dub failed.
    """

    face: Face
    first: int
    rows_N: NDArray[np.int64]
    times_N: NDArray[np.float64]
    spoken: Spoken
    smoothing: Smoothing
    is_shown: bool = True

    @property
    def stop(self) -> int:
        """One past its last output frame."""
        return self.first + len(self.rows_N)

    def window(self, frame: int) -> Window:
        """Window of the face in an output frame, counted from the start of the segment."""
        return self.face.windows[int(self.rows_N[frame])]

    def strength(self, frame: int) -> float:
        """Share of the dubbing that shows in a frame, 0..1."""
        return float(self.face.strength_T[int(self.rows_N[frame])]) if self.is_shown else 0.0

    def landmarks(self, frames: slice) -> MouthTargets:
        """Landmarks of some frames: as measured and as wanted."""
        low = max(0, frames.start - self.smoothing.reach)
        high = min(len(self.rows_N), frames.stop + self.smoothing.reach)
        measured = self.face.track.points_TPXY[self.rows_N[low:high]]
        inner = slice(frames.start - low, frames.stop - low)
        return wanted_landmarks(self.spoken, measured, self.times_N[low:high], inner, self.smoothing)


def speak(
    followed: Followed,
    timeline: OutputTimeline,
    number: int,
    speech: SpeechSource,
    generator: LandmarkGenerator,
    gain: float,
    settings: DubSettings,
    clips: ClipSettings,
) -> list[Segment]:
    """Predict the lips of a face for a speech: the segments of a dubbing, by time. number: of the face, see nth_face.
    gain: of the predicted movement.
    """
    segments = []
    for track in nth_face(followed.tracks, number):
        if track.usable.sum() < settings.least_tracked_frames:
            continue
        face = face_of(track, settings, clips)
        reference_RPXY = track.points_TPXY[reference_frames(track.usable, settings.references)]
        for first, stop in _spans(track, timeline):
            rows = timeline.source_N[first:stop] - track.first
            times = timeline.seconds(slice(first, stop))
            spoken = _predict_lips(generator, gain, speech, track.points_TPXY, rows, times, reference_RPXY)
            segments.append(Segment(face, first, rows, times, spoken, _smoothing(times, settings)))
    return sorted(segments, key=lambda segment: segment.first)


def covered_frames(followed: Followed, timeline: OutputTimeline, number: int) -> int:
    """Output frames in which something lies over the mouth of the face."""
    return sum(
        int(track.occluded_T[timeline.source_N[first:stop] - track.first].sum())
        for track in nth_face(followed.tracks, number)
        for first, stop in _spans(track, timeline)
    )


def face_of(track: Track, settings: DubSettings, clips: ClipSettings) -> Face:
    """Build the face of a track, independent of any speech. Of a short one, most pictures are no reference: those that
    are tell nothing of a dubbing's quality.
    """
    most = max(settings.references, int(track.usable.sum()) // _REFERENCE_SHARE)
    return Face(
        track,
        tuple(track.first + int(row) for row in reference_pictures(track, min(settings.appearance_frames, most))),
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
    visible = (timeline.source_N >= track.first) & (timeline.source_N < track.stop)
    begins = visible & ~(np.concatenate([[False], visible[:-1]]) & timeline.follows_N)
    starts = np.flatnonzero(begins)
    ends = np.flatnonzero(visible & np.concatenate([begins[1:] | ~visible[1:], [True]])) + 1
    return [(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]


def _smoothing(times_N: NDArray[np.float64], settings: DubSettings) -> Smoothing:
    if len(times_N) < 2:
        return Smoothing(0.0, 0.0)
    rate = min(1 / float(np.median(np.diff(times_N))), _HIGHEST_RATE)
    return Smoothing(settings.steady_s * rate, settings.placed_s * rate)


def _predict_lips(
    generator: LandmarkGenerator,
    gain: float,
    speech: SpeechSource,
    points_TPXY: NDArray[np.float32],
    rows_N: NDArray[np.int64],
    times_N: NDArray[np.float64],
    reference_RPXY: NDArray[np.float32],
) -> Spoken:
    """Predict the mouth's movement over a face's output frames.

    points_TPXY: (T, 216, 2) landmarks of a track, pixels; only the 116 pose points are used. rows_N: which of them
    each output frame shows. times_N: seconds of the output, on which the speech runs too. reference_RPXY: (R, 216, 2),
    reference frames of the same face.

    Raises: ValueError - landmarks that are not finite, or eyes on one place.
    """
    first, stop = frames_around(float(times_N[0]), float(times_N[-1]))
    around = generator.reach + round(SIGMAS * generator.architecture.pose_sigma_frames) + _SOUND_FRAMES
    reference = face_frames(reference_RPXY)
    pieces = []
    for start in range(first, stop, _PIECE_FRAMES):
        end = min(start + _PIECE_FRAMES, stop)
        low, high = start - around, end + around
        times = np.array([frame_to_second(frame) for frame in range(low, high)])
        landmarks = _around(points_TPXY, rows_N, times_N, times)
        samples = speech.samples(frame_to_sample(low), frame_to_sample(high - low))
        features = speech_features(samples, high - low, generator.architecture.speech_width)
        clip = prepare(features, landmarks, np.ones(high - low, bool), generator.architecture.pose_sigma_frames)
        pieces.append(predict(generator, clip, reference)[around : around + end - start].astype(np.float32))
    points = amplified(np.concatenate(pieces).astype(np.float64), gain).astype(np.float32)
    return Spoken(points, np.array([frame_to_second(frame) for frame in range(first, stop)]))


def _around(
    points_TPXY: NDArray[np.float32],
    rows_N: NDArray[np.int64],
    times_N: NDArray[np.float64],
    times: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Interpolate landmarks at 25 fps from the output frames around these times."""
    low = min(max(0, int(np.searchsorted(times_N, times[0])) - 1), len(times_N) - 1)
    high = max(int(np.searchsorted(times_N, times[-1])) + 1, low + 1)
    return at_times(points_TPXY[rows_N[low:high]], times_N[low:high], times)
