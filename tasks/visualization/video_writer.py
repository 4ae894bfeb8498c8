"""Writer of short videos for pages: H.264 and AAC in MP4, at 25 frames a second."""

import os
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Rgb
from heterodub.model.features.timing import SAMPLES_PER_FRAME
from heterodub.model.files import atomic_path
from heterodub.schemas.contract import FPS, SAMPLE_RATE_HZ


def write_video(
    path: Path,
    pictures: Iterator[Rgb],
    crf: int,
    kbit_s: int,
    samples: NDArray[np.float32] | None = None,
    comment: str = "",
) -> None:
    """Write an MP4 at 25 fps; a file of that name is replaced once the new one is complete. samples: its sound.

    kbit_s: most that a second takes, since videos are embedded in pages. comment: for the file's metadata.

    Raises: av.error.FFmpegError - the libraries refuse to write. OSError - there is no room.
    """
    options = {"movflags": "+faststart"}
    with atomic_path(path) as partial, av.open(os.fspath(partial), "w", "mp4", options=options) as out:
        out.metadata["comment"] = comment
        _encode(out, pictures, {"crf": str(crf), "maxrate": f"{kbit_s}k", "bufsize": f"{kbit_s}k"}, samples)


def _encode(out: Any, pictures: Iterator[Rgb], options: dict[str, str], samples: NDArray[np.float32] | None) -> None:
    first = next(pictures)
    video: Any = out.add_stream("libx264", rate=FPS, options={"preset": "veryfast", **options})
    video.height, video.width = first.shape[:2]
    video.pix_fmt = "yuv420p"
    video.codec_context.thread_count = 1
    voice: Any = None if samples is None else out.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
    for number, picture in enumerate(chain([first], pictures)):
        frame = av.VideoFrame.from_ndarray(picture, "rgb24")
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        out.mux(video.encode(frame))
        if samples is not None:
            start = number * SAMPLES_PER_FRAME
            piece = np.ascontiguousarray(samples[None, start : start + SAMPLES_PER_FRAME])
            sounded = av.AudioFrame.from_ndarray(piece, "fltp", "mono")
            sounded.sample_rate, sounded.pts, sounded.time_base = SAMPLE_RATE_HZ, start, Fraction(1, SAMPLE_RATE_HZ)
            out.mux(voice.encode(sounded))
    for stream in filter(None, (video, voice)):
        out.mux(stream.encode(None))
