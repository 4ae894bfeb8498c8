"""Child process of speech synthesis: espeak-ng through ctypes, in retrieval mode with phoneme events.

Run as `python -m heterodub.tasks.synthetic.espeak`: a JSON list of utterances on standard input, an .npz archive on
standard output, with `<utterance>_<phrase>_samples` (int16 mono at ESPEAK_RATE_HZ), `_at` (samples) and `_ipa` of each.
"""

import ctypes
import io
import json
import sys
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

ESPEAK_RATE_HZ: Final = 22_050
"""Sampling rate of espeak-ng's voices."""

_AUDIO_OUTPUT_RETRIEVAL: Final = 1
_PHONEME_EVENTS_IN_IPA: Final = 0x0003
_DONT_EXIT: Final = 0x8000
_CHARS_UTF8: Final = 1
_EVENT_END: Final = 0
_EVENT_PHONEME: Final = 7
_PARAMETERS: Final = {"rate": 1, "pitch": 3, "pitch_range": 4}


class _Identity(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identity),
    )


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def main() -> None:
    """Synthesise the utterances on standard input.

    Raises: RuntimeError - the library does not start, or knows no voice of that name.
    """
    library = _start()
    arrays: dict[str, Any] = {}
    for u, utterance in enumerate(json.load(sys.stdin)):
        for p, phrase in enumerate(utterance["phrases"]):
            samples, events = _say(library, utterance["voice"], phrase)
            arrays[f"{u}_{p}_samples"] = samples
            arrays[f"{u}_{p}_at"] = np.array([at for at, _ in events])
            arrays[f"{u}_{p}_ipa"] = np.array([ipa for _, ipa in events])
    archive = io.BytesIO()
    np.savez(archive, **arrays)
    sys.stdout.buffer.write(archive.getvalue())


def _start() -> ctypes.CDLL:
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data = str(espeakng_loader.get_data_path()).encode()
    rate = library.espeak_Initialize(_AUDIO_OUTPUT_RETRIEVAL, 0, data, _PHONEME_EVENTS_IN_IPA | _DONT_EXIT)
    if rate != ESPEAK_RATE_HZ:
        raise RuntimeError(f"espeak-ng returned the sampling rate {rate}, expected {ESPEAK_RATE_HZ}")
    # espeak seeds its noise with the clock; consonants would differ from run to run
    library.espeak_ng_SetRandSeed(ctypes.c_long(1))
    return library


def _say(library: ctypes.CDLL, voice: dict[str, Any], text: str) -> tuple[NDArray[np.int16], list[tuple[int, str]]]:
    pieces: list[NDArray[np.int16]] = []
    events: list[tuple[int, str]] = []

    def receive(wave: Any, count: int, event: Any) -> int:
        if wave and count:
            pieces.append(np.ctypeslib.as_array(wave, (count,)).copy())
        index = 0
        while event[index].type != _EVENT_END:
            if event[index].type == _EVENT_PHONEME:
                events.append((event[index].sample, _plain(event[index].id.string)))
            index += 1
        return 0

    callback = _CALLBACK(receive)  # must outlive the call below
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice["name"].encode()) != 0:
        raise RuntimeError(f"espeak-ng has no voice {voice['name']!r}")
    for name, parameter in _PARAMETERS.items():
        library.espeak_SetParameter(parameter, voice[name], 0)
    encoded = text.encode() + b"\0"
    library.espeak_Synth(encoded, len(encoded), 0, _CHARS_UTF8, 0, _CHARS_UTF8, None, None)
    library.espeak_Synchronize()
    return np.concatenate(pieces), events


def _plain(name: bytes) -> str:
    return name.decode("utf-8", "ignore").strip("\u02c8\u02cc\u02d0 ").replace("\u02d0", "")


if __name__ == "__main__":
    main()
