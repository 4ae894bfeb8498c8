"""Colours of a frame: its tags, and what a BT.709 screen shows of HDR and wide-gamut pictures, there and back.

Light is taken relative to the white of a page: 203 nits in HDR (BT.2408, table 1), 1.0 on the BT.709 screen, whose
gamma is 2.4 (BT.1886). What is darker than about half of that, skin included, keeps its light; brighter parts are bent
into the rest by the curve of BT.2390 (section 5.4.1), worked out on the brightest of red, green and blue and applied
to all three, so that hues stay. The gamut is converted by matrices (BT.2087); what lies outside is cut off.

Shape suffix legend: H, W = rows and columns.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from heterodub.model.features.arrays import Floats

from .geometry import side_data_of

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
"""Size in pixels from which pictures without a stated matrix are BT.709, smaller ones BT.601: players' rule."""

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


WHITE_NITS: Final = 203.0
"""BT.2408: HDR reference white, of which a BT.709 screen makes its white."""

HLG_NITS: Final = 1000.0
HLG_GAMMA: Final = 1.2
"""BT.2100: nominal peak and system gamma of the HLG reference display."""

SDR_GAMMA: Final = 2.4
"""BT.1886."""

_STEPS: Final = 4096
"""Entries of the curves that are looked up."""

_D65: Final = (0.3127, 0.3290)
_P3: Final = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
_CHROMATICITIES: Final = {
    BT709: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    DCI_P3: _P3,
    DISPLAY_P3: _P3,
}
"""H.273, table 2; P3 with D65 for white, as video has it."""


def pq_to_nits(signal: Floats) -> Floats:
    """BT.2100's EOTF of PQ: signal 0..1 to light, 0..10000 nits."""
    root = np.power(np.clip(signal, 0, 1), 1 / _M2)
    light: Floats = 10_000 * np.power(np.maximum(root - _C1, 0) / (_C2 - _C3 * root), 1 / _M1)
    return light


def nits_to_pq(nits: Floats) -> Floats:
    """The inverse of pq_to_nits."""
    power = np.power(np.clip(nits, 0, 10_000) / 10_000, _M1)
    signal: Floats = np.power((_C1 + _C2 * power) / (1 + _C3 * power), _M2)
    return signal


_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128


def hlg_to_scene(signal: Floats) -> Floats:
    """BT.2100's inverse OETF of HLG: signal 0..1 to scene light 0..1."""
    signal = np.clip(signal, 0, 1)
    scene: Floats = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _C) / _A) + _B) / 12)
    return scene


def scene_to_hlg(scene: Floats) -> Floats:
    """The inverse of hlg_to_scene."""
    scene = np.clip(scene, 0, 1)
    bright = _A * np.log(np.maximum(12 * scene - _B, 1e-9)) + _C
    signal: Floats = np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright)
    return signal


_A, _B, _C = 0.17883277, 0.28466892, 0.55991073


def compressed(light: Floats, peak: float) -> Floats:
    """BT.2390's curve: light 0..peak to 0..1, both relative to white."""
    if peak <= 1:
        return np.minimum(light, 1)
    span, white = (float(level) for level in nits_to_pq(np.array([peak, 1.0]) * WHITE_NITS))
    most = white / span
    knee = 1.5 * most - 0.5
    stated = np.clip(nits_to_pq(light * WHITE_NITS) / span, 0, 1)
    t = np.maximum(stated - knee, 0) / (1 - knee)
    bent = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
    mapped: Floats = np.minimum(pq_to_nits(np.where(stated < knee, stated, bent) * span) / WHITE_NITS, 1)
    return mapped


def _to_xyz(primaries: int) -> Floats:
    columns = [[x / y, 1, (1 - x - y) / y] for x, y in _CHROMATICITIES[primaries]]
    white = np.array([_D65[0] / _D65[1], 1, (1 - _D65[0] - _D65[1]) / _D65[1]])
    basis = np.array(columns).T
    return np.asarray(basis * np.linalg.solve(basis, white))


class ToneMapping:
    """Conversion between the colours of a kind of frame and those of a BT.709 screen. Made by `tone_mapping`."""

    def __init__(self, colours: ColourTags) -> None:
        self._transfer = colours.transfer
        gamut = _to_xyz(colours.gamut if colours.gamut in _CHROMATICITIES else BT709)
        screen = _to_xyz(BT709)
        self._to_screen = np.asarray(np.linalg.solve(screen, gamut), np.float32)
        self._from_screen = np.linalg.inv(self._to_screen.astype(np.float64))
        self._luminance = np.asarray(gamut[1:2], np.float32)
        self._peak = self._peak_of(colours)
        signal = np.arange(1 << 16) / 0xFFFF
        self._light = np.asarray(self._decoded(signal), np.float32)
        bright = (np.arange(_STEPS) + 0.5) / _STEPS * self._peak
        self._bent = compressed(bright, self._peak)
        self._gain = np.asarray(self._bent / bright, np.float32)
        self._coded = np.rint(255 * (np.arange(_STEPS + 1) / _STEPS) ** (2 / SDR_GAMMA)).astype(np.uint8)

    def to_screen(self, signal_HW3: NDArray[np.uint16]) -> NDArray[np.uint8]:
        """R'G'B' of the frame (0..65535) as the screen's (0..255), (H, W, 3)."""
        light = self._light[signal_HW3]
        if self._transfer == HLG:
            luminance = cv2.transform(light, self._luminance)
            light *= (HLG_NITS / WHITE_NITS * cv2.pow(luminance, HLG_GAMMA - 1))[..., None]
        if self._transfer in (PQ, HLG):
            steps = np.minimum(light.max(axis=2) * (_STEPS / self._peak), _STEPS - 1).astype(np.int32)
            light *= self._gain[steps][..., None]
        screen_light = np.clip(cv2.transform(light, self._to_screen), 0, 1)
        return np.asarray(self._coded[(cv2.sqrt(screen_light) * _STEPS + 0.5).astype(np.int32)])

    def from_screen(self, rgb_HW3: NDArray[Any]) -> Floats:
        """R'G'B' of the frame (0..1) for the screen's (0..255): the inverse, as far as nothing was cut off."""
        light = np.power(np.clip(np.asarray(rgb_HW3, np.float64), 0, 255) / 255, SDR_GAMMA) @ self._from_screen.T
        light = np.maximum(light, 0)
        if self._transfer not in (PQ, HLG):
            return np.clip(light, 0, 1) ** (1 / SDR_GAMMA)
        most = light.max(axis=-1, keepdims=True)
        bright = (np.arange(_STEPS) + 0.5) / _STEPS * self._peak
        below = most <= self._bent[0]
        expanded = np.interp(most, self._bent, bright)
        light = light * np.where(below, 1, expanded / np.maximum(most, 1e-9))
        if self._transfer == PQ:
            return nits_to_pq(light * WHITE_NITS)
        display_light = light * (WHITE_NITS / HLG_NITS)
        luminance = np.maximum(display_light @ self._luminance.astype(np.float64).T, 1e-9)
        return scene_to_hlg(display_light * luminance ** ((1 - HLG_GAMMA) / HLG_GAMMA))

    def _decoded(self, signal: Floats) -> Floats:
        if self._transfer == PQ:
            return pq_to_nits(signal) / WHITE_NITS
        return hlg_to_scene(signal) if self._transfer == HLG else signal**SDR_GAMMA

    @staticmethod
    def _peak_of(colours: ColourTags) -> float:
        if not colours.hdr:
            return 1.0
        return (HLG_NITS if colours.transfer == HLG else colours.peak_nits) / WHITE_NITS


@lru_cache(maxsize=4)
def tone_mapping(colours: ColourTags) -> ToneMapping:
    """Return the mapping for frames with these tags."""
    return ToneMapping(colours)
