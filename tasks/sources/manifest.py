"""A manifest lists files by hand: CSV or Parquet with a column uri and, where known, speaker, licence, consent,
language, corpus and offset (seconds the sound is late).
"""

import csv
import dataclasses
import math
from collections.abc import Hashable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import pandas as pd

from schemas.addresses import trouble_with
from schemas.errors import SourceError
from schemas.records import RawFile
from tasks.media.locate import local_path
from tasks.sources.corpus import Corpus
from tasks.sources.folder import local_file, remote_file

SUFFIXES: Final = (".csv", ".parquet")
_QUESTIONS_AT_ONCE: Final = 32
_OPTIONAL: Final = ("speaker", "licence", "consent", "language", "corpus", "offset")


def read_manifest(path: Path, corpus_name: str, place: str | None = None) -> Iterator[RawFile]:
    """The files of a manifest; relative paths are relative to it. Files that are not there are listed as such.

    `place` is the folder that the manifest stands for, when it is not the one it lies in: a URI.

    A file that is listed twice in the same words is one file.

    Raises: SourceError - it cannot be read, has no column uri, an unknown column, a bad offset, or says two things
    about one file.
    """
    table = _load(path)
    if "uri" not in table.columns:
        raise SourceError(f"manifest {path}: it needs a column 'uri', and has {', '.join(table.columns)}")
    if unknown := [name for name in table.columns if name not in ("uri", *_OPTIONAL)]:
        raise SourceError(
            f"manifest {path}: unknown columns {', '.join(unknown)}; known are uri, {', '.join(_OPTIONAL)}"
        )
    seen: dict[str, tuple[int, RawFile]] = {}
    rows = enumerate(table.to_dict("records"), start=1)
    look = partial(_file, path, corpus_name, place or str(path.parent))
    with ThreadPoolExecutor(_QUESTIONS_AT_ONCE) as pool:  # a store takes long to answer, and may be asked much at once
        found = list(pool.map(lambda numbered: (numbered[0], look(*numbered)), rows))
    for number, raw in found:
        earlier, same = seen.setdefault(raw.uri, (number, raw))
        if earlier == number:
            yield raw
        elif same != raw:
            raise SourceError(f"manifest {path}: rows {earlier} and {number} say different things about {raw.uri}")


def _load(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return _load_csv(path)
    except (OSError, ValueError, csv.Error) as error:
        raise SourceError(f"manifest {path}: {error}") from error


def _load_csv(path: Path) -> pd.DataFrame:
    """Not pandas' reader: it takes values beyond the last column for a reason to move all of them, or drops them."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        header, *rows = [row for row in csv.reader(lines) if row] or [[]]
    for number, row in enumerate(rows, start=1):
        if any(row[len(header) :]):
            raise ValueError(f"row {number} has more values than there are columns; quote names that hold a comma")
    width = len(header)
    return pd.DataFrame([(row + [""] * width)[:width] for row in rows], columns=header, dtype=str)


def _file(path: Path, corpus_name: str, place: str, number: int, row: Mapping[Hashable, Any]) -> RawFile:
    told: dict[str, Any] = {name: str(row[name]) for name in _OPTIONAL if name in row and not _empty(row[name])}
    uri = str(row["uri"])
    if not uri:
        raise SourceError(f"manifest {path}: row {number} has no uri")
    if trouble := trouble_with(uri):
        raise SourceError(f"manifest {path}: row {number}: {trouble}")
    offset_s = _seconds(told.pop("offset", "0"))
    if offset_s is None:
        raise SourceError(f"manifest {path}: row {number}: offset is in seconds, not {row['offset']!r}")
    target = uri if "://" in uri or uri.startswith("/") else f"{place}/{uri}"
    found = _one_file(Corpus(name=told.pop("corpus", corpus_name), root=target))
    return dataclasses.replace(found, offset_s=offset_s, **told)


def _one_file(corpus: Corpus) -> RawFile:
    if "://" in corpus.root and not corpus.root.startswith("file://"):
        return remote_file(corpus)
    return local_file(corpus, (local_path(corpus.root) if "://" in corpus.root else None) or Path(corpus.root))


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def _empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and value != value)
