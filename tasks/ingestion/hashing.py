"""Hashing: every new file is read once for its sha256, and compared with the others and with the catalog.

Small files go to the workers in bundles: a call costs the driver and the scheduler milliseconds, more than the reading
of a small file takes, and a backlog may have millions of them.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.schemas.records import RawFile
from heterodub.tasks.ingestion import catalog
from heterodub.tasks.ingestion.dask_executor import spread
from heterodub.tasks.ingestion.deduplication import Resolution, resolve
from heterodub.tasks.ingestion.worker import identify, identify_each
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.sources.folder import gone

if TYPE_CHECKING:
    from heterodub.tasks.ingestion.dask_executor import Client

_BUNDLE_FILES: Final = 32
_BUNDLE_BYTES: Final = 64 * 2**20
"""So much one call reads at most, unless a single file is larger: seconds of work, where the store answers."""

_BUNDLES_PER_THREAD: Final = 32
"""A short list is cut finer, down to single files: each worker should have a share, and load its models meanwhile."""


@dataclass(frozen=True, slots=True)
class Identified:
    """Files by content: the one that stands for each, and those that could not or must not be read. taken_down: number
    of files left out, since a takedown bars their content.
    """

    resolution: Resolution
    refused: tuple[tuple[RawFile, MediaRefusedError], ...]
    taken_down: int = 0


def identify_files(
    client: "Client",
    files: Collection[RawFile],
    catalog_rows: catalog.Catalog,
    settings: Settings,
    progress: ProgressSink,
    barred: frozenset[str] = frozenset(),
    labelled: Collection[str] = frozenset(),
) -> Identified:
    """Read every file once for its sha256, and find files of the same bytes, among them and in the catalog.

    barred: contents that were taken down; files that hold one are left out, under whatever name they come back.
    labelled: uris that the same listing names besides, with labels that the catalog knows.
    """
    refused: list[tuple[RawFile, MediaRefusedError]] = []
    readable: list[RawFile] = []
    for raw in files:
        if raw.refusal is not None:
            refused.append((raw, MediaRefusedError(raw.refusal, raw.refusal_detail)))
        elif not raw.size_bytes:
            refused.append((raw, MediaRefusedError(FileReason.EMPTY_FILE)))
        else:
            readable.append(raw)
    contents: dict[str, list[RawFile]] = {}
    taken_down = 0
    progress.phase("identify", len(readable))
    for raw, media_id in _contents(client, readable, settings):
        progress.advance()
        if isinstance(media_id, MediaRefusedError):
            refused.append((raw, media_id))
        elif media_id in barred:
            taken_down += 1
        else:
            contents.setdefault(media_id, []).append(raw)
    final = {raw.uri for raw, why in refused if why.reason not in catalog.RETRIED}
    looked_at = final.union(*({raw.uri for raw in same} for same in contents.values()))
    is_gone = partial(gone, origins=settings.limits.web_origins)
    resolution = resolve(contents, catalog_rows, settings.extractor, labelled, looked_at, is_gone)
    return Identified(resolution, tuple(refused), taken_down)


def bundles(files: Sequence[RawFile], threads: int) -> Iterator[tuple[RawFile, ...]]:
    """Yield the files in order, in bundles of a bounded number and size, for so many threads of workers."""
    most = min(_BUNDLE_FILES, max(1, len(files) // (_BUNDLES_PER_THREAD * threads)))
    return map(tuple, batched(files, most, _BUNDLE_BYTES))


def batched(
    files: Iterable[RawFile], most_files: int, most_bytes: int, first: Sequence[RawFile] = ()
) -> Iterator[list[RawFile]]:
    """Yield the files in order, in batches of a bounded number and size; `first` together, in the first of them."""
    batch = list(first)
    size = sum(raw.size_bytes for raw in batch)
    for raw in files:
        if batch and (len(batch) >= most_files or size + raw.size_bytes > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(raw)
        size += raw.size_bytes
    if batch:
        yield batch


def _contents(
    client: "Client", files: Sequence[RawFile], settings: Settings
) -> Iterator[tuple[RawFile, str | MediaRefusedError]]:
    """Yield each file with its sha256, or why it cannot be read, as they come."""
    doubtful: list[RawFile] = []
    look = partial(identify_each, settings=settings)
    pieces = bundles(files, max(1, sum(client.nthreads().values())))
    for bundle, answers in spread(client, look, pieces, key=lambda bundle: f"identify-{bundle[0].uri}"):
        if not isinstance(answers, MediaRefusedError):
            yield from zip(bundle, answers, strict=True)
        elif len(bundle) == 1:
            yield bundle[0], answers
        else:
            doubtful += bundle  # it lost its worker each time; by which of them is not known
    alone = partial(identify, settings=settings)
    yield from spread(client, alone, doubtful, key=lambda raw: f"identify-alone-{raw.uri}")
