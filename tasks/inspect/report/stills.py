"""Pictures of clips: from stored crops, else from the raw file, in a child process and within bounds."""

import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Rgb, evenly_spaced
from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.members import container_of
from heterodub.tasks.ingestion.decoder_process import Decoder
from heterodub.tasks.media.decode import open_video
from heterodub.tasks.media.paths import local_path, localise
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.sniff import sniff
from heterodub.tasks.sources.corpus import Corpus
from heterodub.tasks.sources.folder import local_file

THUMB_PX: Final = 96
STILL_PX: Final = 192
_THUMB_QUALITY, _STILL_QUALITY = 72, 74

LIMITS_S: Final = (15.0, 90.0)
"""Time for a file, and for all files of a page; those that are not reached by then have placeholders."""

Answer = TypeVar("Answer")
Window = tuple[float, float, float]
"""Left, top and side of a square in source pixels."""


@dataclass(frozen=True, slots=True)
class FrameRequest:
    """Frames of one raw file. `frames` are numbers at 25 fps; `window` cuts a square out, None keeps the whole."""

    clip_id: str
    frames: tuple[int, ...]
    window: Window | None = None


def thumbnail(jpeg: bytes) -> bytes:
    """Crop the middle of a picture to a small square JPEG."""
    picture = _decoded(jpeg)
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return _jpeg(_fit(picture[top : top + side, left : left + side], THUMB_PX), _THUMB_QUALITY)


def still(jpeg: bytes) -> bytes:
    """Resize a JPEG to the size of details."""
    return _jpeg(_fit(_decoded(jpeg), STILL_PX), _STILL_QUALITY)


def raw_stills(
    files: Mapping[str, Sequence[FrameRequest]], catalog: Mapping[str, Mapping[str, Any]], settings: Settings
) -> dict[str, dict[int, bytes]]:
    """Read frames of raw files, by clip and frame number, as JPEG; those that cannot be read are left out.

    `files`: requests by uri. A file is opened only if it is local, exists, and is unchanged since it was
    catalogued; never for longer than some seconds, and never in this process.
    """
    stills: dict[str, dict[int, bytes]] = {}
    for answer in from_files(grab, files, catalog, settings, dict[str, dict[int, bytes]], _picture):
        stills |= answer
    return stills


def from_files(
    work: Callable[..., Answer],
    files: Mapping[str, Sequence[Any]],
    catalog: Mapping[str, Mapping[str, Any]],
    settings: Settings,
    returns: Any,
    facts: Callable[[Mapping[str, Any]], tuple[Any, ...]],
    limits_s: tuple[float, float] = LIMITS_S,
) -> Iterator[Answer]:
    """Call `work(uri, requests, limits, *facts(row))` for each file, in a child process, and yield what it returns.

    Files that are remote, away, changed since they were catalogued, or fail are passed over. limits_s: time for each
    file, and for all together.
    """
    child, end = Decoder(settings.limits), time.monotonic() + limits_s[1]
    try:
        for uri, requests in files.items():
            left = min(limits_s[0], end - time.monotonic())
            if left <= 0:
                break
            if not _is_unchanged(uri, catalog):
                continue
            arguments = (uri, tuple(requests), settings.limits, *facts(catalog[uri]))
            try:
                answer: Answer = child.run(work, *arguments, media=[uri], time_limit_s=left, returns=returns)
            except (MediaRefusedError, RuntimeError, OSError):
                continue  # the page shows a placeholder
            yield answer
    finally:
        child.close()


def _is_unchanged(uri: str, catalog: Mapping[str, Mapping[str, Any]]) -> bool:
    try:
        path = local_path(container_of(uri))
    except ValueError:
        return False
    row = catalog.get(uri)
    return (
        path is not None and row is not None and local_file(Corpus(root=str(path.parent)), path).stamp == row["stamp"]
    )


def _picture(row: Mapping[str, Any]) -> tuple[int | None]:
    return (row.get("picture_stream"),)


def grab(
    uri: str, requested: Collection[FrameRequest], limits: LimitSettings, picture: int | None = None
) -> dict[str, dict[int, bytes]]:
    """Decode a file up to the last requested frame; runs in the child. `picture`: the stream it is cut from.

    Raises: MediaRefusedError - the file cannot be used.
    """
    requests: dict[int, list[FrameRequest]] = {}
    for request in requested:
        for number in request.frames:
            requests.setdefault(number, []).append(request)
    stills: dict[str, dict[int, bytes]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="heterodub-") as scratch,
        localise(uri, Path(scratch), limits.web_origins) as path,
    ):
        container = sniff(path)
        with open_video(path, container, probe(path, container, limits, picture), limits) as video:
            for frame in video.frames():
                for request in requests.pop(frame.index, ()):
                    stills.setdefault(request.clip_id, {})[frame.index] = _jpeg(
                        _cut(frame.rgb, request.window)[..., ::-1], 85
                    )
                if not requests:
                    break
    return stills


def spread(start: int, frames: int, count: int) -> tuple[int, ...]:
    """Return up to `count` frame numbers at even distances over a clip, its first and last included."""
    return tuple(start + int(number) for number in evenly_spaced(frames, count))


def _cut(rgb: Rgb, window: Window | None) -> Rgb:
    if window is None:
        return _fit(rgb, STILL_PX)
    left, top, side = window
    scale = STILL_PX / side
    move = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]], np.float32)
    return np.asarray(cv2.warpAffine(rgb, move, (STILL_PX, STILL_PX), flags=cv2.INTER_AREA), np.uint8)


def _fit(picture: Rgb, longest: int) -> Rgb:
    height, width = picture.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _decoded(jpeg: bytes) -> Rgb:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        return np.zeros((STILL_PX, STILL_PX, 3), np.uint8)
    return np.asarray(picture, np.uint8)


def _jpeg(bgr: Rgb, quality: int) -> bytes:
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(bgr), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"a picture of shape {bgr.shape} cannot be encoded")
    return bytes(data)


def ink(values: NDArray[np.float32]) -> bytes:
    """Render a matrix (columns, bands) as a JPEG: dark where it is loud, low bands at the bottom."""
    low, high = np.percentile(values, [10, 99.5])
    share = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    return _jpeg((255 - 235 * share.T[::-1]).astype(np.uint8), 82)
