"""OpenLineage events: one for each new release and one for each training, where OPENLINEAGE_CONFIG names a file.

The variable and its file are OpenLineage's own (transports: http, file, kafka, console ...). Its client would also read
openlineage.yml of the working folder, which may have come with footage, so without the variable there is no client. An
event that cannot be sent is a warning. Names of data sets follow OpenLineage's naming of paths and buckets.
"""

import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from heterodub.schemas.addresses import without_password
from heterodub.tasks.monitoring.run_log import current_run

if TYPE_CHECKING:
    from heterodub.tasks.releases.releases import Release

_CONFIG: Final = "OPENLINEAGE_CONFIG"
_NAMESPACE: Final = "heterodub"
_PRODUCER: Final = f"urn:heterodub:{version('heterodub')}"

_LOG: Final = logging.getLogger(__name__)

DataSets = Mapping[tuple[str, str], str]
"""Version of each data set, by its namespace and name."""


def is_wanted() -> bool:
    """Return True if the environment asks for lineage."""
    return bool(os.environ.get(_CONFIG))


def release_published(root: str, release: "Release") -> None:
    """Emit that a release was made of the workspace's tables. root: of the workspace."""
    tables = {data_set(root, table): str(version) for table, version in release.versions.items()}
    _emit("publish", tables, _release(root, release.release_id))


def model_trained(root: str, release: str, model: str, number: int) -> None:
    """Emit that version `number` of a model was made of a release. root: of the workspace."""
    _emit("train", _release(root, release), {("mlflow", model): str(number)})


def data_set(root: str, name: str) -> tuple[str, str]:
    """Return namespace and name of a table: ("file", "/lab/space/clips") or ("s3://lab", "space/clips")."""
    scheme, separator, rest = without_password(root).rstrip("/").partition("://")
    if not separator:
        return "file", f"{root.rstrip('/')}/{name}"
    bucket, _, path = rest.partition("/")
    return f"{scheme}://{bucket}", "/".join(filter(None, (path, name)))


def _release(root: str, release: str) -> DataSets:
    return {data_set(root, f"releases/{release}"): release}


def _emit(job: str, inputs: DataSets, outputs: DataSets) -> None:
    run = current_run()
    if run is None or not is_wanted():
        return
    try:
        _send(run.run, job, inputs, outputs)
    except ImportError:
        _LOG.warning("no lineage is sent: OpenLineage's client is missing; pip install 'heterodub[telemetry]'")
    except Exception as error:  # noqa: BLE001 - the work is done, and whatever a transport raises must not undo it
        _LOG.warning("the lineage of %s was not sent: %s: %s", job, type(error).__name__, error)


def _send(run: str, job: str, inputs: DataSets, outputs: DataSets) -> None:
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import dataset_version_dataset

    def described(kind: Any, data: DataSets) -> list[Any]:
        versioned = dataset_version_dataset.DatasetVersionDatasetFacet
        return [kind(*name, facets={"version": versioned(number)}) for name, number in data.items()]

    event = RunEvent(
        eventTime=datetime.now(UTC).isoformat(),
        run=Run(run),
        job=Job(_NAMESPACE, job),
        eventType=RunState.COMPLETE,
        inputs=described(InputDataset, inputs),
        outputs=described(OutputDataset, outputs),
        producer=_PRODUCER,
    )
    client = OpenLineageClient()
    client.emit(event)
    client.close()
