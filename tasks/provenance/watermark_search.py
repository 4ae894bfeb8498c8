"""Search for the watermark in a film's first pictures and in places of the rest, in the child."""

from collections import deque
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from heterodub.schemas.config.sections import LimitSettings
from heterodub.tasks.media.canvas import Canvas, planes_of
from heterodub.tasks.media.geometry import Geometry
from heterodub.tasks.media.source_video import SourceVideo
from heterodub.tasks.provenance.watermark import THRESHOLD, evidence, phases

MOST_PICTURES: Final = 1500
"""A minute. The search ends with the first that are marked."""

_PLACES: Final = 100
"""Places of a longer film that are searched after its first pictures."""

_TOGETHER: Final = 8
"""Pictures that are searched at once: what moves through a cell in so many differs from one to the next."""


def has_watermark(path: Path, limits: LimitSettings) -> bool:
    """Return True if pictures of a video bear the watermark; of a longer one than MOST_PICTURES, those looked at.

    Raises: MediaRefusedError - it cannot be decoded.
    """
    film = SourceVideo.open(path, limits)
    look = film.look()
    canvas = Canvas(look)

    def phases_of(frame: VideoFrame, geometry: Geometry) -> NDArray[np.complex64]:
        return phases(planes_of(canvas.copy(frame, geometry), look).luma, look.bits)

    def is_marked(phases_N: Iterable[NDArray[np.complex64]]) -> bool:
        together = [*phases_N]
        return bool(together) and evidence(np.stack(together)) >= THRESHOLD

    window: deque[NDArray[np.complex64]] = deque(maxlen=_TOGETHER)
    searched = 0
    for picture in islice(film.pictures(), MOST_PICTURES):
        window.append(phases_of(picture.frame, picture.geometry))
        searched += 1
        if searched % _TOGETHER == 0 and is_marked(window):
            return True
    places = _PLACES if searched == MOST_PICTURES else 0
    glances = film.glances(places, _TOGETHER)
    return is_marked(window) or any(is_marked(phases_of(*one) for one in glance) for glance in glances)
