"""All signals of one clip: a number each, or null with its cause."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.landmarks import POSE, box, interocular, mouth_opening
from heterodub.model.features.timing import frame_to_second
from heterodub.schemas.config.settings import ClipSettings
from heterodub.schemas.reasons import MissingCause
from heterodub.schemas.records import Measurements
from heterodub.schemas.signals import SIGNAL_NAMES, SIGNALS, SignalGroup
from heterodub.tasks.quality.av_sync import AvSync, measure_av_sync
from heterodub.tasks.quality.picture import FacePicture
from heterodub.tasks.quality.sound import measure_sound
from heterodub.tasks.quality.speaking import SeenFace, compare_faces

SOUND_SIGNALS = tuple(signal.name for signal in SIGNALS if signal.group is SignalGroup.SOUND)
AV_SYNC_SIGNALS = tuple(signal.name for signal in SIGNALS if signal.group is SignalGroup.AV_SYNC)
_OF_ONE_FACE = ("av_sync_score", "av_sync_corr", "av_sync_offset_frames", "speech_motion_ratio")

_LEAST_SOUND_SHARE = 0.5
"""A clip of which less than this share lies inside the recorded sound is a clip without sound."""

_JITTER_SPAN_FRAMES = 6
"""Frames that three neighbours may span: three pictures of a GIF with 10 a second still show trembling."""


@dataclass(frozen=True, slots=True, eq=False)
class OtherFace:
    """Another face of comparable size on screen: landmarks (T, 216, 2) px, and the frames (T,) in which it is seen."""

    points: NDArray[np.float32]
    seen: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class FaceTrack:
    """Per-frame facts of a clip, all of length T: landmarks (T, 216, 2) px, and measurements of each frame."""

    points: NDArray[np.float32]
    tracked: NDArray[np.bool_]
    score: NDArray[np.float32]
    angles: NDArray[np.float32]  # (T, 3) yaw, pitch, roll in degrees
    others: tuple[OtherFace, ...]
    is_new: NDArray[np.bool_]
    is_still: NDArray[np.bool_]
    is_combed: NDArray[np.bool_]
    occluded: NDArray[np.bool_]
    looks: tuple[FacePicture, ...]

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Frames whose mouth is known (T,): the face is tracked and nothing lies over the mouth."""
        return self.tracked & ~self.occluded

    @property
    def crowded(self) -> NDArray[np.bool_]:
        """Frames with another face (T,)."""
        crowded = np.zeros(len(self.points), bool)
        for other in self.others:
            crowded |= other.seen
        return crowded


@dataclass(frozen=True, slots=True, eq=False)
class ClipSound:
    """The sound of a clip: samples (640 * T,) at 16 kHz, its log-mel (4T, 80), or why there is none."""

    samples: NDArray[np.float32] | None
    mel: NDArray[np.float32] | None
    covered: float
    clipping_share: float
    absent: MissingCause | None


def measure_clip(face: FaceTrack, sound: ClipSound, clips: ClipSettings) -> Measurements:
    """Measure every signal of heterodub.schemas.signals for one clip."""
    values: dict[str, float | None] = dict.fromkeys(SIGNAL_NAMES)
    missing: dict[str, MissingCause] = {}
    values |= _face_signals(face)
    values |= _look_signals(face.looks)
    if values["landmark_jitter"] is None:
        missing["landmark_jitter"] = MissingCause.TOO_SHORT
    if not face.looks:
        missing |= {name: MissingCause.NO_FACE_FRAMES for name in _look_signals(()) if values[name] is None}
    absent = sound.absent or (MissingCause.NO_SOUND_IN_CLIP if sound.covered < _LEAST_SOUND_SHARE else None)
    if absent or sound.samples is None or sound.mel is None:
        cause = absent or MissingCause.NO_SOUND_STREAM
        return Measurements(values, missing | dict.fromkeys((*SOUND_SIGNALS, *AV_SYNC_SIGNALS), cause))
    sound_values, causes, speech = measure_sound(
        sound.samples, sound.clipping_share, clips.dnsmos_excerpt_s, clips.dnsmos_below_snr_db
    )
    sync = measure_av_sync(face.points, face.usable, sound.mel, speech)
    paired, av_sync_causes = _av_sync_signals(sync)
    values |= sound_values | paired
    others = [SeenFace(other.points, other.seen) for other in face.others]
    comparison = compare_faces(SeenFace(face.points, face.usable), others, sound.mel)
    values |= {"undecided_share": comparison.undecided_share, "speaking_margin": comparison.margin}
    if comparison.margin is None:
        missing["speaking_margin"] = MissingCause.TOO_SHORT if others else MissingCause.ONLY_FACE
    return Measurements(values, missing | causes | av_sync_causes)


def _av_sync_signals(sync: AvSync | MissingCause) -> tuple[dict[str, float | None], dict[str, MissingCause]]:
    if isinstance(sync, MissingCause):
        return dict.fromkeys(_OF_ONE_FACE), dict.fromkeys(_OF_ONE_FACE, sync)
    values: dict[str, float | None] = {
        "av_sync_score": sync.score,
        "av_sync_corr": sync.correlation,
        "av_sync_offset_frames": float(sync.offset_frames),
        "speech_motion_ratio": sync.speech_motion_ratio,
    }
    causes = {} if sync.speech_motion_ratio is not None else {"speech_motion_ratio": MissingCause.NO_PAUSE}
    return values, causes


def _face_signals(face: FaceTrack) -> dict[str, float | None]:
    good = face.points[face.usable] if face.usable.any() else face.points
    _, top, _, bottom = np.moveaxis(box(good), -1, 0)
    eyes = interocular(good)
    opening = mouth_opening(good)
    distinct = face.is_new & ~face.is_still
    new = int(face.is_new[1:].sum())
    return {
        "face_height_px": float(np.median(bottom - top)),
        "interocular_px": float(np.median(eyes)),
        "face_share": float(face.tracked.mean()),
        "mesh_score": float(np.median(face.score)),
        "mouth_visibility": float(face.usable.sum() / max(1, face.tracked.sum())),
        "faces_share": float(face.crowded.mean()),
        "undecided_share": float(face.crowded.mean()),
        "landmark_jitter": _jitter(face.points, face.tracked & face.is_new),
        "mouth_motion": float(np.subtract(*np.percentile(opening, [95, 5]))),
        "yaw_deg": float(np.median(np.abs(face.angles[:, 0]))),
        "pitch_deg": float(np.median(np.abs(face.angles[:, 1]))),
        "roll_deg": float(np.median(np.abs(face.angles[:, 2]))),
        "distinct_fps": float(distinct[1:].sum() / frame_to_second(max(1, len(distinct) - 1))),
        "interlace": float(face.is_combed.mean()),
        "frozen_share": float(face.is_still[1:].sum() / new) if new else 1.0,
    }


def _jitter(points: NDArray[np.float32], usable: NDArray[np.bool_]) -> float | None:
    """Median distance of a pose point from the mean of its neighbours in time, over the interocular distance.

    Smooth head movement cancels out; what is left is trembling. Neighbours are the usable frames before and after,
    repeats left out, as long as they are near; None when no frame has both.
    """
    frames = np.flatnonzero(usable)
    near = frames[2:] - frames[:-2] <= _JITTER_SPAN_FRAMES
    if not near.any():
        return None
    pose = points[frames][:, POSE]
    residual = np.linalg.norm(pose[1:-1] - (pose[:-2] + pose[2:]) / 2, axis=-1).mean(axis=-1)
    return float(np.median((residual / interocular(points[frames])[1:-1])[near]))


def _look_signals(looks: tuple[FacePicture, ...]) -> dict[str, float | None]:
    names = ("sharpness", "blockiness", "colourfulness", "brightness", "dark_share", "bright_share")
    if not looks:
        return dict.fromkeys(names)
    return {name: float(np.median([getattr(look, name) for look in looks])) for name in names}
