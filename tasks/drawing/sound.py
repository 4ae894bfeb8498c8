"""The sound of a stored clip, for people: from the raw file, and from the stored mel when that cannot be read."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.features.timing import frame_to_sample, frame_to_second, mel_columns
from schemas.contract import MEL_BANDS, MEL_HOP_SAMPLES, MEL_WINDOW_SAMPLES, SAMPLE_RATE_HZ
from schemas.errors import MediaRefusedError
from schemas.reasons import MissingCause
from schemas.settings import GuardSettings
from tasks.extract.isolation import Isolated
from tasks.media.decode import open_video
from tasks.media.locate import fingerprint, localise
from tasks.media.probe import probe
from tasks.media.sniff import sniff
from tasks.media.sound import open_sound

_FILE_LIMIT_S: Final = 60.0
"""A film for people is not worth more than this; the mel serves, too."""

_ROUNDS: Final = 32
"""Of Griffin-Lim: more are not heard."""


@dataclass(frozen=True, slots=True)
class ClipPlace:
    """Where a clip's sound is: columns of `clips`, `catalog` (offset_s and the streams) and `stage1`
    (sound_shift_frames).
    """

    uri: str
    media_id: str
    start_frame: int
    frames: int
    sound_shift_frames: int
    offset_s: float = 0.0
    picture_stream: int | None = None
    sound_stream: int | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """A clip's sound: (frames * 640,) float32 at 16 kHz, and why it is not the raw file's; None when it is."""

    samples: NDArray[np.float32]
    rebuilt_since: str | None


def clip_sound(place: ClipPlace, mel: NDArray[np.floating], guards: GuardSettings) -> Heard:
    """The sound that belongs to a clip's mouth, whatever has become of its file.

    Raises: ValueError - the mel (4T, 80) is not of the clip's length.
    """
    if mel.shape != (mel_columns(place.frames), MEL_BANDS):
        raise ValueError(f"{place.frames} frames have a mel of {mel_columns(place.frames)} x 80, got {mel.shape}")
    child = Isolated(guards.memory_limit_gib)  # a decoder that crashes must not end a training
    try:
        found = child.run(raw_sound, place, guards, time_limit_s=_FILE_LIMIT_S)
    except MediaRefusedError as error:
        found = error.reason.value
    except (OSError, RuntimeError) as error:
        found = str(error)
    finally:
        child.close()
    return Heard(from_mel(mel), found) if isinstance(found, str) else Heard(found, None)


def raw_sound(place: ClipPlace, guards: GuardSettings) -> NDArray[np.float32] | str:
    """The clip's samples out of its raw file, or why there are none; runs in the child.

    Raises: MediaRefusedError - the file is gone or cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch, localise(place.uri, Path(scratch)) as path:
        if fingerprint(path) != place.media_id:
            return "the file was changed"
        container = sniff(path)
        facts = probe(path, container, guards, place.picture_stream)
        with open_video(path, container, facts, guards) as video:
            origin_s = video.origin_s
        first = place.start_frame + place.sound_shift_frames
        end_s = frame_to_second(first + place.frames) + 1.0  # a little more than is read
        sound = open_sound(
            path, container, facts, origin_s, place.offset_s, Path(scratch), end_s, stream=place.sound_stream
        )
        if isinstance(sound, MissingCause):
            return sound.value
        with sound:
            return np.asarray(sound.read(frame_to_sample(first), frame_to_sample(place.frames)), np.float32)


def from_mel(mel: NDArray[np.floating]) -> NDArray[np.float32]:
    """Sound that has about this log-mel (4T, 80), by Griffin-Lim: understandable, metallic. Returns (T * 640,)."""
    import librosa

    closed = np.concatenate([mel, mel[-1:]])  # a column more: the spectrum of n samples has one at either end
    samples = librosa.feature.inverse.mel_to_audio(
        np.exp(closed.T.astype(np.float64)),
        sr=SAMPLE_RATE_HZ,
        n_fft=MEL_WINDOW_SAMPLES,
        win_length=MEL_WINDOW_SAMPLES,
        hop_length=MEL_HOP_SAMPLES,
        power=1.0,
        n_iter=_ROUNDS,
        length=len(mel) * MEL_HOP_SAMPLES,
    )
    loudest = np.abs(samples).max(initial=0.0)
    return np.asarray(samples / max(loudest, 1.0), np.float32)
