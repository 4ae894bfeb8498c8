"""Notes on how a file's pictures were converted, for people: in the catalog, and in a dub's outcome."""

from fractions import Fraction

from av.video.frame import VideoFrame

from .colour import ColourTags
from .frame_converter import has_alpha, is_rgb
from .geometry import MOST_ANAMORPHIC, Geometry

_MOST_SIZES = 8
"""Sizes that are listed; a broken stream may have a new one in every picture."""


class PictureNotes:
    """Collects facts of each picture as it is decoded; `lines()` states them in sentences."""

    def __init__(self) -> None:
        self._geometries: dict[Geometry, None] = {}
        self._changes = 0
        self._last: Geometry | None = None
        self._mapped: dict[str, None] = {}
        self._alpha = False
        self.refused_aspect: Fraction | None = None
        self.deinterlaced = 0
        self.pictures = 0

    def add(self, frame: VideoFrame, geometry: Geometry) -> None:
        """Add the facts of another picture."""
        self.pictures += 1
        if geometry != self._last:
            self._changes += self._last is not None
            self._last = geometry
            if len(self._geometries) < _MOST_SIZES:
                self._geometries[geometry] = None
            self._alpha = self._alpha or has_alpha(frame)
            colours = ColourTags.of(frame)
            if colours.mapped and not is_rgb(frame):
                self._mapped[colours.describe()] = None

    def lines(self) -> tuple[str, ...]:
        """Return one sentence a fact; none for pictures that were simply shown."""
        notes = [
            f"pixels of {_ratio(size.aspect)} are made square: "
            f"{size.width} x {size.height} is shown as {size.describe()}"
            for size in self._geometries
            if size.squared != (size.width, size.height)
        ]
        if self.refused_aspect is not None:
            claimed = _ratio(self.refused_aspect)
            notes.append(f"pixels of {claimed} are not believed (limit {MOST_ANAMORPHIC}:1) and taken for square")
        if self._changes:
            sizes = ", ".join(dict.fromkeys(size.describe() for size in self._geometries))
            notes.append(f"size or direction changes midway, {self._changes} times ({sizes}); clips end there")
        notes += [f"colours are mapped from {kind} to BT.709" for kind in self._mapped]
        if self._alpha:
            notes.append("see-through parts lie over black")
        if self.deinterlaced:
            notes.append(f"{self.deinterlaced} of {self.pictures} pictures are interlaced, and were deinterlaced")
        return tuple(notes)


def _ratio(aspect: Fraction) -> str:
    return f"{aspect.numerator}:{aspect.denominator}"
