"""What a person should know of how a file's pictures were shown: for the catalog, and for a dub's outcome."""

from fractions import Fraction

from av.video.frame import VideoFrame

from .colour import ColourTags
from .frame_converter import has_alpha, is_rgb
from .geometry import MOST_ANAMORPHIC, Geometry

_MOST_SIZES = 8
"""Sizes that are named; a broken stream may have a new one in every picture."""


class PictureNotes:
    """Collects facts of each picture as it is decoded; `lines()` puts them into words."""

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
        """Take the facts of another picture."""
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
        """One sentence a fact; none for pictures that were simply shown."""
        found = [
            f"pixels of {_ratio(one.aspect)} are made square: {one.width} x {one.height} is shown as {one.describe()}"
            for one in self._geometries
            if one.squared != (one.width, one.height)
        ]
        if self.refused_aspect is not None:
            claimed = _ratio(self.refused_aspect)
            found.append(f"pixels of {claimed} are not believed (limit {MOST_ANAMORPHIC}:1) and taken for square")
        if self._changes:
            sizes = ", ".join(dict.fromkeys(one.describe() for one in self._geometries))
            found.append(f"size or direction changes midway, {self._changes} times ({sizes}); clips end there")
        found += [f"colours are mapped from {kind} to BT.709" for kind in self._mapped]
        if self._alpha:
            found.append("see-through parts lie over black")
        if self.deinterlaced:
            found.append(f"{self.deinterlaced} of {self.pictures} pictures are interlaced, and were deinterlaced")
        return tuple(found)


def _ratio(aspect: Fraction) -> str:
    return f"{aspect.numerator}:{aspect.denominator}"
