"""The two models of a dubbing, by the names that users give them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.stage1.files import load_generator
from model.stage1.network import LandmarkGenerator
from model.stage2.translator import Translator
from model.stage2.warp import WarpTranslator
from schemas.cards import GeneratorCard
from schemas.dubbing import LANDMARK_WARP
from schemas.errors import ModelFileError
from schemas.settings import Settings
from tasks.faces.backend import LandmarkBackend
from tasks.stores.workspace import Workspace

NEWEST: Final = "newest"
"""Name of the newest registered version, for whoever has not promoted one yet."""


@dataclass(frozen=True, slots=True)
class Models:
    """What dubs. names: of both models, for the output's metadata and the summary."""

    generator: LandmarkGenerator
    card: GeneratorCard
    translator: Translator
    names: tuple[str, str]


def load_models(settings: Settings, generator: str, translator: str, backend: LandmarkBackend, scratch: Path) -> Models:
    """Both models.

    generator: a folder, a version number, "@alias", a run id, or "newest". translator: "warp", which is not trained.

    Raises: ModelFileError - a model is damaged, of another contract, or reads another backend's landmarks.
    TrackingError - there is no such version. WorkspaceError - there is no workspace to look for it in.
    """
    folder, name = _generator(settings, generator, scratch)
    loaded, card = load_generator(folder)
    if card.backend != backend.name:
        raise ModelFileError(
            f"{name} reads landmarks of {card.backend}, the settings name {backend.name}: set `backend` to the former"
        )
    return Models(loaded, card, _translator(settings, translator), (name, translator))


def _generator(settings: Settings, name: str, scratch: Path) -> tuple[Path, str]:
    if Path(name).is_dir():
        return Path(name), f"landmark-generator {Path(name).resolve().name}"
    from tasks.tracking.models import fetch_generator, named_version
    from tasks.tracking.store import open_tracking

    tracking = open_tracking(settings.tracking, Workspace.open(settings.workspace))
    version = named_version(tracking, None if name == NEWEST else name)
    return fetch_generator(tracking, version, scratch), str(version)


def _translator(settings: Settings, name: str) -> Translator:
    if name == LANDMARK_WARP:
        return WarpTranslator(settings.dub.warp_px)
    raise ModelFileError(f"there is no translator {name!r}; {LANDMARK_WARP!r} is the one that needs no training")
