"""Conversion of decoded frames to RGB, as a BT.709 screen with square pixels shows them, and notes on what was done."""

import os
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from .colour import FULL, LIMITED, ColourTags, tone_mapping
from .counted_notes import CountedNotes
from .deinterlacing import filter_chain
from .geometry import MOST_ANAMORPHIC, Geometry

_CUBE: Final = 33
"""Grid points along a side of the table of colours, the size that is usual; 0.5 of 255 off on average."""

_EXPANDED: Final = np.rint(np.clip((np.arange(256) - 16) * (255 / 219), 0, 255)).astype(np.uint8)


class FrameConverter:
    """Converts frames to RGB, each in its own proportions, direction and colours. Transparent parts lie over black.

    HDR and wide gamuts are mapped to BT.709, see heterodub.tasks.media.colour.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._mappers: dict[tuple[object, ...], Graph] = {}

    def __call__(self, frame: VideoFrame, geometry: Geometry) -> np.ndarray:
        """(H, W, 3) uint8 as displayed."""
        colours = ColourTags.of(frame)
        mapped = colours.mapped and not is_rgb(frame)
        rgb = self._mapped(frame, geometry, colours) if mapped else self._packed(frame, geometry, "rgb24")
        if has_alpha(frame):
            rgba = self._packed(frame, geometry, "rgba")
            rgb = _over_black(rgb if mapped else rgba[..., :3], rgba[..., 3:])
        return geometry.turned.apply(rgb)

    def _packed(self, frame: VideoFrame, geometry: Geometry, form: str) -> np.ndarray:
        width, height = geometry.squared
        stretched = (width, height) != (frame.width, frame.height)
        packed: np.ndarray = self._reformatter.reformat(
            frame,
            width,
            height,
            form,
            src_colorspace=ColourTags.of(frame).conversion,
            interpolation=Interpolation.BICUBIC if stretched else None,
            threads=1,
        ).to_ndarray()
        # ffmpeg takes all grey for full range
        narrow = frame.format.name.startswith("gray") and int(frame.color_range) == LIMITED
        return _EXPANDED[packed] if narrow else packed

    def _mapped(self, frame: VideoFrame, geometry: Geometry, colours: ColourTags) -> np.ndarray:
        key = (frame.format.name, frame.width, frame.height, geometry.squared, colours)
        graph = self._mappers.get(key)
        if graph is None:
            self._mappers.clear()
            graph = self._mappers[key] = _mapper(frame, geometry, colours)
        tags = frame.pts, frame.colorspace, frame.color_range
        frame.pts, frame.colorspace, frame.color_range = 0, colours.matrix, FULL if colours.full else LIMITED
        try:
            graph.vpush(frame)
            packed: np.ndarray = graph.vpull().to_ndarray()
        finally:
            frame.pts, frame.colorspace, frame.color_range = tags
        return packed


def is_rgb(frame: VideoFrame) -> bool:
    """Return True if samples are red, green and blue, or indices into a palette of them."""
    return frame.format.is_rgb or frame.format.has_palette


def has_alpha(frame: VideoFrame) -> bool:
    """Return True if parts of the frame can be transparent."""
    return frame.format.has_palette or any(component.is_alpha for component in frame.format.components)


def _over_black(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return ((rgb * alpha.astype(np.uint16) + 127) // 255).astype(np.uint8)


def _mapper(frame: VideoFrame, geometry: Geometry, colours: ColourTags) -> Graph:
    """Build a filter graph from frames of this kind to RGB of the screen, by a table of colours."""
    width, height = geometry.squared
    base = frame.time_base or Fraction(1, 1000)
    options = (
        f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:pixel_aspect=1/1"
        f":time_base={base.numerator}/{base.denominator}"
        f":colorspace={colours.matrix}:range={FULL if colours.full else LIMITED}"
    )
    handle, name = tempfile.mkstemp(suffix=".cube", prefix="heterodub-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(_cube(colours))
        return filter_chain(
            ("buffer", options),
            ("scale", f"w={width}:h={height}:flags=bicubic"),
            ("format", "pix_fmts=gbrp10le"),
            ("lut3d", f"file={_quoted(Path(name))}:interp=tetrahedral"),
            ("scale", ""),
            ("format", "pix_fmts=rgb24"),
            ("buffersink", ""),
        )
    finally:
        Path(name).unlink(missing_ok=True)


def _quoted(path: Path) -> str:
    """The name as a filter's option takes it."""
    return "'" + str(path).replace("\\", "\\\\").replace("'", "'\\''").replace(":", "\\:") + "'"


def _cube(colours: ColourTags) -> str:
    """The screen's colours for a grid of the frame's, red running fastest, as a .cube file."""
    grid = np.rint(np.linspace(0, 0xFFFF, _CUBE)).astype(np.uint16)
    blue, green, red = np.meshgrid(grid, grid, grid, indexing="ij")
    screen = tone_mapping(colours).to_screen(np.stack([red, green, blue], axis=-1).reshape(-1, 1, 3))
    rows = "\n".join("{:.5f} {:.5f} {:.5f}".format(*colour) for colour in (screen.reshape(-1, 3) / 255).tolist())
    return f"LUT_3D_SIZE {_CUBE}\n{rows}\n"


_MOST_SIZES = 8
"""Sizes that are listed; a broken stream may have a new one in every picture."""


class PictureNotes:
    """Collects facts of each picture as it is decoded; `counted()` states them in sentences."""

    def __init__(self) -> None:
        self._geometries: dict[Geometry, None] = {}
        self._changes = 0
        self._last: Geometry | None = None
        self._mapped: dict[str, None] = {}
        self._alpha = False
        self.refused_aspect: Fraction | None = None
        self.deinterlaced = 0
        self.pictures = 0

    @property
    def has_many_sizes(self) -> bool:
        """True if size, shape or direction change from picture to picture."""
        return len(self._geometries) > 1

    def add(self, frame: VideoFrame, geometry: Geometry, is_counted: bool = True) -> None:
        """Add the facts of another picture; of one that is not counted, no more than its size is remembered."""
        before, self._last = self._last, geometry
        if not is_counted:
            return
        self.pictures += 1
        if geometry != before or self.pictures == 1:
            self._changes += before not in (None, geometry)
            if len(self._geometries) < _MOST_SIZES:
                self._geometries[geometry] = None
            self._alpha = self._alpha or has_alpha(frame)
            colours = ColourTags.of(frame)
            if colours.mapped and not is_rgb(frame):
                self._mapped[colours.describe()] = None

    def counted(self) -> CountedNotes:
        """Return one sentence a fact, with its numbers; none for pictures that were simply shown."""
        notes = dict[str, Sequence[int]]()
        said = [
            f"pixels of {_ratio(size.aspect)} are made square: "
            f"{size.width} x {size.height} is shown as {size.describe()}"
            for size in self._geometries
            if size.squared != (size.width, size.height)
        ]
        if self.refused_aspect is not None:
            claimed = _ratio(self.refused_aspect)
            said.append(f"pixels of {claimed} are not believed (limit {MOST_ANAMORPHIC}:1) and taken for square")
        said += [f"colours are mapped from {kind} to BT.709" for kind in self._mapped]
        if self._alpha:
            said.append("see-through parts lie over black")
        if self._changes:
            notes["size or direction changes midway, {} times; clips end there"] = [self._changes]
        notes |= dict.fromkeys(said, ())
        if self.deinterlaced:
            notes["{} pictures are interlaced, and were deinterlaced"] = [self.deinterlaced]
        return notes


def _ratio(aspect: Fraction) -> str:
    return f"{aspect.numerator}:{aspect.denominator}"
