"""Driver of an ingest: identify files, analyse each content once, count and commit finished work batch by batch.

Plain code over plain parts; tasks/steps/ingest.py makes Prefect tasks of it. A crash at any point leaves tables that
the next run completes to the same rows.
"""

from collections.abc import Collection, Iterator
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.policy import Policy
from heterodub.schemas.records import RawFile
from heterodub.tasks.ingestion import catalog
from heterodub.tasks.ingestion.dask_client import workers_for_files
from heterodub.tasks.ingestion.dask_executor import on_every_worker, spread
from heterodub.tasks.ingestion.deduplication import ListedAmong, nobody
from heterodub.tasks.ingestion.hashing import batched
from heterodub.tasks.ingestion.ingest_run import IngestRun
from heterodub.tasks.ingestion.sandbox import warn_of_missing
from heterodub.tasks.ingestion.schedule import Schedule, name_of, urgency
from heterodub.tasks.ingestion.tally import Tally
from heterodub.tasks.ingestion.worker import do, forget_machine_copies
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.stores.workspace import Workspace

if TYPE_CHECKING:
    from heterodub.tasks.ingestion.dask_client import Client

_SLICE_BYTES = 16 * 2**30
_SLICE_FILES = 2048
"""Files that are decided on together: which of equal bytes stands for their content. Each slice reads the catalog."""


def work_through(
    client: "Client",
    workspace: Workspace,
    files: Collection[RawFile],
    settings: Settings,
    policy: Policy,
    progress: ProgressSink,
    listed: ListedAmong = nobody,
) -> Tally:
    """Identify and analyse files in one stream, and store the outcome of every one; return what was done.

    listed: says which files the same listing names besides, with labels that the catalog knows.

    Raises: WorkspaceError - the store cannot be written. WeightsMissingError - the landmark backend has no weights.
    """
    settings = settings.rooted()
    warn_of_missing()
    threads = max(1, sum(workers_for_files(client).values()))
    tally = Tally(files=len(files), bytes=sum(raw.size_bytes for raw in files))
    known = catalog.known_among(workspace, (raw.uri for raw in files))
    schedule = Schedule(slices(files, known), threads)
    run = IngestRun(workspace, settings, policy, progress, tally, schedule, listed, known)
    work = partial(do, settings=settings, policy=policy)
    progress.phase("identify", sum(raw.refusal is None and raw.size_bytes > 0 for raw in files))
    while True:
        for task, result in spread(client, work, schedule, name_of, urgency):
            run.finish(task, result)
        if not run.go_on():
            on_every_worker(client, forget_machine_copies)
            return tally


def slices(files: Collection[RawFile], known: Collection[str]) -> Iterator[list[RawFile]]:
    """Yield the files in the order of their names, in batches of a bounded size; first those that the catalog knows
    (`known`, by uri), so that it is soon sure which rows of the catalog still hold.
    """
    ordered = sorted(files, key=attrgetter("uri"))
    for is_known in (True, False):
        each = (raw for raw in ordered if (raw.uri in known) is is_known)
        yield from batched(each, _SLICE_FILES, _SLICE_BYTES)
