"""Models that ship in the package, and the choice of a model where none is named.

They lie beside this file, a folder for each kind, in the format of model/io.py with a MODEL_CARD.md and checksums.
Imports no network, so that commands which only name them stay light.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from heterodub.model.checksums import file_hash, verify_checksums
from heterodub.schemas.cards import GENERATOR, TRANSLATOR, WEIGHTS
from heterodub.schemas.config.dubbing import BUILTIN, LANDMARK_WARP
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import ModelFileError
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.address import place_of

SHIPPED: Final = Path(__file__).parent
"""Folder that holds a folder for each kind of shipped model."""

MODEL_CARD: Final = "MODEL_CARD.md"
"""File in a shipped model's folder, for people: data, scores beside controls, limits."""

STAND_INS: Final[Mapping[str, str]] = {GENERATOR: BUILTIN, TRANSLATOR: LANDMARK_WARP}
"""Model that is taken where none is named and the workspace has no champion, by kind. On people the shipped translator
is not better than the untrained warp, and less sharp (docs/dub.md).
"""

_CHAMPION: Final = "@champion"


def builtin_model(kind: str, folder: Path = SHIPPED) -> tuple[Path, str]:
    """Return the folder of the shipped model of a kind, verified by its checksums, and the model's name with the
    beginning of its weights' sha256.

    Raises: ModelFileError - none of that kind ships, or a file is damaged, swapped or added.
    """
    place = folder / kind
    if not place.is_dir():
        raise ModelFileError(f"no {kind} ships with heterodub: name a folder or a version")
    verify_checksums(place)
    return place, f"{BUILTIN} {kind}, weights {file_hash(place / WEIGHTS)[:12]}"


def model_by_default(settings: Settings, kind: str) -> tuple[str, str | None]:
    """Return the name of the model of a kind that is taken where none is named, and why it is not the champion, in
    words; None if it is.

    Without a champion, and without a workspace where none was named, it is that of STAND_INS.

    Raises: WorkspaceError - the workspace that was named is not there. TrackingError, SettingsError - its tracking
    store cannot be asked.
    """
    stand_in = STAND_INS[kind]
    if nothing_was_named(settings):
        return stand_in, f"there is no workspace, so {stand_in} stands in for a champion of {kind}"
    place = place_of(settings.tracking, Workspace.open(settings.workspace))
    if place.exists:
        from heterodub.tasks.tracking.registry import CHAMPION, aliased  # here, not above: MLflow takes seconds
        from heterodub.tasks.tracking.store import open_at

        if aliased(open_at(place), kind, CHAMPION):
            return _CHAMPION, None
    return stand_in, f"{settings.workspace} has no champion of {kind}, so {stand_in} stands in for it"


def nothing_was_named(settings: Settings) -> bool:
    """True in a folder where heterodub is used for the first time; a workspace that was named has to be there."""
    default = Settings.model_fields["workspace"].default
    return settings.tracking.uri is None and settings.workspace == default and not Path(default).exists()
