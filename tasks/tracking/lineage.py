"""Training data of a model, kept in its run: ids alone, so that it outlives the rows and names nobody."""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from mlflow.exceptions import MlflowException

from .kinds import ModelKind
from .models import Version, version_of
from .runs import TrackedRun
from .store import Tracking, tracking_errors

FILE: Final = "lineage.json"


def keep_lineage(run: TrackedRun, clips: Iterable[tuple[str, str, str]]) -> None:
    """Store which clips a training was trained and validated on: (clip_id, media_id, split) of each."""
    rows = [{"clip_id": clip, "media_id": media, "split": split} for clip, media, split in clips]
    run.content(FILE, json.dumps(rows) + "\n")


def lineage_of(tracking: Tracking, version: Version) -> list[dict[str, Any]] | None:
    """Return the clips behind a version; None where its run keeps none (it was deleted, or is older than this file).

    Raises: TrackingError - the store cannot be reached.
    """
    with tracking_errors(f"run {version.run_id}"), tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        try:
            place = tracking.client.get_run(version.run_id).info.artifact_uri
            tracking.require_held(place, f"run {version.run_id}")
            names = {one.path for one in tracking.client.list_artifacts(version.run_id)}
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        if FILE not in names:
            return None
        path = Path(tracking.client.download_artifacts(version.run_id, FILE, scratch))
        return list(json.loads(path.read_text()))


def lineage_of_weights(tracking: Tracking, kind: ModelKind, weights: str) -> list[dict[str, Any]] | None:
    """Return the clips of the registered version whose weights have this sha256; None where there is none, or no list.

    Raises: TrackingError - the store cannot be reached.
    """
    with tracking_errors(f"{kind.name} at {tracking.place}"):
        registered = tracking.client.search_model_versions(
            f"name = '{kind.name}' and tags.weights_sha256 = '{weights}'"
        )
    lineages = [lineage_of(tracking, version_of(one)) for one in registered]
    return next((rows for rows in lineages if rows is not None), None)
