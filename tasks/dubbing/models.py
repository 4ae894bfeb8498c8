"""The two models of a dubbing, found by the names that users give them."""

from dataclasses import dataclass
from pathlib import Path

from model.checksums import file_hash
from model.stage1.files import WEIGHTS, load_generator
from model.stage1.network import LandmarkGenerator
from model.stage2.files import load_translator
from model.stage2.inference import TranslatorInference
from model.stage2.translator import Translator
from model.stage2.warp import WarpTranslator
from schemas.cards import GENERATOR, TRANSLATOR, GeneratorCard
from schemas.config.dubbing import LANDMARK_WARP, NEWEST
from schemas.config.settings import Settings
from schemas.errors import ModelFileError
from tasks.dubbing.jobs import ModelPaths
from tasks.faces.backend import LandmarkBackend
from tasks.stores.workspace import Workspace
from tasks.training.device import device_of


@dataclass(frozen=True, slots=True)
class Models:
    """Models of a dubbing. names: of both models, for the output's metadata and the summary. folder: of the
    translator's files; None for the warp, which has learned nothing. tunings: as of ModelPaths.
    """

    generator: LandmarkGenerator
    card: GeneratorCard
    translator: Translator
    names: tuple[str, str]
    folder: Path | None = None
    tunings: Path | None = None


def find_models(settings: Settings, generator: str, translator: str, scratch: Path) -> ModelPaths:
    """Find both models, each by a folder, a version, "@alias", a run id, or "newest"; the translator also by "warp",
    which is not trained and never stands in for one that is not there. Those of a registry are fetched into `scratch`.

    Raises: TrackingError - there is no such version. WorkspaceError - there is no workspace to look for it in.
    ModelFileError - what was fetched is damaged.
    """
    folder, name = _found(settings, generator, GENERATOR, scratch / "generator")
    if translator == LANDMARK_WARP:
        return ModelPaths(folder, None, (name, LANDMARK_WARP))
    place, translator_name = _found(settings, translator, TRANSLATOR, scratch / "translator")
    return ModelPaths(folder, place, (name, translator_name))


def open_models(found: ModelPaths, settings: Settings, backend: LandmarkBackend) -> Models:
    """Load the models.

    Raises: ModelFileError - a model is damaged, of another contract, or was made for another backend's landmarks.
    SettingsError - the device is not there.
    """
    device = device_of(settings.device)
    generator, card = load_generator(found.generator, device)
    _require(found.names[0], card.backend, backend)
    if found.translator is None:
        return Models(generator, card, WarpTranslator(settings.dub.warp_px), found.names)
    translator, translator_card = load_translator(found.translator, device)
    _require(found.names[1], translator_card.backend, backend)
    return Models(generator, card, TranslatorInference(translator), found.names, found.translator, found.tunings)


def _require(name: str, made_for: str, backend: LandmarkBackend) -> None:
    if made_for != backend.name:
        raise ModelFileError(
            f"{name} takes landmarks of {made_for}, the settings name {backend.name}: set `backend` to the former"
        )


def _weights(folder: Path) -> str:
    """Short hash of a folder's model, without its path: the beginning of its weights' sha256."""
    path = folder / WEIGHTS
    return file_hash(path)[:12] if path.is_file() else "missing"


def _found(settings: Settings, name: str, kind: str, scratch: Path) -> tuple[Path, str]:
    """Folder of a model, and its display name."""
    if Path(name).is_dir():
        return Path(name), f"{kind} in a folder, weights {_weights(Path(name))}"
    from tasks.tracking.models import fetch_version  # here, not above: with folders MLflow need not be loaded
    from tasks.tracking.registry import usable_version
    from tasks.tracking.store import open_tracking

    tracking = open_tracking(settings.tracking, Workspace.open(settings.workspace))
    version = usable_version(tracking, kind, None if name == NEWEST else name)
    scratch.mkdir()
    return fetch_version(tracking, version, scratch), str(version)
