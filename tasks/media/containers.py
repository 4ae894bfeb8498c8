"""The one place that opens a container with ffmpeg: format forced, that file only, picture sizes capped."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason

from .paths import borrowed, open_regular, unreadable
from .sniff import HEAD_BYTES, Container, is_program_stream

_FORMATS: Final = {
    Container.MP4: "mov",
    Container.MATROSKA: "matroska",
    Container.AVI: "avi",
    Container.GIF: "gif",
}

NO_PICTURES: Final = 1
"""Pixels that decoders may allocate where no pictures are decoded."""


@contextmanager
def open_input(path: Path, container: Container, max_pixels: int) -> Iterator[InputContainer]:
    """Open a file. Nothing else can be opened through it: no probing of formats, no protocol but `file`.

    `max_pixels` stops decoders before they allocate a picture larger than that.

    Raises: MediaRefusedError - VANISHED, UNREADABLE, or NO_DECODABLE_FRAME with ffmpeg's words.
    """
    with _opened(path, _format(path, container), {"max_pixels": _decoder_limit(max_pixels)}) as source:
        yield source


@contextmanager
def open_sound_file(path: Path, form: str) -> Iterator[InputContainer]:
    """Open a file of sound alone, as open_input does; `form` is ffmpeg's name of its format.

    Raises: MediaRefusedError - VANISHED, UNREADABLE, or NO_DECODABLE_FRAME with ffmpeg's words.
    """
    with _opened(path, form, {}) as source:
        yield source


@contextmanager
def _opened(path: Path, form: str, limits: dict[str, str]) -> Iterator[InputContainer]:
    with borrowed(path) as handle, _container(path, handle, form, limits) as source:
        yield source


def _container(path: Path, handle: int | None, form: str, limits: dict[str, str]) -> InputContainer:
    if handle is None:
        # An absolute path cannot be taken for an address: "/" does not occur in the name of a protocol.
        address, options = str(path.absolute()), {"protocol_whitelist": "file"}
    else:
        address, options = "fd:", {"protocol_whitelist": "fd", "fd": str(handle)}
    try:
        return av.open(address, "r", format=form, options=options | limits, metadata_errors="replace")
    except FileNotFoundError as error:
        raise MediaRefusedError(FileReason.VANISHED, words(error)) from error
    except PermissionError as error:
        raise MediaRefusedError(FileReason.UNREADABLE, words(error)) from error
    except MemoryError:
        raise
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaRefusedError(FileReason.NO_DECODABLE_FRAME, words(error)) from error


def claimed_size(path: Path, container: Container, number: int) -> tuple[int, int]:
    """Width and height that the headers claim of a stream, with every decoder locked out; (0, 0) when they claim none.

    ffmpeg forgets a claim that breaks `max_pixels`, so a refused picture has to be opened again.

    Raises: MediaRefusedError - as open_input.
    """
    with _opened(path, _format(path, container), {"codec_whitelist": "none"}) as source:
        stream = source.streams[number] if number < len(source.streams) else None
        if not isinstance(stream, VideoStream) or not has_decoder(stream):
            return 0, 0
        return stream.codec_context.width, stream.codec_context.height


def words(error: BaseException) -> str:
    """Message of an error, without the path that PyAV adds: the row has the path already."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def has_decoder(stream: AudioStream | VideoStream) -> bool:
    """Return True if this build of ffmpeg can decode the stream."""
    return stream.codec_context is not None


def set_up(stream: AudioStream | VideoStream, max_pixels: int) -> None:
    """Decode in this thread only (a worker is one process among many) and cap the size of pictures."""
    stream.codec_context.thread_count = 1
    stream.codec_context.thread_type = "NONE"
    stream.codec_context.options = {"max_pixels": _decoder_limit(max_pixels)}


def _decoder_limit(max_pixels: int) -> str:
    # Decoders count the margins they add around a picture; the exact limit is held by probe.
    return str(max_pixels + max_pixels // 8 + 65_536)


def _format(path: Path, container: Container) -> str:
    if container is not Container.MPEG:
        return _FORMATS[container]
    try:
        with open_regular(path) as file:
            return "mpeg" if is_program_stream(file.read(HEAD_BYTES)) else "mpegvideo"
    except OSError as error:
        raise unreadable(error) from error
