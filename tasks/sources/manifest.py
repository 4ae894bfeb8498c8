"""A manifest lists files by hand: CSV or Parquet with a column uri and, where known, speaker, licence, consent,
language, corpus and offset (seconds the sound is late).
"""

import dataclasses
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from schemas.errors import SourceError
from schemas.records import RawFile
from tasks.sources.corpus import Corpus
from tasks.sources.folder import find_files, local_file

SUFFIXES: Final = (".csv", ".parquet")
_OPTIONAL: Final = ("speaker", "licence", "consent", "language", "corpus", "offset")


def read_manifest(path: Path, corpus_name: str) -> Iterator[RawFile]:
    """The files of a manifest; relative paths are relative to it. Files that are not there are listed as such.

    Raises: SourceError - it cannot be read, has no column uri, an unknown column, or a bad offset.
    """
    table = _load(path)
    if "uri" not in table.columns:
        raise SourceError(f"manifest {path}: it needs a column 'uri', and has {', '.join(table.columns)}")
    if unknown := [name for name in table.columns if name not in ("uri", *_OPTIONAL)]:
        raise SourceError(
            f"manifest {path}: unknown columns {', '.join(unknown)}; known are uri, {', '.join(_OPTIONAL)}"
        )
    for number, row in enumerate(table.to_dict("records"), start=1):
        yield _file(path, corpus_name, number, row)


def _load(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise SourceError(f"manifest {path}: {error}") from error


def _file(path: Path, corpus_name: str, number: int, row: Mapping[Hashable, Any]) -> RawFile:
    told: dict[str, Any] = {name: str(row[name]) for name in _OPTIONAL if name in row and not _empty(row[name])}
    uri = str(row["uri"])
    if not uri:
        raise SourceError(f"manifest {path}: row {number} has no uri")
    try:
        offset_s = float(told.pop("offset", "0"))
    except ValueError as error:
        raise SourceError(f"manifest {path}: row {number}: offset is in seconds, not {row['offset']!r}") from error
    target = uri if "://" in uri else str(path.parent / uri)
    found = _one_file(Corpus(name=told.pop("corpus", corpus_name), root=target))
    return dataclasses.replace(found, offset_s=offset_s, **told)


def _one_file(corpus: Corpus) -> RawFile:
    if "://" in corpus.root and not corpus.root.startswith("file://"):
        return next(find_files(corpus))
    return local_file(corpus, Path(corpus.root.removeprefix("file://")))


def _empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and value != value)
