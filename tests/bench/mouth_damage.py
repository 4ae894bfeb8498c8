"""Pictures of a face as poor footage shows it: what the mouth refiner has to see through.

Each kind of damage is drawn once for a stretch of film, as strong as footage has it.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Rgb
from heterodub.model.features.landmarks import MIRRORED

DAMAGES: Final = ("clean", "blurred", "grey", "small", "crushed", "turned", "mirrored", "dark")

Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Damage:
    """One damage to square pictures, and how it moves points.

    matrix: (2, 3), from pixels of the square to those of the damaged picture, whose side is `side_px`, before it is
    mirrored. sigma_px: of a Gaussian. quality: of a JPEG. gain, gamma, noise: of the light; noise in levels.
    """

    matrix: NDArray[np.float64]
    side_px: int
    is_mirrored: bool = False
    is_grey: bool = False
    sigma_px: float = 0.0
    quality: int = 100
    gain: float = 1.0
    gamma: float = 1.0
    noise: float = 0.0

    def picture(self, square: Rgb) -> Rgb:
        """Damage a picture."""
        rgb = self._placed(square)
        if self.sigma_px:
            rgb = cv2.GaussianBlur(rgb, (0, 0), self.sigma_px)
        if self.is_grey:
            rgb = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        if self.noise:
            light = 255 * self.gain * (np.arange(256) / 255) ** self.gamma
            rgb = cv2.LUT(rgb, np.clip(light, 0, 255).astype(np.uint8))
            rgb = cv2.add(rgb, cv2.randn(np.empty(rgb.shape, np.int16), 0, self.noise), dtype=cv2.CV_8U)
        if self.quality < 100:
            coded = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.quality])[1]
            rgb = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
        return np.ascontiguousarray(rgb)

    def _placed(self, square: Rgb) -> Rgb:
        size = (self.side_px, self.side_px)
        if self.matrix[0, 1]:
            square = cv2.warpAffine(square, self.matrix, size, borderMode=cv2.BORDER_REPLICATE)
        elif len(square) != self.side_px:
            square = cv2.resize(square, size, interpolation=cv2.INTER_AREA)
        return square[:, ::-1] if self.is_mirrored else square

    def points(self, points_PXY: Points) -> Points:
        """Return a face's points (216, 2) as they lie in the damaged picture."""
        moved = points_PXY @ self.matrix[:, :2].T + self.matrix[:, 2]
        if self.is_mirrored:
            moved = moved[MIRRORED] * (-1, 1) + (self.side_px - 1, 0)
        return moved.astype(np.float32)


def draw_damage(kind: str, side_px: int, face_px: float, rng: np.random.Generator) -> Damage:
    """Draw how strong one of DAMAGES is, for squares of that side with a face of that height."""
    plain = np.eye(2, 3)
    match kind:
        case "blurred":
            return Damage(plain, side_px, sigma_px=face_px * rng.uniform(0.01, 0.03))
        case "grey":
            return Damage(plain, side_px, is_grey=True)
        case "small":
            return _smaller(side_px, min(1.0, rng.uniform(40, 80) / face_px))
        case "crushed":
            return Damage(plain, side_px, quality=int(rng.integers(5, 16)))
        case "turned":
            middle = (side_px - 1) / 2
            degrees = rng.choice([-1, 1]) * rng.uniform(8, 40)
            return Damage(cv2.getRotationMatrix2D((middle, middle), degrees, 1.0), side_px)
        case "mirrored":
            return Damage(plain, side_px, is_mirrored=True)
        case "dark":
            gain, gamma, noise = rng.uniform(0.2, 0.8), rng.uniform(0.8, 1.6), rng.uniform(1, 6)
            return Damage(plain, side_px, gain=gain, gamma=gamma, noise=noise)
    return Damage(plain, side_px)


def _smaller(side_px: int, scale: float) -> Damage:
    small = round(side_px * scale)
    scale = small / side_px
    shift = (scale - 1) / 2  # pixels are counted from their middles
    return Damage(np.array([[scale, 0, shift], [0, scale, shift]]), small)
