"""Our models in MLflow: logged as a pyfunc made of code and weights, registered, found and loaded again.

Nothing is pickled: a model is our weights (safetensors), our card (JSON), the source that reads them, and checksums of
all of it, whose own sha256 is in the registry. No file of a version is used or run before it was verified against that.
"""

import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import mlflow
from mlflow.entities import LoggedModelOutput
from mlflow.exceptions import MlflowException

from heterodub.model.checksums import NEVER_LOGGED, file_hashes, regular_files, verify_checksums, write_checksums
from heterodub.schemas.errors import ModelFileError
from heterodub.tasks.stores.removal import remove_below

from .kinds import KINDS, Card, ModelKind
from .runs import TrackedRun
from .store import Tracking, tracking_errors

if TYPE_CHECKING:
    from mlflow.models import Model


CHECKSUMS_TAG: Final = "checksums_sha256"
"""Tag of a version: the sha256 of the checksums of its whole logged folder."""

MODEL_ID: Final = "model_id"
"""Tag of a version, and of an evaluation's run: the LoggedModel that it is, or that was scored."""

LICENCES: Final = "licences"
"""Tag of a version: JSON list of the licences of the footage it was trained on, as they were stated then."""

TAKEN_DOWN: Final = "taken_down"
"""Tag of versions that were trained on footage which was taken down since."""


@dataclass(frozen=True, slots=True)
class Version:
    """A registered version of a model."""

    name: str
    number: int
    run_id: str
    source: str
    tags: Mapping[str, str]

    @property
    def kind(self) -> ModelKind:
        """Kind of the model."""
        return KINDS[self.name]

    @property
    def checksums(self) -> str:
        """sha256 of the checksums of its folder, as it was logged.

        Raises: ModelFileError - the version was not registered by us, so its files cannot be verified.
        """
        if CHECKSUMS_TAG not in self.tags:
            raise ModelFileError(f"{self} has no tag {CHECKSUMS_TAG}, so its files cannot be verified")
        return self.tags[CHECKSUMS_TAG]

    @property
    def model_id(self) -> str | None:
        """Id of the LoggedModel that it is; MLflow's own field for it is lost in a database."""
        return self.tags.get(MODEL_ID)

    @property
    def release(self) -> str:
        """Release it was trained on; empty if it is not known."""
        return self.tags.get("release", "")

    @property
    def licences(self) -> tuple[str, ...]:
        """Licences of the footage it was trained on, as they were stated then; empty if they are not known."""
        return tuple(json.loads(self.tags.get(LICENCES, "[]")))

    @property
    def taken_down(self) -> str:
        """Takedown of footage that it was trained on, in words; empty if there was none."""
        return self.tags.get(TAKEN_DOWN, "")

    def __str__(self) -> str:
        return f"{self.name} version {self.number}"


def log_model(run: TrackedRun, folder: Path, kind: ModelKind) -> Version:
    """Log a model's folder to its run and register it. A second call changes nothing.

    Raises: ModelFileError - the folder holds no such model. TrackingError - the store cannot be reached or refuses.
    """
    card = kind.card(folder)
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        inner, whole = Path(scratch) / kind.inner, Path(scratch) / "model"
        inner.mkdir()
        for name in kind.files:
            shutil.copyfile(folder / name, inner / name)
        hashes = file_hashes(inner)
        write_checksums(inner)
        if version := _registered(run, hashes, kind):
            return version
        with tracking_errors(f"run {run.run_id}, its model"):
            return _log(run, inner, whole, card, kind, hashes)


def _log(run: TrackedRun, inner: Path, whole: Path, card: Card, kind: ModelKind, hashes: Mapping[str, str]) -> Version:
    from mlflow.models import Model  # which loads torch; queries of versions do without

    client, tags = run.tracking.client, _tags(run, card, kind, hashes)
    logged = client.create_logged_model(run.tracking.experiment_id, kind.name, run.run_id, tags, model_type=kind.inner)
    try:
        _save(inner, whole, card, kind, Model(run_id=run.run_id, model_id=logged.model_id, model_uuid=logged.model_id))
        found_by = {CHECKSUMS_TAG: write_checksums(whole), MODEL_ID: logged.model_id}
        client.log_model_artifacts(logged.model_id, str(whole))
    except BaseException:
        client.finalize_logged_model(logged.model_id, "FAILED")
        raise
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run.run_id, [LoggedModelOutput(logged.model_id, step=0)])
    try:
        client.create_registered_model(kind.name, description=kind.description)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    # the place itself, not models:/<id>, which a local store looks up in whatever store is the process's default
    registered = client.create_model_version(
        kind.name, logged.artifact_location, run.run_id, tags=tags | found_by, model_id=logged.model_id
    )
    return version_of(registered)


def _save(inner: Path, whole: Path, card: Card, kind: ModelKind, description: "Model") -> None:
    """Write the model in MLflow's format: script, code, weights, signature, example, requirements."""
    with _without_advice(), tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        mlflow.pyfunc.save_model(
            path=str(whole),
            python_model=str(Path(__file__).with_name("predictor.py")),
            artifacts={kind.inner: str(inner)},
            code_paths=[str(_copy_code(Path(scratch)))],
            signature=kind.signature,
            input_example=kind.example(card),
            pip_requirements=[f"{name}=={metadata.version(name).partition('+')[0]}" for name in kind.requires],
            mlflow_model=description,
        )


def _copy_code(folder: Path) -> Path:
    """Copy what a prediction runs, of this package, and return the copy."""
    package, copy = Path(__file__).parents[2], folder / "heterodub"
    copy.mkdir()
    shutil.copyfile(package / "__init__.py", copy / "__init__.py")
    for name in ("model", "schemas"):
        shutil.copytree(package / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@contextmanager
def _without_advice() -> Iterator[None]:
    """Suppress MLflow's advice to people who give no signature; ours is stricter than type hints.

    It sets filters of its own before it warns, so its warning can only be dropped afterwards.
    """
    with warnings.catch_warnings(record=True) as caught:
        yield
    for warning in caught:
        if "Add type hints to the `predict` method" not in str(warning.message):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def fetch_version(tracking: Tracking, version: Version, folder: Path) -> Path:
    """Fetch the model's own folder of a version, out of all that fetch_model brings.

    Raises: TrackingError, ModelFileError - as fetch_model.
    """
    return fetch_model(tracking, version, folder) / "artifacts" / version.kind.inner


def verify_version(tracking: Tracking, version: Version) -> None:
    """Verify a version's files against its checksums, and keep none of them. Raises: as fetch_model."""
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        fetch_model(tracking, version, Path(scratch))


def fetch_model(tracking: Tracking, version: Version, folder: Path) -> Path:
    """Fetch all of a version's files into a folder, code included, and verify them by its checksums; runs none of them.

    Raises: ModelFileError - a file is missing, damaged, swapped, added or a link. TrackingError - the files cannot be
    fetched.
    """
    expected = version.checksums
    with tracking_errors(f"files of {version}"):
        place = tracking.client.get_model_version_download_uri(version.name, str(version.number))
        tracking.require_held(place, str(version))
        address = urlsplit(place)
        if address.scheme in ("", "file"):  # of this machine: a copy would follow links
            regular_files(Path(unquote(address.path) if address.scheme else place))
        downloaded = Path(
            mlflow.artifacts.download_artifacts(
                artifact_uri=place, dst_path=str(folder), tracking_uri=tracking.place.uri
            )
        )
        for name in NEVER_LOGGED:
            for path in list(downloaded.rglob(name)):
                remove_below(downloaded, path)
    verify_checksums(downloaded, expected)
    return downloaded


def export_model(tracking: Tracking, version: Version, folder: Path) -> None:
    """Make a new folder of a version, which is there only once all of its files were verified by its checksums.

    Raises: as fetch_model. OSError - the folder cannot be made, or holds something already.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        fetch_model(tracking, version, Path(scratch) / "model").rename(folder)


def _tags(run: TrackedRun, card: Card, kind: ModelKind, hashes: Mapping[str, str]) -> dict[str, str]:
    card_tags = {name: str(getattr(card, name)) for name in ("release", "backend", "seed", "steps")}
    return card_tags | {"run": run.run_id} | {tag: hashes[file] for file, tag in kind.hashed.items()}


def _registered(run: TrackedRun, hashes: Mapping[str, str], kind: ModelKind) -> Version | None:
    """Return the version that an earlier attempt of this run has registered with the same files."""
    with tracking_errors(f"{kind.name} at {run.tracking.place}"):
        registered = run.tracking.client.search_model_versions(f"name = '{kind.name}' and run_id = '{run.run_id}'")
    expected_tags = {tag: hashes[file] for file, tag in kind.hashed.items()}.items()
    same = [
        version
        for version in map(version_of, registered)
        if CHECKSUMS_TAG in version.tags and version.tags.items() >= expected_tags
    ]
    return max(same, key=lambda version: version.number, default=None)


def version_of(registered: Any) -> Version:
    """Convert MLflow's version to ours."""
    return Version(
        registered.name,
        int(registered.version),
        registered.run_id,
        registered.source,
        dict(registered.tags),
    )
