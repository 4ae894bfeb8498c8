"""Embeddings of a clip: of its face and of its own voice, or why there is none.

A missing recogniser is no error: clips are measured without it, and each null says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.schemas.contract import SAMPLE_RATE_HZ
from heterodub.schemas.policy import OWN_SOUND_SCORE
from heterodub.schemas.reasons import MissingCause
from heterodub.tasks.quality.sound import SPEECH_PROBABILITY, VAD_CHUNK, speech_probability

from .face_embedding import FaceView, choose_views, embed_face
from .face_network import open_face_network
from .voice_embedding import LEAST_SPEECH_S, MOST_SPEECH_S, open_voice_encoder

FACE, VOICE = "face", "voice"

_OWN_SPEECH_SCORE: Final = OWN_SOUND_SCORE + 1.5
"""Score of a clip's sync from which its speech counts as that of the face: 1 in 20 sounds of others reach it,
people who read sentences of one form included. Stage 1 is content with less, for a wrong clip there is one among
many; here it would join two people."""


@dataclass(frozen=True, slots=True, eq=False)
class ClipEmbeddings:
    """Embeddings of a clip: face (128,), of these frames; voice (256,), of unit length, of so many seconds of speech;
    and the cause of each that is None, by its name.
    """

    face: NDArray[np.float32] | None
    face_frames: tuple[int, ...]
    voice: NDArray[np.float32] | None
    voice_s: float
    missing: Mapping[str, MissingCause]


SWITCHED_OFF: Final = ClipEmbeddings(
    None, (), None, 0.0, {FACE: MissingCause.SWITCHED_OFF, VOICE: MissingCause.SWITCHED_OFF}
)


def embed_clip(
    views: Sequence[FaceView],
    frames: int,
    samples: NDArray[np.float32] | None,
    av_sync_score: float | None,
    sync_cause: MissingCause | None,
) -> ClipEmbeddings:
    """Compute the embeddings of a clip of so many frames.

    samples: its sound at 16 kHz; None without one. sync_cause: why it has no sync score, where it has none.

    Raises: OSError - a model file cannot be read.
    """
    face, chosen = _face(views, frames)
    voice, speech_s = _voice(samples, av_sync_score, sync_cause)
    missing = {name: one for name, one in ((FACE, face), (VOICE, voice)) if isinstance(one, MissingCause)}
    return ClipEmbeddings(
        None if isinstance(face, MissingCause) else face,
        chosen,
        None if isinstance(voice, MissingCause) else voice,
        speech_s,
        missing,
    )


def missing_recognisers() -> list[str]:
    """Name the recognisers that are not installed here: face, voice, both or none.

    Raises: OSError - a model file cannot be read.
    """
    found = {FACE: open_face_network(), VOICE: open_voice_encoder()}
    return [name for name, network in found.items() if network is None]


def _face(views: Sequence[FaceView], frames: int) -> tuple[NDArray[np.float32] | MissingCause, tuple[int, ...]]:
    network = open_face_network()
    if network is None:
        return MissingCause.NOT_INSTALLED, ()
    if not (chosen := choose_views(views, frames)):
        return MissingCause.NO_GOOD_FRAME, ()
    return embed_face(network, chosen), tuple(view.frame for view in chosen)


def _voice(
    samples: NDArray[np.float32] | None, av_sync_score: float | None, sync_cause: MissingCause | None
) -> tuple[NDArray[np.float32] | MissingCause, float]:
    encoder = open_voice_encoder()
    if encoder is None:
        return MissingCause.NOT_INSTALLED, 0.0
    if samples is None or av_sync_score is None:
        return sync_cause or MissingCause.NO_SOUND_STREAM, 0.0
    if av_sync_score < _OWN_SPEECH_SCORE:
        return MissingCause.NOT_OWN_SPEECH, 0.0
    speech = _speech(samples)
    if len(speech) < LEAST_SPEECH_S * SAMPLE_RATE_HZ:
        return MissingCause.TOO_LITTLE_SPEECH, 0.0
    return encoder.embed(speech), len(speech) / SAMPLE_RATE_HZ


def _speech(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a clip's speech, without pauses: the first 3.2 s of it."""
    chunks = samples[: len(samples) // VAD_CHUNK * VAD_CHUNK].reshape(-1, VAD_CHUNK)
    speech = chunks[speech_probability(samples) >= SPEECH_PROBABILITY].reshape(-1)
    return speech[: round(MOST_SPEECH_S * SAMPLE_RATE_HZ)]
