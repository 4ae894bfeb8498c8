"""Every signal measured on a clip: its name, unit and meaning. Tables, routing, report and docs read this list."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class SignalGroup(StrEnum):
    """Subject of a signal."""

    PICTURE = "picture"
    SOUND = "sound"
    AV_SYNC = "sync"


@dataclass(frozen=True, slots=True)
class Signal:
    """One number per clip. `unit` is "1" for a pure number or share."""

    name: str
    unit: str
    group: SignalGroup
    meaning: str


_P, _S, _X = SignalGroup.PICTURE, SignalGroup.SOUND, SignalGroup.AV_SYNC

SIGNALS: Final[tuple[Signal, ...]] = (
    Signal("face_height_px", "px", _P, "median height of the landmark box, brows to chin, in source pixels"),
    Signal("interocular_px", "px", _P, "median distance between the eye centres in source pixels"),
    Signal("face_share", "1", _P, "share of frames in which this face was tracked with a good mesh score"),
    Signal("mesh_score", "1", _P, "median probability the mesh (v1 for both meshes) gives to 'there is a face here'"),
    Signal("mouth_visibility", "1", _P, "share of tracked frames in which nothing lies over the mouth"),
    Signal("faces_share", "1", _P, "share of frames with another face of comparable size on screen"),
    Signal("undecided_share", "1", _P, "share of frames with such another face that may be the one who speaks"),
    Signal("landmark_jitter", "1", _P, "frame-to-frame trembling of the pose landmarks over the interocular distance"),
    Signal("mouth_motion", "1", _P, "spread (5 to 95 %) of the mouth opening over the interocular distance"),
    Signal("yaw_deg", "deg", _P, "median absolute turn of the head, left or right"),
    Signal("pitch_deg", "deg", _P, "median absolute nod of the head"),
    Signal("roll_deg", "deg", _P, "median absolute tilt of the head"),
    Signal("sharpness", "1", _P, "detail of the face crop at a fixed size against a blurred copy of itself"),
    Signal(
        "blockiness", "1", _P, "visible luma steps across the codec's 8-pixel grid against steps inside it; 1 is none"
    ),
    Signal("colourfulness", "1", _P, "Hasler-Suesstrunk colourfulness of the face crop; grey is near 0"),
    Signal("brightness", "1", _P, "median luma of the face, 0 black to 1 white"),
    Signal("dark_share", "1", _P, "share of face pixels that are crushed to black"),
    Signal("bright_share", "1", _P, "share of face pixels that are blown out"),
    Signal("distinct_fps", "1/s", _P, "different source frames a second, repeats not counted"),
    Signal("frozen_share", "1", _P, "share of source frames that equal the frame before"),
    Signal("interlace", "1", _P, "share of frames that are combed as they are stored; deinterlaced ones are not"),
    Signal("level_dbfs", "dBFS", _S, "RMS level of the clip's sound"),
    Signal("speech_share", "1", _S, "share of the clip that the voice detector calls speech"),
    Signal("speech_s", "s", _S, "seconds of the clip that the voice detector calls speech"),
    Signal("snr_db", "dB", _S, "level of speech over the level between and under it"),
    Signal("clipping_share", "1", _S, "share of 40 ms pieces whose peaks are flat at full scale"),
    Signal("bandwidth_hz", "Hz", _S, "highest frequency that still carries sound of the clip"),
    Signal("dnsmos_sig", "MOS", _S, "DNSMOS opinion of the speech itself, 1 to 5, on a bounded excerpt"),
    Signal("dnsmos_bak", "MOS", _S, "DNSMOS opinion of the background, 1 intrusive to 5 not noticed; music shows here"),
    Signal("dnsmos_ovrl", "MOS", _S, "DNSMOS opinion overall"),
    Signal("av_sync_score", "1", _X, "how far the sound's fit to the mouth stands out from its fit at false times (z)"),
    Signal("av_sync_corr", "1", _X, "likeness of mouth and sound to the sync network at the best offset, -1 to 1"),
    Signal("av_sync_offset_frames", "frames", _X, "frames by which the sound comes late (+) or early (-), best fit"),
    Signal("speaking_margin", "1", _X, "how far the fit of the sound to this mouth is above that to any other (z)"),
    Signal("speech_motion_ratio", "1", _X, "mouth movement during speech over movement in pauses"),
)

SIGNAL_NAMES: Final[tuple[str, ...]] = tuple(signal.name for signal in SIGNALS)
BY_NAME: Final[dict[str, Signal]] = {signal.name: signal for signal in SIGNALS}
