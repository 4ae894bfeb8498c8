"""Films of translators on a benchmark's clip: generated faces in the raw file's pictures, with its sound."""

from collections.abc import Mapping
from functools import partial
from typing import Final

import numpy as np

from heterodub.model.dubbing import blending
from heterodub.model.evaluation.translator import EvalWindow
from heterodub.model.features.arrays import Pictures
from heterodub.schemas.contract import FPS
from heterodub.schemas.errors import MediaRefusedError
from heterodub.tasks.dubbing.overlay import Overlay
from heterodub.tasks.ingestion.decoder_process import Decoder
from heterodub.tasks.inspect.report.snippets import CutFilms, FilmLook, SnippetRequest, cut
from heterodub.tasks.training.clip_store import PictureClip
from heterodub.tasks.training.samples import sound_place
from heterodub.tasks.visualization.sheets import as_bytes, crop_film
from heterodub.tasks.visualization.sound import ClipPlace

from .candidates import Candidates, film_bytes

FILM_FRAMES: Final = 4 * FPS
"""Frames of a film: a few words, and the page stays small."""

_LOOK: Final = FilmLook(1920, 23, 1600)
"""A page holds up to twelve films, so a second of each takes 200 kB at most."""

_SOURCE: Final = "source"


def translator_films(
    candidates: Candidates,
    eval_window: EvalWindow,
    stored: PictureClip,
    generated: Mapping[str, Pictures],
    decoder: Decoder,
) -> tuple[dict[str, bytes], str]:
    """Return films (MP4) of a window's span by title, the source's last, and what they lack.

    generated: crops (F, S, S, 3) by title. Each is laid into the raw file's pictures as a dub's are, if the face was
    tracked there. If the raw file cannot be used, there is one silent film: the crops side by side.
    """
    place = sound_place(candidates.workspace, candidates.release, eval_window.clip.clip_id)
    requests = _requests(place, eval_window, stored, generated)
    limits = candidates.settings.limits
    streams = (place.picture_stream, place.sound_stream, place.offset_s)
    try:
        films, silent = decoder.run(
            cut,
            *(place.uri, requests, limits, *streams, _LOOK, place.media_id),
            media=[place.uri],
            time_limit_s=limits.time_limit_s,
            returns=CutFilms,
        )
    except MediaRefusedError as error:
        return _stored_film(eval_window, generated, error.reason.value)
    except (OSError, RuntimeError) as error:
        return _stored_film(eval_window, generated, str(error))
    if set(films) != {request.clip_id for request in requests}:
        return _stored_film(eval_window, generated, "its pictures end before the clip")
    return films, f"Without sound: the raw file has none here ({silent.replace('_', ' ')})." if silent else ""


def _requests(
    place: ClipPlace, eval_window: EvalWindow, stored: PictureClip, generated: Mapping[str, Pictures]
) -> tuple[SnippetRequest, ...]:
    span, landmarks = eval_window.span, eval_window.landmarks
    shares, in_blend = blending.shown(landmarks, landmarks, eval_window.crops.shape[1])
    seen = stored.tracked[span].astype(np.float32)[:, None, None]

    def request(title: str, overlay: Overlay | None) -> SnippetRequest:
        start, frames = place.start_frame + span.start, span.stop - span.start
        return SnippetRequest(title, start, frames, place.sound_shift_frames, overlay)

    def overlay(crops: Pictures) -> Overlay:
        light = blending.unblended(crops.astype(np.float32) / 255, eval_window.crops, in_blend, shares)
        return Overlay(as_bytes(light), shares * seen, stored.boxes[span])

    return (*(request(title, overlay(crops)) for title, crops in generated.items()), request(_SOURCE, None))


def _stored_film(
    eval_window: EvalWindow, generated: Mapping[str, Pictures], reason: str
) -> tuple[dict[str, bytes], str]:
    beside = dict(generated) | {_SOURCE: eval_window.crops}
    note = f"The raw file cannot be used ({reason.replace('_', ' ')}): stored crops at the models' size, without sound."
    return {"stored crops": film_bytes(partial(crop_film, columns=beside))}, note
