"""Embedding of a voice: 256 numbers of unit length, near to each other where one person speaks.

The network is Resemblyzer's voice encoder (generalised end-to-end loss, Wan et al. 2018), of which only the weights are
used: its three LSTM layers are run by numpy, for torch costs a process seconds to load, and its own preparation of
sound needs a package that has to be compiled. A test holds both against each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.schemas.contract import SAMPLE_RATE_HZ

from .weights import package_file, read_float_tensors

VOICE_VERSION: Final = "resemblyzer-0.1.4"
"""Recogniser of the voices; stored with each row."""

VOICE_SIZE: Final = 256

_PACKAGE, _FILE = "resemblyzer", "pretrained.pt"

_LAYERS: Final = 3
_MEL_BANDS: Final = 40
_WINDOW, _HOP = SAMPLE_RATE_HZ * 25 // 1000, SAMPLE_RATE_HZ * 10 // 1000
_COLUMNS: Final = 160
"""Columns of 10 ms that the network was trained on at a time: 1.6 s."""

_INPUT, _FORGET, _CELL, _OUTPUT = (slice(VOICE_SIZE * place, VOICE_SIZE * (place + 1)) for place in range(4))
"""Gates of an LSTM layer, in torch's order."""

LEAST_SPEECH_S: Final = 1.6
MOST_SPEECH_S: Final = 3.2
"""Seconds of speech that an embedding is made of: one window of the network, or two."""

_LEVEL_DBFS: Final = -30.0
"""Level to which quieter speech is raised."""

Samples = NDArray[np.float32]
Embedding = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _LstmLayer:
    """Weights of an LSTM layer, transposed: input (n, 1024), state (256, 1024), bias (1024,).

    Those of the three gates of a sigmoid are halved: sigmoid(x) = tanh(x / 2) / 2 + 1/2, so one tanh serves all four.
    """

    of_input: NDArray[np.float32]
    of_state: NDArray[np.float32]
    bias: NDArray[np.float32]

    @classmethod
    def of(cls, tensors: Mapping[str, NDArray[np.float32]], number: int) -> "_LstmLayer":
        """Take a layer, by its number, from a network's tensors.

        Raises: KeyError, ValueError - it is another network.
        """
        of_input, of_state = (tensors[f"lstm.weight_{name}_l{number}"].T for name in ("ih", "hh"))
        bias = tensors[f"lstm.bias_ih_l{number}"] + tensors[f"lstm.bias_hh_l{number}"]
        factors = np.full(4 * VOICE_SIZE, 0.5, np.float32)
        factors[_CELL] = 1
        return cls(np.ascontiguousarray(of_input * factors), np.ascontiguousarray(of_state * factors), bias * factors)


@dataclass(frozen=True, slots=True, eq=False)
class VoiceEncoder:
    """The network, ready to use; `open_voice_encoder` makes it."""

    layers: tuple[_LstmLayer, ...]
    linear: NDArray[np.float32]
    linear_bias: NDArray[np.float32]

    def embed(self, speech: Samples) -> Embedding:
        """Return the embedding (256,) of speech without pauses: samples at 16 kHz, of 1.6 s or more.

        Windows of 1.6 s from its start and its end are embedded, and their mean is brought to unit length.

        Raises: ValueError - it is shorter.
        """
        if len(speech) < LEAST_SPEECH_S * SAMPLE_RATE_HZ:
            raise ValueError(f"{len(speech)} samples are less than {LEAST_SPEECH_S} s of speech")
        mel = _mel(_raised(speech))
        starts = sorted({0, max(0, len(mel) - _COLUMNS)})
        windows = self._forward(np.stack([mel[start : start + _COLUMNS] for start in starts]))
        return _unit(windows.mean(axis=0))

    def _forward(self, mel_NTB: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed windows (N, 160, 40): (N, 256), each of unit length."""
        sequence = mel_NTB.transpose(1, 0, 2)
        for layer in self.layers:
            sequence = _lstm(layer, sequence)
        return _unit(np.maximum(sequence[-1] @ self.linear + self.linear_bias, 0))


@cache
def open_voice_encoder() -> VoiceEncoder | None:
    """Load the network; None where its package is not installed, or another version of it.

    Raises: OSError - the file cannot be read.
    """
    file = package_file(_PACKAGE, _FILE)
    if file is None:
        return None
    try:
        tensors = read_float_tensors(file, "model_state")
        layers = tuple(_LstmLayer.of(tensors, number) for number in range(_LAYERS))
        return VoiceEncoder(layers, np.ascontiguousarray(tensors["linear.weight"].T), tensors["linear.bias"])
    except (ValueError, KeyError):
        return None


def _lstm(layer: _LstmLayer, sequence_TNC: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run a layer over (T, N, channels): its states (T, N, 256)."""
    gates_TNG = sequence_TNC @ layer.of_input + layer.bias
    state = cell = np.zeros((sequence_TNC.shape[1], VOICE_SIZE), np.float32)
    states, half = np.empty((*sequence_TNC.shape[:2], VOICE_SIZE), np.float32), np.float32(0.5)
    for number, gates in enumerate(gates_TNG):
        gates += state @ layer.of_state
        curves = np.tanh(gates, out=gates)
        shares = curves * half + half
        cell = shares[:, _FORGET] * cell + shares[:, _INPUT] * curves[:, _CELL]
        state = np.multiply(shares[:, _OUTPUT], np.tanh(cell), out=states[number])
    return states


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), np.float32)


def _raised(speech: Samples) -> Samples:
    """Raise the level of quiet speech."""
    power = max(float(np.mean(np.square(speech, dtype=np.float64))), 1e-12)
    gain_db = _LEVEL_DBFS - 10 * float(np.log10(power))
    return speech * np.float32(10 ** (gain_db / 20)) if gain_db > 0 else speech


def _mel(speech: Samples) -> NDArray[np.float32]:
    """Compute mel powers, (columns of 10 ms, 40): as librosa does, the centre of a column at its start."""
    import scipy.fft

    padded = np.pad(speech, _WINDOW // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    phase = 2 * np.pi * np.arange(_WINDOW, dtype=np.float32) / _WINDOW
    spectrum = np.abs(scipy.fft.rfft(windows * (0.5 - 0.5 * np.cos(phase)))) ** 2
    return np.asarray(spectrum @ _mel_bank(), np.float32)


@cache
def _mel_bank() -> NDArray[np.float32]:
    import librosa.filters  # as in heterodub.model.features.mel

    bank: NDArray[np.float32] = librosa.filters.mel(sr=SAMPLE_RATE_HZ, n_fft=_WINDOW, n_mels=_MEL_BANDS)
    return np.ascontiguousarray(bank.T, np.float32)
