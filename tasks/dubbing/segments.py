"""Segments of the output: the tracks of the faces that speak laid over the timeline, each with what stage 1 predicts
for the speech from the face's own head movement.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from heterodub.model.dubbing.faces import Track, reference_pictures, strength
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
from heterodub.tasks.faces.window import Window, next_window
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


class VoiceSource(Protocol):
    """Speech that stage 1 hears: 16 kHz mono on the output's clock."""

    def samples(self, start: int, count: int) -> NDArray[np.float32]:
        """(count,) float32 from a sample on; zeros where there is no speech."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class FaceLine:
    """Words of one person, and the tracks of their face, one at a time. frames: of the output, in which it shows;
    None: all. There it fades in and out, since the face goes on with the source's mouth.
    """

    tracks: Sequence[Track]
    voice: VoiceSource
    frames: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Consecutive output frames that show one face. rows_N: number of each frame's picture within the track.

    shown_N: share of the dubbing that shows in each frame, 0..1. smoothing: low-passes of the landmarks. voice: the
    words of the face. is_shown: False where the source's picture stays, for the dub failed.
    """

    face: Face
    first: int
    rows_N: NDArray[np.int64]
    times_N: NDArray[np.float64]
    shown_N: NDArray[np.float32]
    spoken: Spoken
    smoothing: Smoothing
    voice: VoiceSource
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
        return float(self.shown_N[frame]) if self.is_shown else 0.0

    def landmarks(self, frames: slice) -> MouthTargets:
        """Landmarks of some frames: as measured and as wanted."""
        low = max(0, frames.start - self.smoothing.reach)
        high = min(len(self.rows_N), frames.stop + self.smoothing.reach)
        measured = self.face.track.points_TPXY[self.rows_N[low:high]]
        inner = slice(frames.start - low, frames.stop - low)
        return wanted_landmarks(self.spoken, measured, self.times_N[low:high], inner, self.smoothing)


def speak(
    lines: Sequence[FaceLine],
    timeline: OutputTimeline,
    generator: LandmarkGenerator,
    gain: float,
    settings: DubSettings,
    clips: ClipSettings,
) -> list[Segment]:
    """Predict the lips of the faces that speak: the segments of a dubbing, by time. gain: of the predicted movement."""
    faces: dict[Track, Face] = {}
    segments = []
    for line in lines:
        at = 0
        for track, first, stop in sorted(_shown(line, timeline), key=lambda shown: shown[1]):
            if track.usable.sum() < settings.least_tracked_frames:
                continue
            face = faces.setdefault(track, face_of(track, settings, clips))
            rows = timeline.source_N[first:stop] - track.first
            times = timeline.seconds(slice(first, stop))
            shown = face.strength_T[rows] * _fading(track, first, stop, line, timeline, settings.fade_frames)
            shown[: max(0, at - first)] = 0  # tracks of two shots may overlap: the earlier one goes on to its end
            at = max(at, stop)
            reference_RPXY = track.points_TPXY[reference_frames(track.usable, settings.references)]
            spoken = _predict_lips(generator, gain, line.voice, track.points_TPXY, rows, times, reference_RPXY)
            segments.append(Segment(face, first, rows, times, shown, spoken, _smoothing(times, settings), line.voice))
    return sorted(segments, key=lambda segment: segment.first)


def covered_frames(lines: Sequence[FaceLine], timeline: OutputTimeline) -> int:
    """Output frames in which something lies over the mouth of a face that speaks."""
    covered = np.zeros(timeline.frames, bool)
    for line in lines:
        for track, first, stop in _shown(line, timeline):
            covered[first:stop] |= track.occluded_T[timeline.source_N[first:stop] - track.first]
    return int(covered.sum())


def _shown(line: FaceLine, timeline: OutputTimeline) -> Iterator[tuple[Track, int, int]]:
    """Yield the tracks of a line with the half-open ranges of output frames that show them."""
    begins, ends = line.frames or (0, timeline.frames)
    for track in line.tracks:
        for first, stop in _spans(track, timeline):
            if max(first, begins) < min(stop, ends):
                yield track, max(first, begins), min(stop, ends)


def _fading(
    track: Track, first: int, stop: int, line: FaceLine, timeline: OutputTimeline, fade_frames: int
) -> NDArray[np.float32]:
    """Return the share of the dubbing by place within the line: 1 but for where the line begins and ends in sight."""
    share = np.ones(stop - first, np.float32)
    begins, ends = line.frames or (0, timeline.frames)
    rising = np.arange(1, stop - first + 1, dtype=np.float32) / (fade_frames + 1)
    if first == begins > 0 and timeline.source_N[first - 1] >= track.first:
        share = np.minimum(share, rising)
    if stop == ends < timeline.frames and timeline.source_N[stop] < track.stop:
        share = np.minimum(share, rising[::-1])
    return share


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
    voice: VoiceSource,
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
        samples = voice.samples(frame_to_sample(low), frame_to_sample(high - low))
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
