"""All meshes, for tests that have to hold with any; v2 where its bundle is."""

import os

import pytest

from heterodub.schemas.config.settings import WeightSettings

BUNDLE = os.environ.get("HETERODUB_WEIGHTS__FACE_LANDMARKER_V2")
WEIGHTS = WeightSettings(face_landmarker_v2=BUNDLE)
needs_bundle = pytest.mark.skipif(
    not BUNDLE, reason="no face_landmarker.task here: set HETERODUB_WEIGHTS__FACE_LANDMARKER_V2 to it"
)
MESHES = ("face_mesh_v1", "face_mesh_v1r", pytest.param("face_mesh_v2", marks=needs_bundle))


def behind_headset(picture):
    """The astronaut's picture with a dark box over brows, eyes and nose."""
    hidden = picture.copy()
    hidden[78:135, 168:278] = 25
    hidden[84:129, 176:270] = 50
    return hidden
