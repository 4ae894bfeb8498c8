"""Labels of the files of a folder, in a metadata file beside them, as the `videofolder` and `audiofolder` of Hugging
Face have it: a column file_name, or one that ends with _file_name, and further columns.
"""

import dataclasses
import posixpath
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Final

import pyarrow as pa

from heterodub.schemas.errors import MediaRefusedError, SourceError
from heterodub.schemas.reasons import FileReason
from heterodub.schemas.records import RawFile
from heterodub.tasks.media.parquet_cells import open_table
from heterodub.tasks.media.paths import local_path, localise
from heterodub.tasks.sources import tabular
from heterodub.tasks.sources.columns import plain
from heterodub.tasks.sources.corpus import Corpus
from heterodub.tasks.sources.labels import LABELS, labels_in

METADATA_FILES: Final = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_KEY: Final = "file_name"
_HEAD_BYTES: Final = 1 << 16


class FolderLabels:
    """Labels by metadata files for the files of a source, by address of the file. origins: see open_store."""

    def __init__(self, origins: Sequence[str] = ()) -> None:
        self._origins = origins
        self._read: set[str] = set()
        self._labels: dict[str, dict[str, Any]] = {}
        self._unsafe: dict[str, str] = {}

    def read(self, uris: Iterable[str]) -> None:
        """Read the metadata files among those of a folder, or of a whole bucket.

        Raises: SourceError - one cannot be read, or has a row that cannot be used. One without a column of file names
        is none.
        """
        for uri in uris:
            folder, _, name = uri.rpartition("/")
            if name not in METADATA_FILES:
                continue
            for number, row in enumerate(self._rows(uri), start=1):
                self._add_row(uri, folder, number, row)

    def is_read(self, raw: RawFile) -> bool:
        """Return True of a metadata file."""
        return raw.uri in self._read

    def applied(self, raw: RawFile) -> RawFile:
        """Return a file with what a metadata file says of it."""
        labels = self._labels.pop(raw.uri, None)
        return dataclasses.replace(raw, **labels) if labels else raw

    @property
    def unlisted(self) -> tuple[str, ...]:
        """Addresses that metadata files name, of files that no listing has had so far."""
        return tuple(self._labels)

    def without_file(self, corpus: Corpus, gone: Collection[str]) -> Iterator[RawFile]:
        """Yield what metadata files name and is gone, and what lies outside of their folders, as refused."""
        missing = [uri for uri in self._labels if uri in gone]
        refused = dict.fromkeys(missing, FileReason.NOT_FOUND) | dict.fromkeys(self._unsafe, FileReason.UNSAFE_NAME)
        for uri, reason in refused.items():
            detail = f"named by {self._unsafe[uri]}" if uri in self._unsafe else "named by a metadata file"
            raw = RawFile(uri, 0, str(reason), corpus.name, refusal=reason, refusal_detail=detail)
            yield dataclasses.replace(raw, **self._labels.get(uri, {}))

    def _add_row(self, uri: str, folder: str, number: int, row: Mapping[str, Any]) -> None:
        names = [str(value) for key, value in row.items() if _names_files(key) and value]
        try:
            labels = labels_in(row)
        except ValueError as error:
            raise SourceError(f"{uri}: row {number}: {error}") from error
        self._read.add(uri)
        for name in names:
            whole = f"{folder}/{posixpath.normpath(name)}"
            if name.startswith("/") or ".." in name.split("/") or "\0" in name or "://" in name:
                self._unsafe[whole.replace("\0", "\\0")] = uri
            elif self._labels.setdefault(whole, labels) != labels:
                raise SourceError(f"{uri}: row {number}: an earlier row says different things about {name}")

    def _rows(self, uri: str) -> Iterator[Mapping[str, Any]]:
        try:
            if (local := local_path(uri)) is not None:
                # a pipe would be waited for, a link may lead anywhere: either is listed with its refusal
                yield from _rows(local) if stat.S_ISREG(local.lstat().st_mode) else ()
                return
            with (
                TemporaryDirectory(prefix="heterodub-") as scratch,
                localise(uri, Path(scratch), self._origins) as copy,
            ):
                yield from _rows(_with_suffix(copy, uri))
        except MediaRefusedError as refusal:
            raise SourceError(f"{uri}: {refusal.detail or refusal}") from refusal
        except tabular.ERRORS as error:
            raise SourceError(f"{uri}: {error}") from error


def _with_suffix(copy: Path, uri: str) -> Path:
    """Name the copy of a remote file so that its reader is found."""
    return copy.rename(copy.with_suffix(PurePosixPath(uri).suffix))


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a metadata file; none of a file of the same name that has no column of file names."""
    if not _has_key(path):
        return
    columns, rows = tabular.read_table(path, _KEY)
    if any(map(_names_files, columns)):
        for row in rows:
            for name, fault in row.odd.items():
                if name in LABELS or _names_files(name):
                    raise ValueError(f"row {row.number}: {name}: {fault}")
            yield row.cells


def _names_files(column: str) -> bool:
    """Return True of a column of file names, by the rule of Hugging Face."""
    name = plain(column)
    return name == _KEY or name.endswith(f"_{_KEY}")


def _has_key(path: Path) -> bool:
    """Return False of a file that is no list of files, whatever else may be wrong with it."""
    with path.open("rb") as file:
        if path.suffix != ".parquet":
            return _KEY.encode() in file.read(_HEAD_BYTES).lower()
        try:
            return any(map(_names_files, open_table(file).schema_arrow.names))
        except (OSError, ValueError, pa.ArrowException):
            return False
