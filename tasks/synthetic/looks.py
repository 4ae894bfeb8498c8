"""Parts drawn on the photograph, by which the speakers differ: hair, beard, spectacles, lines of age, clothes.

Outlines are in pixels of the photograph.
"""

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np

from .drawing import Colour, Drawing, Plane, ellipse, filled, line_mask
from .photo import LIP_LOWER, LIP_UPPER, Photo

Hair = Literal["own", "bald", "receding", "cropped", "long", "bob", "curly", "bun", "cap", "beanie"]
Beard = Literal["none", "stubble", "moustache", "goatee", "full"]


@dataclass(frozen=True, slots=True)
class Look:
    """Parts drawn on a person. age: 0 as photographed, -1 smoothed, 1 wrinkled. `light` brightens one side."""

    hair: Hair = "own"
    hair_colour: Colour = (70, 50, 36)
    beard: Beard = "none"
    brows: float = 0.0
    glasses: bool = False
    age: float = 0.0
    clothes: Colour = (60, 70, 90)
    collar: bool = False
    light: float = 0.0


_SKULL: Final = ((226, 92), (54, 68))
_LONG: Final = (
    (226, 17), (262, 24), (286, 48), (296, 90), (300, 140), (306, 200), (296, 232), (262, 224), (262, 190), (268, 150),
    (272, 112), (266, 86), (248, 62), (228, 46), (206, 62), (189, 84), (181, 110), (184, 150), (188, 190), (186, 224),
    (152, 232), (146, 200), (152, 140), (156, 90), (166, 48), (190, 24),
)  # fmt: skip
_BOB: Final = (
    (226, 18), (264, 26), (288, 52), (296, 100), (294, 150), (276, 172), (266, 160), (270, 124), (268, 96), (262, 76),
    (226, 72), (190, 73), (186, 96), (180, 124), (186, 160), (174, 172), (156, 150), (154, 100), (164, 52), (188, 26),
)  # fmt: skip
_CURLS: Final = (
    (182, 112), (174, 96), (168, 78), (170, 60), (180, 44), (194, 33), (210, 27), (227, 25), (244, 27), (260, 33),
    (274, 45), (282, 60), (285, 78), (280, 96), (272, 112), (200, 46), (226, 42), (252, 47), (188, 62), (266, 63),
)  # fmt: skip
_FACE: Final = (
    (184, 130), (181, 105), (188, 84), (196, 68), (212, 60), (227, 58), (243, 61), (258, 69), (267, 87), (272, 105),
    (268, 132), (258, 160), (226, 184), (192, 160),
)  # fmt: skip
_CAP: Final = ((172, 84), (170, 60), (184, 32), (226, 17), (268, 33), (284, 62), (281, 86), (226, 76))
_BRIM: Final = ((168, 82), (190, 72), (226, 68), (262, 73), (285, 84), (262, 86), (226, 82), (190, 85))
_BEANIE: Final = ((174, 88), (172, 60), (188, 26), (226, 12), (266, 27), (282, 62), (279, 90), (226, 78))
_CUFF: Final = ((173, 88), (172, 70), (200, 61), (226, 59), (252, 62), (282, 72), (280, 91), (226, 79))
_BEARD: Final = (
    (180, 112), (186, 120), (190, 136), (199, 142), (207, 135), (223, 133), (240, 136), (249, 144), (262, 138),
    (266, 124), (272, 114), (270, 140), (261, 163), (246, 180), (224, 188), (201, 180), (188, 162), (182, 138),
)  # fmt: skip
_GOATEE: Final = (
    (199, 146), (203, 136), (212, 133), (223, 133), (236, 134), (245, 137), (249, 147), (244, 170), (224, 185),
    (205, 170),
)  # fmt: skip
_MOUSTACHE: Final = (
    (198, 143), (205, 136), (214, 133), (223, 134), (233, 134), (242, 137), (250, 145), (240, 141), (223, 139),
    (207, 140),
)  # fmt: skip
_SHOULDERS: Final = (
    (186, 176), (200, 189), (223, 195), (246, 192), (258, 178), (276, 192), (330, 212), (372, 236), (380, 290),
    (70, 290), (78, 236), (118, 210), (168, 190),
)  # fmt: skip
_NECK: Final = ((187, 160), (258, 160), (262, 200), (224, 216), (184, 200))
_CHIN: Final = ((188, 150), (196, 166), (208, 177), (222, 180), (238, 177), (250, 166), (260, 150))
_COLLAR: Final = (
    ((186, 172), (180, 184), (202, 210), (223, 198), (200, 189)),
    ((258, 174), (266, 186), (244, 211), (223, 198), (246, 191)),
)
_EARS: Final = (((176, 110), (6, 15)), ((276, 113), (6, 15)))
_BROWS: Final = (((190, 92), (197, 88), (205, 87), (213, 91)), ((239, 92), (247, 89), (256, 90), (265, 96)))
_LENSES: Final = (((203, 102), (17, 13)), ((248, 104), (17, 13)))
_BRIDGE_AND_TEMPLES: Final = (((220, 98), (231, 99)), ((187, 96), (174, 100)), ((264, 98), (277, 103)))
_LINES: Final = (
    ((196, 68), (210, 65), (227, 66), (243, 66), (257, 70)), ((194, 75), (210, 72), (227, 73), (244, 73), (259, 77)),
    ((208, 129), (202, 136), (197, 144), (196, 153)), ((240, 130), (247, 137), (252, 145), (253, 154)),
    ((191, 101), (181, 97)), ((191, 104), (180, 105)), ((261, 103), (270, 100)), ((261, 107), (271, 109)),
    ((195, 108), (203, 111), (212, 109)), ((238, 110), (247, 113), (256, 111)),
    ((202, 152), (201, 163)), ((246, 153), (248, 164)), ((221, 86), (220, 95)), ((229, 86), (230, 95)),
)  # fmt: skip


def dressed(source: Photo, look: Look, rng: np.random.Generator) -> tuple[Plane, Plane]:
    """Return the photograph with a look and the mask of the person in it: `picture` and `alpha` of a Drawing."""
    drawing = _Portrait(source, look, rng)
    if look.hair != "own":
        drawing.skull()
    drawing.clothes()
    drawing.age()
    drawing.beard()
    drawing.brows()
    drawing.hair()
    if look.glasses:
        drawing.glasses()
    drawing.light()
    return drawing.picture, drawing.alpha


class _Portrait(Drawing):
    def __init__(self, source: Photo, look: Look, rng: np.random.Generator) -> None:
        super().__init__(source, look.hair == "own", look.hair_colour, rng)
        self.look = look

    def skull(self) -> None:
        """Draw forehead, bare skull and ears in the place of the photographed hair."""
        for centre, axes in _EARS:
            ear = ellipse(centre, axes, 0.7)
            inner = ellipse(centre, (axes[0] * 0.5, axes[1] * 0.6), 1.2)
            self.paint(ear, self.plain * (0.9 - 0.25 * inner[..., None]))
        (cx, cy), (rx, ry) = _SKULL
        away = np.hypot((self.x - cx) / rx, (self.y - cy) / ry)
        shade = 1.06 - 0.38 * np.clip(away, 0, 1) ** 3 - 0.06 * np.clip((60 - self.y) / 60, 0, 1)
        shade += 0.08 * np.exp(-(((self.x - 212) / 18) ** 2) - ((self.y - 48) / 12) ** 2)
        mask = ellipse(*_SKULL, 1.2) * (1 - cv2.GaussianBlur(cv2.erode(self.body, np.ones((17, 17))), (0, 0), 6))
        self.paint(mask * (self.y < 130), self.plain * shade[..., None] + 3 * self.noise(1.2, 1.2)[..., None])

    def clothes(self) -> None:
        """Draw neck, shoulders and, where there is one, an open collar."""
        neck = filled(_NECK, 2.0) * np.clip((self.y - 150) / 6, 0, 1) * (1 - filled(_CHIN, 3.0))
        self.paint(neck, self.plain * 0.8)
        folds = 0.09 * np.sin(self.x * 0.06 + 1.5 * np.sin(self.y * 0.04)) - 0.25 * np.clip((200 - self.y) / 30, 0, 1)
        shade = 1 + folds + 0.05 * self.noise(0.9, 0.9)
        cloth = np.array(self.look.clothes, np.float32) * shade[..., None]
        self.paint(filled(_SHOULDERS, 1.0), cloth)
        for half in _COLLAR if self.look.collar else ():
            self.paint(filled(half, 4.0) * 0.6, cloth * 0.45)
            self.paint(filled(half, 0.8), np.minimum(cloth * 1.25 + 14, 250))

    def age(self) -> None:
        """Smooth the skin, or deepen its texture and draw lines."""
        age = self.look.age
        detail = self.picture - cv2.GaussianBlur(self.picture, (0, 0), 3.0)
        gain = 0.9 * age if age > 0 else 0.65 * age
        self.picture += detail * (gain * self.skin)[..., None]
        if age > 0:
            lines = line_mask(_LINES, 0.6)
            dark = cv2.GaussianBlur(lines, (0, 0), 1.5)
            below = np.roll(cv2.GaussianBlur(lines, (0, 0), 2.2), 4, axis=0)
            self.picture += (age * (36 * below - 110 * dark))[..., None]

    def beard(self) -> None:
        """Draw hair on cheeks, chin and lip."""
        kind = self.look.beard
        if kind == "none":
            return
        outline = {"full": _BEARD, "stubble": _BEARD, "goatee": _GOATEE, "moustache": _MOUSTACHE}[kind]
        mask = filled(outline, 2.2 if kind == "moustache" else 5.0)
        lips = cv2.dilate(filled((*LIP_UPPER, *reversed(LIP_LOWER)), 0.0), np.ones((9, 9)))
        mask *= 1 - cv2.GaussianBlur(lips, (0, 0), 1.5) * (kind != "moustache")
        strands = self.noise(0.8, 2.6)
        if kind == "stubble":
            mask *= np.clip(0.38 + 0.18 * strands, 0, 1)
        else:
            mask *= np.clip(0.92 + 0.12 * strands, 0, 1)
        self.paint(mask, self.hair_of(1 + 0.22 * strands))

    def brows(self) -> None:
        """Draw thicker eyebrows."""
        if self.look.brows:
            mask = cv2.GaussianBlur(line_mask(_BROWS, self.look.brows), (0, 0), 1.3)
            strands = self.noise(0.9, 1.6)
            self.paint(mask * np.clip(0.75 + 0.25 * strands, 0, 1), self.hair_of(0.8 + 0.2 * strands))

    def hair(self) -> None:
        """Draw the hair, or what covers it."""
        look = self.look
        match look.hair:
            case "own":
                grey = self.picture.mean(axis=2, keepdims=True) / 105
                own = self.alpha * (1 - self.body) * (self.y < 140)
                self.paint(own * 0.85, np.clip(np.array(look.hair_colour, np.float32) * grey, 0, 250))
            case "receding":
                self.paint(self._scalp((60, 62), 132, 3.0) * np.clip((self.y - 64) / 6, 0, 1), self.strands())
                top = ellipse((226, 80), (56, 60), 3.0) * (self.y < 50)
                self.paint(cv2.GaussianBlur(top * 0.25, (0, 0), 6.0), self.strands())
            case "cropped":
                mask = self._scalp((56, 68), 124, 5.0) * np.clip((124 - self.y) / 50, 0, 1)
                self.paint(mask, 0.6 * self.strands() + 0.4 * self.hair_of(1 + 0.3 * self.noise(1.2, 2.0)))
            case "long" | "bob":
                self.paint(filled(_LONG if look.hair == "long" else _BOB, 2.5), self.strands())
            case "curly":
                mask = np.zeros(self.x.shape, np.float32)
                for x, y in _CURLS:
                    mask = np.maximum(mask, ellipse((x + self.rng.normal(0, 1.5), y), (19, 18), 2.5))
                mask *= 1 - filled(_FACE, 3.0)
                self.paint(mask, self.hair_of(1 + 0.42 * self.noise(2.2, 2.2)))
            case "bun":
                self.paint(ellipse((226, 26), (21, 17), 2.0), self.strands())
                self.paint(self._scalp((56, 70), 118, 3.0), self.strands())
            case "cap" | "beanie":
                self._covered()
            case "bald":
                pass

    def _scalp(self, axes: tuple[float, float], until: float, soft: float) -> Plane:
        """Return the mask of hair that lies close to the head, around the face and down to the row `until`."""
        return ellipse((226, 91), axes, 2.5) * (1 - filled(_FACE, soft)) * np.clip((until - self.y) / 14, 0, 1)

    def _covered(self) -> None:
        """Draw short hair at the sides, and a cap or a knitted hat in the colour of the clothes, turned around."""
        self.paint(self._scalp((57, 64), 124, 4.0) * (self.y > 66), self.strands())
        cloth = np.array(self.look.clothes[::-1], np.float32)
        around = 1.1 - 0.5 * np.abs((self.x - 222) / 62) ** 2
        if self.look.hair == "beanie":
            ribs = 0.12 * np.sin(self.x * 1.1) + 0.06 * np.sin(self.y * 1.6)
            self.paint(filled(_BEANIE, 3.0), cloth * (around + ribs)[..., None])
            self.paint(filled(_CUFF, 2.0), cloth * (1.15 * around + 1.6 * ribs)[..., None])
        else:
            self.paint(filled(_BRIM, 6.0) * 0.4, self.plain * 0.4)
            self.paint(filled(_CAP, 2.0), cloth * around[..., None])
            self.paint(filled(_BRIM, 1.2), cloth * (0.55 + 0.25 * around)[..., None])

    def glasses(self) -> None:
        """Draw the frame of spectacles, and a glimmer on the glass."""
        frames = []
        for (x, y), (wide, high) in _LENSES:
            below = 0.8 * wide
            frames.append(((x - wide, y - high), (x + wide, y - high), (x + below, y + high), (x - below, y + high)))
            self.paint(filled(frames[-1], 3.0) * 0.08, (235, 240, 245))
        frame = np.maximum(line_mask(frames, 1.6, closed=True), line_mask(_BRIDGE_AND_TEMPLES, 1.6))
        self.paint(cv2.GaussianBlur(frame, (0, 0), 0.8), (34, 28, 30))

    def light(self) -> None:
        """Brighten one side, as a window does."""
        side = np.tanh((self.x - 224) / 50)
        self.picture *= (1 + self.look.light * side)[..., None]
        np.clip(self.picture, 0, 255, out=self.picture)
