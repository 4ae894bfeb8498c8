"""Senone scores of speech: how well each 10 ms fits the states of the phones of a speech recogniser.

Speech of different people differs less in them than in mel bands. The acoustic model is that of pocketsphinx's wheel,
for US English; other languages are scored by their likeness to English phones. No words are decoded: a search for a
single phrase keeps the recogniser going, at a fifth of a decoding's cost. Of its 5,126 senones the first 126 are kept,
three for each of 42 phones and noises whatever stands beside them.

The recogniser subtracts the mean of all sound that it is given, so scores depend on the sound around. Of longer sound
each stretch is therefore scored in ten seconds of its own, as the longest clips are: a dubbing's scores resemble those
that its generator learned from.

pocketsphinx writes the scores to a file alone, and so they pass through a folder for scratch files.
"""

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.timing import frame_to_sample, mel_columns
from heterodub.schemas.contract import MEL_BANDS, SENONES
from heterodub.schemas.errors import SettingsError

SENONES_VERSION: Final = "pocketsphinx-5.1.1-en-us"
"""Version of the scores; stored with each row."""

_ALL: Final = 5126
_HEADER_END: Final = b"endhdr\n"
_BYTE_ORDER_BYTES: Final = 4
_FIRST_COLUMN: Final = 1
"""Column of the first frame: its 25.6 ms are centred on 12.8 ms."""

_WORST: Final = 300
"""Score, in the recogniser's units of 0.1 nat below the best one, beyond which a state does not fit at all."""

_WINDOW_FRAMES: Final = 250
"""Frames that are scored together at most, 10 s: the longest clips."""

_KEPT_FRAMES: Final = 150
"""Of these, those in the middle that are kept of longer sound. Fewer would cost more for hardly other scores."""

_PHRASE: Final = "oh OW\n"


def require_recogniser() -> None:
    """Raises: SettingsError - pocketsphinx is not installed."""
    if find_spec("pocketsphinx") is None:
        raise SettingsError("senone scores need pocketsphinx: pip install 'heterodub[senones]'")


def senone_scores(samples: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Compute the scores of a clip or of longer sound: (frames * 640,) samples at 16 kHz -> (4 * frames, 126), 1 best
    to -1. frames: 1 or more.

    Raises: SettingsError - pocketsphinx is not installed. OSError - the disk is full.
    """
    require_recogniser()
    scores, margin = np.empty((mel_columns(frames), SENONES), np.float32), (_WINDOW_FRAMES - _KEPT_FRAMES) // 2
    for begin in range(0, max(1, frames - _WINDOW_FRAMES + _KEPT_FRAMES), _KEPT_FRAMES):
        low = min(begin, max(0, frames - _WINDOW_FRAMES))
        stop, kept = min(low + _WINDOW_FRAMES, frames), low + margin if low else 0
        window = _scored(samples[frame_to_sample(low) : frame_to_sample(stop)], stop - low)
        scores[mel_columns(kept) : mel_columns(stop)] = window[mel_columns(kept - low) :]  # the next one takes its end
    return scores


def _scored(samples: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Score sound at once: (frames * 640,) -> (4 * frames, 126)."""
    from pocketsphinx import Decoder, get_model_path

    with tempfile.TemporaryDirectory(prefix="heterodub-") as folder:
        words = Path(folder) / "words.dict"
        words.write_text(_PHRASE)
        decoder = Decoder(
            hmm=get_model_path("en-us/en-us"),
            dict=str(words),
            lm=None,
            keyphrase="oh",
            compallsen=True,
            senlogdir=folder,
            loglevel="FATAL",
        )
        decoder.start_utt()
        decoder.process_raw((np.clip(samples, -1, 1) * np.iinfo(np.int16).max).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        logged = next(Path(folder).glob("*.sen")).read_bytes()
    start = logged.index(_HEADER_END) + len(_HEADER_END) + _BYTE_ORDER_BYTES
    scores = np.frombuffer(logged[start:], np.int16).reshape(-1, 1 + _ALL)[
        :, 1 : 1 + SENONES
    ]  # the first is their number
    columns = mel_columns(frames)
    placed = np.pad(scores, ((_FIRST_COLUMN, max(0, columns - len(scores))), (0, 0)), "edge")[:columns]
    return (1 - np.minimum(placed, _WORST) * np.float32(2 / _WORST)).astype(np.float32)


def speech_features(samples: NDArray[np.float32], frames: int, speech_width: int) -> NDArray[np.float32]:
    """Compute as many speech features of each 10 ms as a generator reads: (4 * frames, 80 or 206).

    Raises: as senone_scores.
    """
    from heterodub.model.features.mel import log_mel  # with SciPy, which a check of the settings does without

    mel = log_mel(samples, frames)
    return mel if speech_width == MEL_BANDS else np.hstack([mel, senone_scores(samples, frames)])


def pack(scores: NDArray[np.float32]) -> bytes:
    """Return scores as a stored cell: a byte each."""
    return bytes(np.rint((scores + 1) * 127.5).astype(np.uint8))


def unpack(cell: bytes) -> NDArray[np.float32]:
    """Return the scores of a stored cell, (4T, 126)."""
    return np.frombuffer(cell, np.uint8).reshape(-1, SENONES).astype(np.float32) / np.float32(127.5) - 1
