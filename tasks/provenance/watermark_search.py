"""Search for the watermark in a film's first pictures, in the child."""

from collections import deque
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.schemas.config.sections import LimitSettings
from heterodub.tasks.media.canvas import Canvas, planes_of
from heterodub.tasks.media.source_video import SourceVideo
from heterodub.tasks.provenance.watermark import THRESHOLD, evidence, phases

MOST_PICTURES: Final = 1500
"""A minute. The search ends with the first that are marked."""

_TOGETHER: Final = 8
"""Pictures that are searched at once: what moves through a cell in so many differs from one to the next."""


def has_watermark(path: Path, limits: LimitSettings) -> bool:
    """Return True if pictures of a video bear the watermark.

    Raises: MediaRefusedError - it cannot be decoded.
    """
    film = SourceVideo.open(path, limits)
    look = film.look()
    canvas = Canvas(look)
    window: deque[NDArray[np.complex64]] = deque(maxlen=_TOGETHER)
    for picture in islice(film.pictures(), MOST_PICTURES):
        window.append(phases(planes_of(canvas.copy(picture.frame, picture.geometry), look).luma, look.bits))
        if (picture.index + 1) % _TOGETHER == 0 and evidence(np.stack(window)) >= THRESHOLD:
            return True
    return bool(window) and evidence(np.stack(window)) >= THRESHOLD
