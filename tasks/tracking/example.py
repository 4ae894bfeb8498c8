"""Input examples that are logged with models: a synthetic face, since a real one would be personal data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.features.landmarks import BOUNDARIES
from model.features.timing import mel_columns
from schemas.contract import MEL_BANDS, MEL_CONTEXT_COLUMNS

_FRAMES = 5
_LIPS = 80.0
_ARCS = {
    "outline": (0.0, -10.0, 100.0, 130.0),
    "brow_left": (-45.0, -35.0, 30.0, -10.0),
    "brow_right": (45.0, -35.0, 30.0, -10.0),
    "nose_lower": (0.0, 45.0, 22.0, 8.0),
    "lid_left_upper": (-45.0, 0.0, 20.0, -8.0),
    "lid_left_lower": (-45.0, 0.0, 20.0, 6.0),
    "lid_right_upper": (45.0, 0.0, 20.0, -8.0),
    "lid_right_lower": (45.0, 0.0, 20.0, 6.0),
    "lip_upper_outer": (0.0, _LIPS, 38.0, -14.0),
    "lip_upper_inner": (0.0, _LIPS, 32.0, -3.0),
    "lip_lower_inner": (0.0, _LIPS, 32.0, 5.0),
    "lip_lower_outer": (0.0, _LIPS, 38.0, 18.0),
}
"""Each boundary as half an ellipse: centre x and y, half width, and how far its middle sags; in pixels."""


def made_face(frames: int) -> NDArray[np.float32]:
    """Draw a face in pixels (frames, 216, 2) that sways a little; its mouth stands still."""
    curves = []
    for boundary in BOUNDARIES:
        if boundary.name == "nose_bridge":
            curves.append(np.stack([np.zeros(boundary.points), np.linspace(0.0, 40.0, boundary.points)], axis=1))
            continue
        x, y, wide, sag = _ARCS[boundary.name]
        angle = np.linspace(np.pi, 0.0, boundary.points)
        curves.append(np.stack([x + wide * np.cos(angle), y + sag * np.sin(angle)], axis=1))
    sway = 4.0 * np.sin(np.arange(frames) / 5.0)[:, None, None]
    return np.asarray(np.concatenate(curves)[None] + np.array([320.0, 240.0]) + sway, np.float32)


def input_example() -> dict[str, NDArray[np.float32]]:
    """Build inputs of the pyfunc by name: five frames of a synthetic face under a hum, with one reference frame."""
    bands, columns = np.arange(MEL_BANDS), np.arange(mel_columns(_FRAMES))
    mel = np.asarray(-5.0 - bands / 20.0 + np.sin(columns / 3.0)[:, None], np.float32)
    face = made_face(_FRAMES)
    return {"mel": mel, "landmarks": face, "reference": face[:1].copy()}


def translator_example(side_px: int) -> dict[str, NDArray[Any]]:
    """Build inputs of the translator's pyfunc by name: three frames of noise with a synthetic face, two references."""
    face = made_face(3)
    low, high = face.reshape(-1, 2).min(axis=0), face.reshape(-1, 2).max(axis=0)
    placed = np.asarray((face - (low + high) / 2) * (side_px / 1.6 / (high - low).max()) + side_px / 2, np.float32)
    pictures = np.random.default_rng(0).integers(0, 256, (3, side_px, side_px, 3), np.uint8)
    return {
        "pictures": pictures,
        "source": placed,
        "wanted": placed,
        "reference_pictures": pictures[:2].copy(),
        "reference_landmarks": placed[:2].copy(),
    }


def baseline_example(side_px: int) -> dict[str, NDArray[Any]]:
    """Build inputs of a baseline's pyfunc by name: those of a translator that a baseline takes, under a hum."""
    example = translator_example(side_px)
    kept = {name: example[name] for name in ("pictures", "reference_pictures", "reference_landmarks")}
    mel = np.full((len(example["pictures"]), MEL_BANDS, MEL_CONTEXT_COLUMNS), -5.0, np.float32)
    return kept | {"mel": mel}
