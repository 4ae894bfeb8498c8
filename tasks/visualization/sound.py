"""Playable sound of a stored clip: from the raw file, or from the stored mel if the file cannot be read."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.mel import mel_bank
from heterodub.model.features.timing import frame_to_sample, frame_to_second, mel_columns
from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.contract import MEL_BANDS, MEL_HOP_SAMPLES, MEL_WINDOW_SAMPLES, SAMPLE_RATE_HZ
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import MissingCause
from heterodub.tasks.ingestion.decoder_process import Decoder
from heterodub.tasks.media.decode import open_video
from heterodub.tasks.media.paths import fingerprint, localise
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.sniff import sniff
from heterodub.tasks.media.sound import open_sound

_FILE_LIMIT_S: Final = 60.0
"""Time limit of reading the raw file; the mel is the fallback."""

_ROUNDS: Final = 32
"""Iterations of Griffin-Lim; more are inaudible."""

_MOMENTUM: Final = 0.99
"""Momentum of Griffin-Lim, as its authors recommend."""

_TINY: Final = 1e-12
"""Far below any audible magnitude; keeps quotients finite."""


@dataclass(frozen=True, slots=True)
class ClipPlace:
    """Location of a clip's sound: columns of `clips`, `catalog` (offset_s and the streams) and `stage1`
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
class PlayableSound:
    """A clip's sound: (frames * 640,) float32 at 16 kHz, and the reason if it is not the raw file's, else None."""

    samples: NDArray[np.float32]
    rebuilt_since: str | None


def clip_sound(place: ClipPlace, mel: NDArray[np.floating], limits: LimitSettings, decoder: Decoder) -> PlayableSound:
    """Return a clip's sound in sync with its mouth, rebuilt from the mel if the raw file cannot be used. decoder: the
    children that read it, since a file that crashes them must not end a training.

    Raises: ValueError - the mel (4T, 80) is not of the clip's length.
    """
    if mel.shape != (mel_columns(place.frames), MEL_BANDS):
        raise ValueError(f"{place.frames} frames have a mel of {mel_columns(place.frames)} x 80, got {mel.shape}")
    try:
        result = decoder.run(
            raw_sound, place, limits, media=[place.uri], time_limit_s=_FILE_LIMIT_S, returns=bytes | str
        )
    except MediaRefusedError as error:
        result = error.reason.value
    except (OSError, RuntimeError) as error:
        result = str(error)
    if isinstance(result, str):
        return PlayableSound(from_mel(mel), result)
    return PlayableSound(np.frombuffer(result, np.float32), None)


def raw_sound(place: ClipPlace, limits: LimitSettings) -> bytes | str:
    """The clip's samples out of its raw file, as float32, or why there are none; runs in the child.

    Raises: MediaRefusedError - the file is gone or cannot be used.
    """
    origins = limits.web_origins
    with (
        tempfile.TemporaryDirectory(prefix="heterodub-") as scratch,
        localise(place.uri, Path(scratch), origins) as path,
    ):
        if fingerprint(path) != place.media_id:
            return "the file was changed"
        container = sniff(path)
        facts = probe(path, container, limits, place.picture_stream)
        with open_video(path, container, facts, limits) as video:
            origin_s = video.origin_s
        first = place.start_frame + place.sound_shift_frames
        end_s = frame_to_second(first + place.frames) + 1.0  # a little more than is read
        sound = open_sound(
            path, container, facts, origin_s, place.offset_s, Path(scratch), end_s, stream=place.sound_stream
        )
        if isinstance(sound, MissingCause):
            return sound.value
        with sound:
            return np.asarray(sound.read(frame_to_sample(first), frame_to_sample(place.frames)), np.float32).tobytes()


def from_mel(mel: NDArray[np.floating]) -> NDArray[np.float32]:
    """Reconstruct sound from a log-mel (4T, 80): intelligible, metallic. Returns (T * 640,).

    Griffin-Lim with momentum (Perraudin, Balazs, Sondergaard 2013) from random phases of a fixed seed. Not librosa's,
    which compiles for a quarter of a minute on first use.
    """
    import scipy.signal  # here, not above: it takes a second, which the child that reads a file saves

    samples = len(mel) * MEL_HOP_SAMPLES
    window = scipy.signal.get_window("hann", MEL_WINDOW_SAMPLES)
    transform = scipy.signal.ShortTimeFFT(window, MEL_HOP_SAMPLES, SAMPLE_RATE_HZ)
    at_ends = (-transform.p_min, transform.p_max(samples) - len(mel))  # columns that reach over an end of the sound
    magnitudes = np.pad(_spectrum(np.exp(mel.astype(np.float64))).T, ((0, 0), at_ends), "edge")
    phases = np.exp(2j * np.pi * np.random.default_rng(0).random(magnitudes.shape))
    before = np.zeros_like(phases)
    for _ in range(_ROUNDS):
        rebuilt = transform.stft(transform.istft(magnitudes * phases, k1=samples))
        ahead = rebuilt + _MOMENTUM * (rebuilt - before)
        phases, before = ahead / np.maximum(np.abs(ahead), _TINY), rebuilt
    sound = transform.istft(magnitudes * phases, k1=samples)
    return np.asarray(sound / max(np.abs(sound).max(initial=0.0), 1.0), np.float32)


def _spectrum(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit non-negative magnitudes (columns, 321) to mel magnitudes (columns, 80) by least squares (the updates of Lee
    and Seung 2001).
    """
    bank = mel_bank().astype(np.float64)
    spectrum = np.maximum(mel @ np.linalg.pinv(bank), _TINY)
    for _ in range(_ROUNDS):
        spectrum *= (mel @ bank.T) / np.maximum(spectrum @ bank @ bank.T, _TINY)
    return spectrum
