"""Colour tags of a frame, with defaults where the file states none."""

from dataclasses import dataclass
from typing import Final

from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

from .side_data import side_data_of

LIMITED, FULL = 1, 2
"""ffmpeg's numbers of ranges: luma of 16..235, or of 0..255."""

BT709, UNSAID, BT601, BT2020 = 1, 2, 6, 9
"""H.273's numbers of matrices; BT709, UNSAID (unspecified) and BT2020 are those of primaries, too."""
DCI_P3, DISPLAY_P3 = 11, 12
"""H.273's numbers of P3's primaries."""
PQ, HLG = 16, 18
"""H.273's numbers of the transfers of BT.2100."""

WIDE: Final = frozenset({BT2020, DCI_P3, DISPLAY_P3})
"""Primaries that a BT.709 screen shows too pale. Those of BT.601 are near; players do not convert them."""

_CONVERTED: Final = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
"""ffmpeg's number of the conversion for each matrix; constant luminance (10) is taken for the other BT.2020."""

_HD_WIDTH, _HD_HEIGHT = 1280, 576
"""Where no matrix is stated, pictures at least so wide or higher are BT.709, smaller ones BT.601: players' rule."""

_STANDARD_PEAK: Final = 1000.0
"""Nits. HLG's nominal peak (BT.2100), and that of most PQ masters; stands in where a PQ file names none."""

_MASTERING_INTS: Final = 22
"""AVMasteringDisplayMetadata: 3 x 2 + 2 chromaticities, least and most luminance as fractions, two flags."""


@dataclass(frozen=True, slots=True)
class ColourTags:
    """Colour coding of a frame, in H.273's numbers; only transfer and primaries of common kinds may be unspecified.

    full: True if luma is 0..255. peak_nits: brightest light of an HDR picture.
    """

    matrix: int = BT601
    full: bool = False
    transfer: int = UNSAID
    primaries: int = UNSAID
    peak_nits: float = _STANDARD_PEAK

    @classmethod
    def of(cls, frame: VideoFrame) -> "ColourTags":
        """Tags of a frame, completed by what players assume."""
        transfer, primaries = int(frame.color_trc), int(frame.color_primaries)
        full = frame.format.name.startswith("yuvj") or int(frame.color_range) == FULL
        peak = _mastering_peak(frame) if transfer == PQ else _STANDARD_PEAK
        return cls(_matrix(frame, transfer, primaries), full, transfer, primaries, peak)

    @property
    def hdr(self) -> bool:
        """True if highlights exceed what a BT.709 screen shows."""
        return self.transfer in (PQ, HLG)

    @property
    def gamut(self) -> int:
        """The primaries; those of BT.2020 where an HDR file names none."""
        return BT2020 if self.hdr and self.primaries == UNSAID else self.primaries

    @property
    def mapped(self) -> bool:
        """True if colours have to be mapped to those of a BT.709 screen."""
        return self.hdr or self.gamut in WIDE

    @property
    def conversion(self) -> int:
        """The matrix as ffmpeg's scaler numbers it."""
        return _CONVERTED[self.matrix]

    def describe(self) -> str:
        """Name what is mapped, such as "PQ BT.2020"."""
        kinds = {PQ: "PQ", HLG: "HLG"}
        gamuts = {BT2020: "BT.2020", DCI_P3: "P3", DISPLAY_P3: "P3"}
        return " ".join(word for word in (kinds.get(self.transfer), gamuts.get(self.gamut)) if word)


def _matrix(frame: VideoFrame, transfer: int, primaries: int) -> int:
    stated = int(frame.colorspace)
    if stated in _CONVERTED:
        return stated
    if transfer in (PQ, HLG) or primaries == BT2020:
        return BT2020
    return BT709 if frame.width >= _HD_WIDTH or frame.height > _HD_HEIGHT else BT601


def _mastering_peak(frame: VideoFrame) -> float:
    numbers = side_data_of(frame, Type.MASTERING_DISPLAY_METADATA)
    if numbers is None or len(numbers) < _MASTERING_INTS:
        return _STANDARD_PEAK
    most, over, has_luminance = int(numbers[18]), int(numbers[19]), int(numbers[21])
    peak = most / over if has_luminance and over else 0.0
    return peak if 100 <= peak <= 10_000 else _STANDARD_PEAK
