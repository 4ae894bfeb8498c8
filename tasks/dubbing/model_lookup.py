"""The two models of a dubbing, found by the names that users give them.

Apart from models.py, which opens them: the process that looks for them opens none, and does not load torch.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from heterodub.model.checksums import file_hash
from heterodub.schemas.cards import GENERATOR, TRANSLATOR, WEIGHTS
from heterodub.schemas.config.dubbing import BUILTIN, LANDMARK_WARP, NEWEST
from heterodub.schemas.config.settings import Settings
from heterodub.tasks.builtin.find import builtin_model
from heterodub.tasks.dubbing.jobs import ModelPaths
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.address import place_of

STAND_INS: Final[Mapping[str, str]] = {GENERATOR: BUILTIN, TRANSLATOR: LANDMARK_WARP}
"""Model that is taken where none is named and the workspace has no champion, by kind. On people the shipped translator
is not better than the untrained warp, and less sharp (docs/dub.md).
"""

_CHAMPION: Final = "@champion"


def find_models(settings: Settings, generator: str | None, translator: str | None, scratch: Path) -> ModelPaths:
    """Find both models, each by a folder, a version, "@alias", a run id, "newest" or "builtin"; the translator also by
    "warp", which is not trained. None: the champion, or what stands in for it, with a note. Those of a registry are
    fetched into `scratch`.

    Raises: TrackingError - there is no such version. WorkspaceError - there is no workspace to look for it in.
    ModelFileError - what was fetched, or what ships, is damaged.
    """
    notes: list[str] = []

    def chosen(kind: str, name: str | None) -> str:
        if name is not None:
            return name
        name, note = model_by_default(settings, kind)
        notes.extend(filter(None, [note]))
        return name

    folder, name = _found(settings, chosen(GENERATOR, generator), GENERATOR, scratch / "generator")
    translator = chosen(TRANSLATOR, translator)
    if translator == LANDMARK_WARP:
        return ModelPaths(folder, None, (name, LANDMARK_WARP), notes=tuple(notes))
    place, translator_name = _found(settings, translator, TRANSLATOR, scratch / "translator")
    return ModelPaths(folder, place, (name, translator_name), notes=tuple(notes))


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


def _weights(folder: Path) -> str:
    """Short hash of a folder's model, without its path: the beginning of its weights' sha256."""
    path = folder / WEIGHTS
    return file_hash(path)[:12] if path.is_file() else "missing"


def _found(settings: Settings, name: str, kind: str, scratch: Path) -> tuple[Path, str]:
    """Folder of a model, and its display name."""
    if name == BUILTIN:
        return builtin_model(kind)
    if Path(name).is_dir():
        return Path(name), f"{kind} in a folder, weights {_weights(Path(name))}"
    from heterodub.tasks.tracking.models import fetch_version  # here, not above: with folders MLflow need not be loaded
    from heterodub.tasks.tracking.registry import usable_version
    from heterodub.tasks.tracking.store import open_tracking

    tracking = open_tracking(settings.tracking, Workspace.open(settings.workspace))
    version = usable_version(tracking, kind, None if name == NEWEST else name)
    scratch.mkdir()
    return fetch_version(tracking, version, scratch), str(version)
