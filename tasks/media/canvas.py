"""Frames of the output: all of one size and kind, with the source's own samples wherever they can be kept."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import cv2
import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from heterodub.model.dubbing.compositing import Colours, Planes
from heterodub.model.features.arrays import Floats, Rgb
from heterodub.tasks.media.colour import FULL, LIMITED, UNSAID, ColourTags, tone_mapping
from heterodub.tasks.media.frame_converter import FrameConverter, has_alpha, is_rgb
from heterodub.tasks.media.geometry import Geometry, Orientation, fitted, side_data_of

_SD: Final = 6
"""SMPTE 170M: colours of the output where pictures come as RGB."""

_DEEP: Final = 10
"""Bits a sample of H.264's profile High 10, which is written where the source has more than 8."""


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """Format of the output's frames - colours, shapes and directions - taken from the source.

    pix_fmt: planes of luma and chroma of 8 or 10 bits, 4:2:0, or 4:4:4 where a side is odd: 4:2:0 has no odd sizes.
    matrix, primaries, transfer, range: H.273's and ffmpeg's numbers, as stated by the source. tags: the same, with
    unspecified values filled in. geometry: of the first picture, and so of all. display_matrix: its direction as the
    container has it, nine numbers, or None. notes: properties of the source that are not kept.
    """

    width: int
    height: int
    pix_fmt: str
    matrix: int
    primaries: int
    transfer: int
    range: int
    tags: ColourTags
    geometry: Geometry
    display_matrix: tuple[int, ...] | None
    rate: Fraction | None
    notes: tuple[str, ...] = ()

    @property
    def bits(self) -> int:
        """Bits a sample."""
        return _DEEP if "p10" in self.pix_fmt else 8

    @property
    def turned(self) -> Orientation:
        """Orientation in which the coded picture is displayed."""
        return self.geometry.turned

    @property
    def colours(self) -> Colours:
        """For heterodub.model.dubbing.compositing."""
        return Colours(self.tags.matrix, self.tags.full, self.bits)


def look_of(frame: VideoFrame, geometry: Geometry, stream: VideoStream) -> PictureFormat:
    """Derive the format of the output from a film's first picture."""
    is_tagged = not is_rgb(frame) and not frame.format.name.startswith(("gray", "ya"))
    tags = ColourTags.of(frame) if is_tagged else ColourTags(_SD)
    deep = _depth(frame) > 8
    full = is_tagged and not deep and frame.format.name.startswith("yuvj")
    odd = frame.width % 2 or frame.height % 2
    matrix = side_data_of(frame, Type.DISPLAYMATRIX)
    return PictureFormat(
        width=frame.width,
        height=frame.height,
        pix_fmt=f"{'yuvj' if full else 'yuv'}{'444p' if odd else '420p'}{'10le' if deep else ''}",
        matrix=int(frame.colorspace) if is_tagged else _SD,
        primaries=int(frame.color_primaries) if is_tagged else UNSAID,
        transfer=int(frame.color_trc) if is_tagged else UNSAID,
        range=int(frame.color_range) if is_tagged else LIMITED,
        tags=tags,
        geometry=geometry,
        display_matrix=None if matrix is None else tuple(int(number) for number in matrix),
        rate=stream.average_rate or stream.guessed_rate,
        notes=tuple(_losses(frame, tags, odd=bool(odd))),
    )


def _depth(frame: VideoFrame) -> int:
    return max((component.bits for component in frame.format.components), default=8)


def _losses(frame: VideoFrame, tags: ColourTags, *, odd: bool) -> list[str]:
    """List the properties of a source that H.264, as written here, does not keep."""
    losses = []
    depth = _depth(frame)
    if depth > 8:
        cut = "" if depth == _DEEP else f", of {depth} in the source"
        losses.append(f"10 bits a sample are written{cut} (H.264 High 10), which some players do not show")
    whole = frame.format.chroma_width(16), frame.format.chroma_height(16)
    if not odd and not is_rgb(frame) and len(frame.format.components) >= 3 and whole != (8, 8):
        losses.append("chroma is written at half the width and height (4:2:0)")
    if tags.hdr:
        losses.append("HDR is kept, but not what the source says of its mastering")
    return losses


class Canvas:
    """Converts source pictures to frames that can be changed and encoded: all of one size and kind.

    A picture of another size or direction than the first is shown whole, on black, in its own proportions.
    """

    def __init__(self, look: PictureFormat) -> None:
        self._look = look
        self._reformatter = VideoReformatter()
        self._convert = FrameConverter()

    def rgb(self, frame: VideoFrame, geometry: Geometry | None = None) -> Rgb:
        """Return (H, W, 3) uint8 as displayed, the same picture that trackers and networks get, and ingest got."""
        shape = geometry or self._geometry(frame)
        rgb = self._convert(frame, shape)
        return rgb if shape == self._look.geometry else fitted(rgb, *self._look.geometry.displayed)

    def output(self, frame: VideoFrame, geometry: Geometry | None = None) -> VideoFrame:
        """Return the picture as a frame of the output; the source's own where it is of that kind. Do not change it."""
        look = self._look
        if is_rgb(frame) or has_alpha(frame) or (geometry or self._geometry(frame)) != look.geometry:
            return self._from_screen(self.rgb(frame, geometry))
        if frame.format.name == look.pix_fmt:
            return frame
        ranges: Any = {"src_color_range": look.range, "dst_color_range": look.range} if look.range else {}
        space = look.tags.conversion
        return self._reformatter.reformat(
            frame,
            look.width,
            look.height,
            look.pix_fmt,
            src_colorspace=space,
            dst_colorspace=space,
            threads=1,
            **ranges,
        )

    def copy(self, frame: VideoFrame, geometry: Geometry | None = None) -> VideoFrame:
        """Return `output` as a new frame, which may be changed: a decoder still predicts from its own frames."""
        source = self.output(frame, geometry)
        copy = VideoFrame(source.width, source.height, source.format.name)
        for old, new in zip(source.planes, copy.planes, strict=True):
            row_bytes = old.width * (2 if self._look.bits > 8 else 1)
            _memory(new)[: old.height, :row_bytes] = _memory(old)[: old.height, :row_bytes]
        return copy

    def change(self, current: Rgb, target: Floats) -> Floats:
        """Return the change of the source's R'G'B' (0..255) that turns colours on the screen (0..255) into others.

        Where they are equal it is 0 exactly.
        """
        if not self._look.tags.mapped:
            return np.asarray(target - current)
        mapping = tone_mapping(self._look.tags)
        difference = np.subtract(mapping.from_screen(target), mapping.from_screen(current))
        return np.asarray(np.where(target == current, 0, 255 * difference), np.float32)

    def _geometry(self, frame: VideoFrame) -> Geometry:
        """Geometry of a frame, with the first picture's pixel aspect."""
        return Geometry(frame.width, frame.height, self._look.geometry.aspect, Orientation.of(frame))

    def _from_screen(self, rgb: Rgb) -> VideoFrame:
        look = self._look
        coded = _undisplayed(rgb, look.geometry)
        if look.tags.mapped:
            signal = np.rint(tone_mapping(look.tags).from_screen(coded) * 0xFFFF).astype(np.uint16)
            frame = VideoFrame.from_ndarray(signal, "rgb48le")
        else:
            frame = VideoFrame.from_ndarray(coded, "rgb24")
        return self._reformatter.reformat(
            frame,
            look.width,
            look.height,
            look.pix_fmt,
            dst_colorspace=look.tags.conversion,
            dst_color_range=FULL if look.tags.full else LIMITED,
            threads=1,
        )


def squeezed(
    change_HW3: Floats, place: tuple[int, int], stretch: tuple[float, float]
) -> tuple[Floats, tuple[int, int]]:
    """Convert a change at a place (left, top) of the displayed picture to the frame's own samples and place.

    stretch: displayed pixels a sample, along width and height; 1 where pixels are square.
    """
    if stretch == (1, 1):
        return change_HW3, place
    displayed_size = change_HW3.shape[1], change_HW3.shape[0]
    low = [math.floor(at / by) for at, by in zip(place, stretch, strict=True)]
    high = [math.ceil((at + size) / by) for at, size, by in zip(place, displayed_size, stretch, strict=True)]
    shift = [(first + 0.5) * by - 0.5 - at for first, by, at in zip(low, stretch, place, strict=True)]
    to_displayed = np.array([[stretch[0], 0, shift[0]], [0, stretch[1], shift[1]]])
    change: Floats = cv2.warpAffine(
        np.asarray(change_HW3, np.float32),
        to_displayed,
        (high[0] - low[0], high[1] - low[1]),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    return change, (low[0], low[1])


def planes_of(frame: VideoFrame, look: PictureFormat) -> Planes:
    """Return a writable frame's planes, turned as displayed: views, so writing to them changes the frame.

    Their samples are those of the file: displayed pixels are `look.geometry.stretch` times as many.
    """
    views = []
    halved = "420" in look.pix_fmt
    for number, plane in enumerate(frame.planes):
        rows, columns = (look.height // 2, look.width // 2) if halved and number else (look.height, look.width)
        samples = _memory(plane).view(np.uint16 if look.bits > 8 else np.uint8)[:rows, :columns]
        straight = samples[:, ::-1] if look.turned.mirrored else samples
        views.append(np.rot90(straight, -look.turned.clockwise_quarters))
    return Planes(views[0], views[1], views[2], halved)


def _memory(plane: VideoPlane) -> NDArray[np.uint8]:
    """View a plane's memory as (rows, bytes a row)."""
    memory: Any = plane  # numpy accepts it, though its types do not say so
    samples: NDArray[np.uint8] = np.frombuffer(memory, np.uint8).reshape(-1, plane.line_size)
    return samples


def _undisplayed(rgb: Rgb, geometry: Geometry) -> Rgb:
    """Invert the turning and stretching that make a coded picture a displayed one."""
    straight = np.rot90(rgb, geometry.turned.clockwise_quarters)
    straight = np.ascontiguousarray(straight[:, ::-1] if geometry.turned.mirrored else straight)
    if geometry.squared == (geometry.width, geometry.height):
        return straight
    return np.asarray(cv2.resize(straight, (geometry.width, geometry.height), interpolation=cv2.INTER_AREA))
