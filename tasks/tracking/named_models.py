"""A model found by the name that a user gives it: a folder, or a version in the registry."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from schemas.config.settings import Settings
from tasks.stores.workspace import Workspace


@dataclass(frozen=True, slots=True)
class NamedModel:
    """Folder and display name of a model. tags: its version, in MLflow's words; none of a folder."""

    folder: Path
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)


def find_model(settings: Settings, workspace: Workspace, kind: str, name: str | None, scratch: Path) -> NamedModel:
    """Find the model of a registered kind: a folder as it is, else the version of that number, "@alias" or run id
    (None: the newest), fetched into `scratch`; of a translator also a fine-tuned one that is named.

    Raises: TrackingError - there is none. ModelFileError - its files are damaged.
    """
    if name is not None and Path(name).is_dir():
        return NamedModel(Path(name), f"{kind} in {name}")
    from tasks.tracking.models import fetch_version
    from tasks.tracking.registry import usable_version
    from tasks.tracking.store import open_tracking

    tracking = open_tracking(settings.tracking, workspace)
    version = usable_version(tracking, kind, name)
    tags = {"evaluated_model": version.name, "version": str(version.number), "model_run": version.run_id}
    return NamedModel(fetch_version(tracking, version, scratch), str(version), tags)
