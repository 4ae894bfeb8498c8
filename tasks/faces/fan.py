"""Reference backend: face-alignment's s3fd detector and 2-D FAN (68 points), for machines with a GPU.

Both of its own networks are required. Our short-range detector could stand in for s3fd, and is not used: FAN's crops
are calibrated on s3fd's boxes, s3fd finds the small and turned faces a reference should, and rows under one backend's
name must all come from the same detector.

The library's top-level class downloads what it does not find, so its parts are put together here instead.
"""

import importlib.metadata
import pickle
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from face_alignment.detection.sfd import FaceDetector as S3fd
from face_alignment.models import FAN
from face_alignment.utils import flip, get_preds_fromhm
from numpy.typing import NDArray

from heterodub.model.features.landmarks import box
from heterodub.model.io import CPU
from heterodub.schemas.config.settings import WeightSettings
from heterodub.schemas.errors import WeightsMissingError

from .points import IBUG68, CurveMap, pose_from_ibug68
from .region import Box, Detection, FaceLandmarks, Picture, Region

FAN_FILE: Final = "2DFAN4-11f355bf06.pth.tar"
S3FD_FILE: Final = "s3fd-619a316812.pth"
URL: Final = "https://www.adrianbulat.com/downloads/python-fan/"

CROP_PX: Final = 256
REFERENCE: Final = 200.0 / 195.0
"""Side of FAN's crop over the sum of width and height of the face's box, as it was trained."""

RAISE: Final = 0.12
"""The crop's centre lies this share of the box's height above the box's centre, as it was trained."""


class FanBackend:
    """s3fd and FAN as one landmark backend (see backend.LandmarkBackend).

    The score is the mean peak of the 68 heat maps, 0..1. Opened by `open_fan`, which checks the files.
    """

    def __init__(self, fan: Path, s3fd: Path, device: str) -> None:
        self.name = f"face_alignment@{importlib.metadata.version('face-alignment')}"
        self._device = device
        self._curves = CurveMap(IBUG68)
        self._detector = S3fd(device=device, path_to_detector=str(s3fd))
        self._network = FAN(4)
        self._network.load_state_dict(torch.load(fan, map_location=device, weights_only=True))
        self._network.to(device).eval()

    def detect(self, rgb: Picture) -> list[Detection]:
        """Detect the faces in the picture, largest first."""
        detections = [
            Detection(_as_box(row[:4]), min(1.0, float(row[4]))) for row in self._detector.detect_from_image(rgb)
        ]
        return sorted(detections, key=lambda face: face.box[0] - face.box[2])

    def first_region(self, detection: Detection) -> Region:
        """The upright square around a detection that the network was trained on."""
        return region_of_face(detection.box)

    def landmarks(self, rgb: Picture, region: Region) -> FaceLandmarks:
        """Locate the face in the region."""
        points, score = self._points(rgb, region)
        pose = pose_from_ibug68(points)
        next_region = region_of_face(_as_box(box(points)))
        return FaceLandmarks(self._curves(points), score, pose.yaw, pose.pitch, pose.roll, next_region)

    @torch.no_grad()
    def _points(self, rgb: Picture, region: Region) -> tuple[NDArray[np.float64], float]:
        """Predict 68 points in picture pixels, and the score. The crop and its mirror image go through as one batch."""
        to_picture = region.to_picture(CROP_PX)
        crop = cv2.warpAffine(rgb, to_picture, (CROP_PX, CROP_PX), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        upright = torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 255
        batch = torch.cat([upright, flip(upright)]).to(self._device)
        maps = self._network(batch)[-1].float().cpu()
        both = ((maps[:1] + flip(maps[1:], is_label=True)) / 2).numpy()
        in_maps, _, peaks = get_preds_fromhm(both)
        in_crop = in_maps[0].astype(np.float64) * (CROP_PX / both.shape[-1])
        points = in_crop @ to_picture[:, :2].T + to_picture[:, 2]
        return points, float(np.clip(peaks.mean(), 0.0, 1.0))


def region_of_face(face: Box) -> Region:
    """FAN's crop of a face with this box."""
    left, top, right, bottom = face
    width, height = right - left, bottom - top
    return Region((left + right) / 2, (top + bottom) / 2 - RAISE * height, REFERENCE * (width + height))


def _as_box(row: Any) -> Box:
    left, top, right, bottom = (float(side) for side in row)
    return left, top, right, bottom


def open_fan(weights: WeightSettings, device: torch.device = CPU) -> FanBackend:
    """Open the backend on a device, with weights from the settings or from torch's cache. Never downloads.

    Raises: WeightsMissingError - a weight file is missing or not what it should be.
    """
    fan, s3fd = weights.fan_2d or _checkpoints() / FAN_FILE, weights.s3fd or _checkpoints() / S3FD_FILE
    missing = [str(path) for path in (fan, s3fd) if not path.is_file()]
    if missing:
        raise WeightsMissingError(f"{' and '.join(missing)} not found. {_missing_text()}")
    try:
        return FanBackend(fan, s3fd, str(device))
    except (RuntimeError, ValueError, TypeError, EOFError, OSError, pickle.UnpicklingError) as error:
        first_line = str(error).partition("\n")[0]
        raise WeightsMissingError(f"{fan} or {s3fd} cannot be used: {first_line}. {_missing_text()}") from error


def _checkpoints() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _missing_text() -> str:
    return (
        f"backend face_alignment needs {FAN_FILE} and {S3FD_FILE} (from {URL}): put both into {_checkpoints()}, or set"
        " [weights] fan_2d and s3fd (HETERODUB_WEIGHTS__FAN_2D, HETERODUB_WEIGHTS__S3FD) to where they are"
    )
