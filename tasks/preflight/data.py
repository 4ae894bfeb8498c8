"""Checks of the commands about footage: ingest, route, takedown. Each takes its flow's parameters."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from heterodub.schemas.config.settings import Settings, load_settings
from heterodub.schemas.errors import SettingsError, SourceError
from heterodub.schemas.policy import load_policy
from heterodub.tasks.quality.senones import require_recogniser
from heterodub.tasks.sources.columns import parse_columns
from heterodub.tasks.sources.open import check_source
from heterodub.tasks.stores.active_policy import chosen_policy, require_active_policy
from heterodub.tasks.stores.tombstones import Kind
from heterodub.tasks.stores.workspace import Workspace

from .parts import require_scheduler, require_tracking, require_writable

_SAMPLE: Final = frozenset({"media", "truth", "truth.csv", "corpus.toml"})
"""Entries of a sample's folder."""


def check_ingest(
    source: str,
    corpus: str = "default",
    workspace: str | None = None,
    config: str | None = None,
    policy: str | None = None,
    dask: str | None = None,
    workers: int | None = None,
    columns: str | None = None,
) -> Settings:
    """Refuse an ingest that could not begin; returns its settings. Nothing is made.

    Raises: SourceError - there is nothing to ingest. SettingsError, WorkspaceError, ClusterError. WeightsMissingError -
    the mesh's file is not there.
    """
    settings = load_settings(config, workspace=workspace, policy=policy, run={"dask": dask, "workers": workers})
    check_source(source, corpus, settings.limits.web_origins, mapped_columns(columns))
    ws = Workspace.to_be(settings.workspace)
    if ws is not None:
        require_active_policy(ws, settings.policy)
    elif settings.policy is not None:
        load_policy(settings.policy)
    require_scheduler(settings.run.dask)
    if settings.run.dask is None and settings.backend == "face_mesh_v2":  # the workers of a cluster have their own file
        from heterodub.tasks.faces.litert import bundle_model

        bundle_model(settings.weights.face_landmarker_v2)
    _require_recogniser(settings)
    return settings


def _require_recogniser(settings: Settings) -> None:
    if settings.run.dask is None and settings.senones:  # the workers of a cluster have their own
        require_recogniser()


def mapped_columns(text: str | None) -> dict[str, str]:
    """Parse a mapping of columns, as `--columns` takes it; without one, nothing is mapped.

    Raises: SourceError - it is not of its form, or names columns that manifests do not have.
    """
    try:
        return parse_columns(text) if text is not None else {}
    except ValueError as error:
        raise SourceError(f"columns: {error}") from error


def check_sources(sources: Sequence[str], origins: Sequence[str] = ()) -> None:
    """Refuse a list of sources of which one does not exist; all faults are named. origins: see open_store.

    Raises: SourceError - one is not there, or holds nothing.
    """
    troubles = []
    for source in sources:
        try:
            check_source(source, origins=origins)
        except SourceError as error:
            troubles.append(str(error))
    if troubles:
        raise SourceError("; ".join(troubles))


def check_sample(folder: Path) -> None:
    """Refuse to write a sample into a folder with other files: files of the same names would be replaced.

    Raises: SettingsError - the folder holds something that is not of a sample, or cannot be written to.
    """
    require_writable(folder)
    entries = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if entries - _SAMPLE or ("media" in entries and "truth" not in entries):
        raise SettingsError(f"{folder} holds other files: name a new folder for the sample")


def check_route(
    policy: str | None,
    workspace: str | None = None,
    config: str | None = None,
    dask: str | None = None,
    workers: int | None = None,
) -> Settings:
    """Refuse a rerouting that could not begin; returns its settings. policy: a file; None: the policy in force.

    Raises: SettingsError - the policy file. WorkspaceError, ClusterError.
    """
    settings = load_settings(config, workspace=workspace, run={"dask": dask, "workers": workers})
    chosen_policy(Workspace.open(settings.workspace), settings, policy)
    require_scheduler(settings.run.dask)
    _require_recogniser(settings)
    return settings


def check_takedown(kind: Kind, value: str, workspace: str | None = None, config: str | None = None) -> Settings:
    """Refuse a takedown of a name that is not stored; returns its settings.

    Raises: NotFoundError - nothing is called so. WorkspaceError, SettingsError, TrackingError.
    """
    from heterodub.tasks.lineage.plan import (
        require_named,
    )  # here, not above: it loads pandas, and ingest checks here too

    settings = load_settings(config, workspace=workspace)
    require_tracking(settings)
    require_named(Workspace.open(settings.workspace), kind, value)
    return settings
