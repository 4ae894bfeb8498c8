"""A real face that ships in a wheel, pictures made of it, and the backend that needs no download."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import skimage.data

from heterodub.tasks.faces.mesh import MeshBackend, open_mesh_v1
from heterodub.tasks.faces.region import Picture

Paste = Callable[..., Picture]


@pytest.fixture(scope="session")
def astronaut() -> Picture:
    """512 x 512; one face of about 95 x 125 px around (224, 125)."""
    return np.ascontiguousarray(skimage.data.astronaut()[..., :3])


@pytest.fixture(scope="session")
def mesh() -> MeshBackend:
    return open_mesh_v1()


@pytest.fixture(scope="session")
def paste(astronaut: Picture) -> Paste:
    """Grey pictures with the astronaut's head on them, at places (x, y) and heights in pixels."""

    def make(width: int, height: int, *heads: tuple[int, int, int]) -> Picture:
        picture = np.full((height, width, 3), 90, dtype=np.uint8)
        head = astronaut[0:240, 110:340]
        for x, y, tall in heads:
            small = cv2.resize(head, (round(230 / 240 * tall), tall), interpolation=cv2.INTER_AREA)
            picture[y : y + tall, x : x + small.shape[1]] = small
        return picture

    return make
