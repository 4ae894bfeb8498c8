"""Short, small videos of trusted footage decoded by decord, which carries an FFmpeg of 2020 and its holes.

Right is not fast: over mp4, mkv and avi its frames equal PyAV's, but with one thread each and conversion to RGB
included it takes 1.5 to 2.5 times the processor time (224 x 224: 0.30 ms a frame against 0.20; 256 x 256 mpeg4: 0.22
against 0.10; 524 x 524: 1.3 against 0.8), and more again here, where PyAV converts only pictures that are shown.

decord has no flow control: after the first frame it decodes the rest of the file in the background, as fast as it
can, and keeps every frame until it is requested. Measured, consumer at 50 frames a second: 320 x 240 x 1500 frames
+80 MB, 640 x 480 x 1500 +1175 MB, 1280 x 720 x 1000 +1878 MB. A two-hour film would take all memory there is. So
decord gets only files whose pictures all fit in MAX_DECODED_BYTES together, which are read whole before the first one
is used: that also shows, in time to fall back on PyAV, when it stumbles over damage or counts other frames than the
container holds.
"""

from contextlib import nullcontext
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Final

import av.error
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.records import MediaFacts

from .containers import NO_PICTURES, open_input
from .interlace import CombFinder, sample
from .paths import open_regular, opened
from .sniff import HEAD_BYTES, Container
from .streams import picture_of
from .video_frames import TimedPicture

MAX_DECODED_BYTES: Final = 32 * 1024 * 1024
"""Pictures of one file, as RGB. Twice that is the most a process grows by, once in decord and once here:
6.8 s at 256 x 256, 4 s of GRID at 360 x 288. With 0 every file goes to PyAV."""

CONTAINERS: Final = frozenset({Container.MP4, Container.MATROSKA, Container.AVI})
"""Containers for which decord's frames equal PyAV's. In MPEG program streams its times are wrong, GIFs fail."""

_OTHER_READINGS: Final = (b"<mpd", b"#extm3u", b"c=in ip", b"ffconcat")
"""decord guesses the format for itself: nothing that could also be read as a playlist is given to it."""


Times = tuple[Fraction, Fraction]
"""Time and duration of a picture, seconds."""


def can_use_decord(container: Container, facts: MediaFacts, stream: VideoStream, is_plain: bool) -> bool:
    """Return True if decord may be tried: a container it reads right, plain pictures, and little of it in all.

    is_plain: of the first picture, see video_frames; decord ignores pixel aspects, directions, matrices.
    """
    if container not in CONTAINERS or not is_plain:
        return False
    if facts.duration_s is None or facts.nominal_fps is None:
        return False
    frames = max(facts.duration_s * facts.nominal_fps, stream.frames)
    return frames * _picture_bytes(facts) <= MAX_DECODED_BYTES


def read_whole(path: Path, container: Container, first: TimedPicture, facts: MediaFacts) -> list[TimedPicture] | None:
    """Read every picture of the file, in order; None when decord cannot be trusted with it.

    `first` is the first picture as PyAV decodes it: decord's must have the same time.
    """
    times = _display_times(path, container, facts)
    if not times or times[0][0] != first.time_s or not _one_reading(path):
        return None
    pixels = _read(path, len(times), (facts.height, facts.width, 3))
    if pixels is None or _any_combed(pixels):
        return None
    return [TimedPicture(*time, partial(pixels.__getitem__, index)) for index, time in enumerate(times)]


def _any_combed(pixels: list[np.ndarray]) -> bool:
    """Return True if any picture has to be deinterlaced, which PyAV does."""
    finder, samples = CombFinder(), [sample(rgb[..., 1]) for rgb in pixels]
    return any(finder.step(now, after) for now, after in zip(samples, [*samples[1:], None], strict=True))


def _picture_bytes(facts: MediaFacts) -> int:
    return facts.width * facts.height * 3


def _display_times(path: Path, container: Container, facts: MediaFacts) -> list[Times] | None:
    """Times of all pictures in display order, from the packets alone; None when they leave any doubt."""
    try:
        with open_input(path, container, NO_PICTURES) as source:
            if len(source.streams.video) > 1:
                return None  # decord takes the one it likes best, covers included
            times = _packet_times(source, picture_of(source, facts), MAX_DECODED_BYTES // _picture_bytes(facts))
    except (MediaRefusedError, av.error.FFmpegError, OSError, ValueError):
        return None
    if times is None or len({time_s for time_s, _ in times}) != len(times):
        return None
    return sorted(times)


def _packet_times(source: InputContainer, video: VideoStream, most: int) -> list[Times] | None:
    times: list[Times] = []
    for packet in source.demux(video):
        if packet.size == 0 and packet.dts is None:
            continue  # the empty packet that ends a stream
        if packet.pts is None or packet.is_discard or packet.is_corrupt or len(times) >= most:
            return None
        times.append((packet.pts * packet.time_base, (packet.duration or 0) * packet.time_base))
    return times


def _one_reading(path: Path) -> bool:
    try:
        str(path).encode()  # decord takes UTF-8 names only
        with open_regular(path) as file:
            head = file.read(HEAD_BYTES).lower()
    except (OSError, UnicodeEncodeError):
        return False
    return not any(words in head for words in _OTHER_READINGS)


def _read(path: Path, count: int, shape: tuple[int, ...]) -> list[np.ndarray] | None:
    import decord  # here, not above: it loads an FFmpeg of its own, of 2020, for footage that is trusted alone

    try:
        with opened(path) or nullcontext(str(path.absolute())) as source:
            reader = decord.VideoReader(source, ctx=decord.cpu(0), num_threads=1)
        if len(reader) != count:
            return None
        pixels = [reader.next().asnumpy() for _ in range(count)]
    except (decord.DECORDError, RuntimeError, StopIteration):
        return None
    return pixels if all(rgb.shape == shape for rgb in pixels) else None
