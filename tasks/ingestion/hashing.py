"""Hashing: every new file is read once for its sha256.

Small files go to the workers in bundles: a call costs the driver and the scheduler milliseconds, more than the reading
of a small file takes, and a backlog may have millions of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.schemas.records import RawFile
from heterodub.tasks.ingestion import catalog

_BUNDLE_FILES: Final = 32
_BUNDLE_BYTES: Final = 64 * 2**20
"""So much one call reads at most, unless a single file is larger: seconds of work, where the store answers."""

_BUNDLES_PER_THREAD: Final = 32
"""A short list is cut finer, down to single files: each worker should have a share, and load its models meanwhile."""


@dataclass(frozen=True, slots=True)
class FilesByContent:
    """Files by the sha256 of their bytes, and those that could not or must not be read."""

    contents: dict[str, list[RawFile]]
    refused: tuple[tuple[RawFile, MediaRefusedError], ...]

    @property
    def looked_at(self) -> frozenset[str]:
        """Uris whose bytes are known by now, or can never be: what the catalog says of their content is out of date."""
        final = {raw.uri for raw, why in self.refused if why.reason not in catalog.RETRIED}
        return frozenset(final.union(*({raw.uri for raw in same} for same in self.contents.values())))


def by_content(files: Iterable[RawFile], answers: Iterable[tuple[RawFile, str | MediaRefusedError]]) -> FilesByContent:
    """Sort files by content. answers: of those that were to be read."""
    refused: list[tuple[RawFile, MediaRefusedError]] = []
    for raw in files:
        if raw.refusal is not None:
            refused.append((raw, MediaRefusedError(raw.refusal, raw.refusal_detail)))
        elif not raw.size_bytes:
            refused.append((raw, MediaRefusedError(FileReason.EMPTY_FILE)))
    contents: dict[str, list[RawFile]] = {}
    for raw, media_id in answers:
        if isinstance(media_id, MediaRefusedError):
            refused.append((raw, media_id))
        else:
            contents.setdefault(media_id, []).append(raw)
    return FilesByContent(contents, tuple(refused))


def bundles(files: Sequence[RawFile], threads: int) -> Iterator[tuple[RawFile, ...]]:
    """Yield the files in order, in bundles of a bounded number and size, for so many threads of workers."""
    most = min(_BUNDLE_FILES, max(1, len(files) // (_BUNDLES_PER_THREAD * threads)))
    return map(tuple, batched(files, most, _BUNDLE_BYTES))


def batched(files: Iterable[RawFile], most_files: int, most_bytes: int) -> Iterator[list[RawFile]]:
    """Yield the files in order, in batches of a bounded number and size."""
    batch, size = list[RawFile](), 0
    for raw in files:
        if batch and (len(batch) >= most_files or size + raw.size_bytes > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(raw)
        size += raw.size_bytes
    if batch:
        yield batch
