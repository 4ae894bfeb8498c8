"""Short films of clips to hear and watch on the page: H.264 and AAC from the raw file, made in a child process."""

import base64
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NamedTuple

import av
import cv2
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from heterodub.model.features.arrays import Rgb
from heterodub.model.features.timing import frame_to_sample, frame_to_second
from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.contract import FPS, SAMPLE_RATE_HZ
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.dubbing.overlay import Overlay
from heterodub.tasks.media.decode import open_video
from heterodub.tasks.media.paths import fingerprint, localise
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.sniff import sniff
from heterodub.tasks.media.sound import Sound, open_sound

from .stills import LIMITS_S, from_files

_SOUND_BITS: Final = 32_000


class FilmLook(NamedTuple):
    """Longest side of the pictures in px, their rate factor in H.264, and the kbit that a second takes at most."""

    longest_px: int = 256
    crf: int = 29
    most_kbit_s: int | None = None

    @property
    def options(self) -> dict[str, str]:
        """The encoder's options."""
        rate = f"{self.most_kbit_s}k"
        bounds = {"maxrate": rate, "bufsize": rate} if self.most_kbit_s else {}
        return {"preset": "veryfast", "crf": str(self.crf), **bounds}


@dataclass(frozen=True, slots=True)
class SnippetRequest:
    """A clip of one raw file: its first frame and number of frames at 25 fps, the frames by which its sound was moved
    earlier, and what is laid into its pictures.
    """

    clip_id: str
    start_frame: int
    frames: int
    sound_shift_frames: int = 0
    overlay: Overlay | None = None


def snippets(
    rows: Sequence[Mapping[str, Any]],
    catalog: Mapping[str, Mapping[str, Any]],
    settings: Settings,
    limit_bytes: int,
    look: FilmLook = FilmLook(),  # noqa: B008 - it cannot be changed
    limits_s: tuple[float, float] = LIMITS_S,
) -> dict[str, str]:
    """Cut clips from their raw files, as data URIs of MP4 by clip id, until `limit_bytes` of them are there.

    rows: of the clips table, the most wanted first. Files that are away, remote or changed are left out. limits_s: time
    for each file, and for all.
    """
    files: dict[str, list[SnippetRequest]] = {}
    for row in rows:
        files.setdefault(row["uri"], []).append(SnippetRequest(row["clip_id"], row["start_frame"], row["frames"]))
    uris: dict[str, str] = {}
    size = 0
    if limit_bytes <= 0:
        return uris

    def arguments(row: Mapping[str, Any]) -> tuple[Any, ...]:
        return (*_facts(row), look)

    for films, _ in from_files(cut, files, catalog, settings, CutFilms, arguments, limits_s):
        for clip, film in films.items():
            uri = "data:video/mp4;base64," + base64.b64encode(film).decode("ascii")
            if size + len(uri) > limit_bytes:
                return uris
            size += len(uri)
            uris[clip] = uri
    return uris


CutFilms = tuple[dict[str, bytes], str]
"""Films by clip id, and the reason if they are silent, else nothing."""


def _facts(row: Mapping[str, Any]) -> tuple[int | None, int | None, float]:
    """Return the streams in use of a row of the catalog, and the seconds by which its sound is late."""
    return row.get("picture_stream"), row.get("sound_stream"), float(row.get("offset_s") or 0.0)


def cut(
    uri: str,
    requests: Collection[SnippetRequest],
    limits: LimitSettings,
    picture: int | None = None,
    sound: int | None = None,
    offset_s: float = 0.0,
    look: FilmLook = FilmLook(),  # noqa: B008 - it cannot be changed
    media_id: str | None = None,
) -> CutFilms:
    """Decode a file up to the last requested frame and encode each clip as MP4; runs in the child.

    picture, sound: numbers of the streams in use. A clip without sound has none in its film. media_id: sha256 that the
    file must have.

    Raises: MediaRefusedError - the file cannot be used, or is another one.
    """
    with (
        tempfile.TemporaryDirectory(prefix="heterodub-") as scratch,
        localise(uri, Path(scratch), limits.web_origins) as path,
    ):
        if media_id is not None and fingerprint(path) != media_id:
            raise MediaRefusedError(FileReason.CHANGED)
        container = sniff(path)
        facts = probe(path, container, limits, picture)
        last = max(request.start_frame + request.frames for request in requests)
        end_s = frame_to_second(last + max(request.sound_shift_frames for request in requests))
        with open_video(path, container, facts, limits) as video:
            heard = open_sound(path, container, facts, video.origin_s, offset_s, Path(scratch), end_s, stream=sound)
            voice = heard if isinstance(heard, Sound) else None
            films = {request: _Film(voice, request, look) for request in requests}
            for frame in video.frames():
                for request, film in films.items():
                    if 0 <= (number := frame.index - request.start_frame) < request.frames:
                        film.add(number, frame.rgb)
                if frame.index + 1 >= last:
                    break
            done = {request.clip_id: film.finish() for request, film in films.items()}
            if isinstance(heard, Sound):
                heard.close()
    return {clip: film for clip, film in done.items() if film}, "" if isinstance(heard, Sound) else heard.value


class _Film:
    """Encoder of one clip."""

    def __init__(self, sound: Sound | None, request: SnippetRequest, look: FilmLook) -> None:
        self._sound, self._request, self._look = sound, request, look
        self._out = BytesIO()
        self._file: Any = None
        self._picture: Any = None
        self._count = 0

    def add(self, number: int, rgb: Rgb) -> None:
        """Append the picture (height, width, 3) of a frame of the clip."""
        if self._request.overlay is not None:
            rgb = self._request.overlay.onto(number, rgb)
        height, width = rgb.shape[:2]
        scale = min(1.0, self._look.longest_px / max(height, width))
        size = tuple(max(2, 2 * round(side * scale / 2)) for side in (width, height))  # H.264 wants even sides
        if self._file is None:
            self._file = av.open(self._out, "w", "mp4")
            self._picture = self._file.add_stream("libx264", rate=FPS, options=self._look.options)
            self._picture.width, self._picture.height = size
            self._picture.pix_fmt, self._picture.codec_context.thread_count = "yuv420p", 1
            if self._sound is not None:
                self._voice = self._file.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
                self._voice.bit_rate = _SOUND_BITS
        frame = VideoFrame.from_ndarray(np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)), "rgb24")
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        self._count = number + 1
        self._file.mux(self._picture.encode(frame))

    def finish(self) -> bytes:
        """Write the sound and the end, and return the film; empty if no picture came."""
        if self._file is None:
            return b""
        self._file.mux(self._picture.encode(None))
        if self._sound is not None:
            start = frame_to_sample(self._request.start_frame + self._request.sound_shift_frames)
            count = frame_to_sample(self._count)
            samples = np.asarray(self._sound.read(start, count), np.float32)
            frame = AudioFrame.from_ndarray(samples[None], "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE_HZ, 0, Fraction(1, SAMPLE_RATE_HZ)
            self._file.mux(self._voice.encode(frame))
            self._file.mux(self._voice.encode(None))
        self._file.close()
        return self._out.getvalue()
