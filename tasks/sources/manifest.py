"""Manifests list files by hand: CSV, JSON lines or Parquet with a column uri and, where known, speaker, licence,
consent, purpose, language, corpus and offset (seconds the sound is late). All of it is checked before anything is done.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

from heterodub.schemas.addresses import trouble_with
from heterodub.schemas.display import message_of
from heterodub.schemas.errors import SourceError
from heterodub.schemas.reasons import FileReason
from heterodub.schemas.records import RawFile
from heterodub.tasks.media.paths import local_path
from heterodub.tasks.sources import tabular
from heterodub.tasks.sources.columns import resolve
from heterodub.tasks.sources.corpus import Corpus
from heterodub.tasks.sources.folder import local_file, remote_file
from heterodub.tasks.sources.labels import as_fields
from heterodub.tasks.sources.members import unpacked

_QUESTIONS_AT_ONCE: Final = 32
_SHOWN: Final = 10
"""Bad rows that are named; the rest is counted."""

_NOT_MAPPED: Final[Mapping[str, str]] = {}


def read_manifest(
    path: Path,
    corpus_name: str,
    place: str | None = None,
    origins: Sequence[str] = (),
    columns: Mapping[str, str] = _NOT_MAPPED,
    labels: Mapping[str, str] = _NOT_MAPPED,
) -> Iterator[RawFile]:
    """Yield the files of a manifest; relative paths are relative to it. Missing files are listed as such.

    `place` is the folder or URI that paths are relative to, when it is not the manifest's own. origins: web servers
    that may be read, see open_store. columns: the table's column by the manifest's, see resolve. labels: what holds
    for rows that do not say.

    A file that is listed twice in the same words is one file.

    Raises: SourceError - it cannot be read, lists nothing or nothing that is there, has no column uri or an unknown
    one, lacks a mapped one, or has wrong rows: without uri, with a bad offset, a folder, two that contradict each other
    about one file. All of them are counted, the first ones named; nothing is yielded before.
    """
    labels = {"corpus": corpus_name} | dict(labels)
    bad, stated = list[str](), list[tuple[int, dict[str, Any]]]()
    total = 0
    for row in _rows(path, columns):
        total += 1
        try:
            stated.append((row.number, _statement(row, labels, place or str(path.parent))))
        except ValueError as error:
            bad.append(f"row {row.number}: {error}")
    if not total:
        raise SourceError(f"manifest {path}: it lists no files")
    files = _files_by_uri(stated, bad, origins)
    if bad:
        more = f"\n  and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        listed = "".join(f"\n  {error}" for error in bad[:_SHOWN])
        raise SourceError(f"manifest {path}: {len(bad)} of {total} rows are wrong{listed}{more}")
    missing = [raw.uri for raw in files.values() if raw.refusal is FileReason.NOT_FOUND]
    if len(missing) == len(files):
        raise SourceError(f"manifest {path}: none of the {len(files)} files it lists is there, such as {missing[0]}")
    for raw in files.values():
        yield from unpacked(raw, Corpus(name=raw.corpus, root=raw.uri), origins)


def _rows(path: Path, mapping: Mapping[str, str]) -> Iterator[tabular.SheetRow]:
    try:
        header, rows = tabular.read_table(path, mapping.get("uri", "uri"))
        columns = resolve(mapping, header)
        yield from (_renamed(row, columns) for row in rows)
    except tabular.ERRORS as error:
        raise SourceError(f"manifest {path}: {error}") from error


def _renamed(row: tabular.SheetRow, columns: Mapping[str, str]) -> tabular.SheetRow:
    """Return the row with the manifest's columns alone, by the manifest's names."""
    cells, spaced, odd = (
        {target: values[source] for target, source in columns.items() if source in values}
        for values in (row.cells, row.spaced, row.odd)
    )
    return tabular.SheetRow(row.number, cells, spaced, odd)


def _statement(row: tabular.SheetRow, labels: Mapping[str, str], place: str) -> dict[str, Any]:
    """Parse a row: labels, offset_s, and the places where the file may be.

    Raises: ValueError - it cannot be used.
    """
    if row.odd:
        name, why = next(iter(row.odd.items()))
        raise ValueError(f"{name}: {why}")
    stated: dict[str, Any] = dict(labels) | row.cells
    uri = stated.pop("uri", None)
    if uri is None:
        raise ValueError("it has no uri")
    if "\0" in uri or "\n" in uri:
        raise ValueError(f"{uri!r} is not the name of a file")
    if trouble := trouble_with(uri):
        raise ValueError(trouble)
    stated = as_fields({"offset": "0"} | stated)
    named = (uri, row.spaced.get("uri", uri))  # a name may really begin or end with a space
    stated["roots"] = [name if "://" in name or name.startswith("/") else f"{place}/{name}" for name in named]
    return stated


def _files_by_uri(
    stated: list[tuple[int, dict[str, Any]]], bad: list[str], origins: Sequence[str]
) -> dict[str, RawFile]:
    """Find the files by uri; wrong rows are added to `bad`."""
    seen: dict[str, tuple[int, RawFile]] = {}
    with ThreadPoolExecutor(_QUESTIONS_AT_ONCE) as pool:  # a store takes long to answer, and may be asked much at once
        answers = pool.map(partial(_find_file, origins), (row for _, row in stated))
        for (number, _), raw in zip(stated, answers, strict=True):
            if isinstance(raw, str):
                bad.append(f"row {number}: {raw}")
                continue
            earlier, same = seen.setdefault(raw.uri, (number, raw))
            if same != raw:
                bad.append(f"rows {earlier} and {number} say different things about {raw.uri}")
    return {uri: raw for uri, (_, raw) in seen.items()}


def _find_file(origins: Sequence[str], stated: Mapping[str, Any]) -> RawFile | str:
    """Return the file of a row, or why the row cannot be used.

    Raises: SourceError - its store cannot be read.
    """
    labels = {name: value for name, value in stated.items() if name != "roots"}
    root, exact = stated["roots"]
    try:
        raw = _one_file(Corpus(name=stated["corpus"], root=root), origins)
        if exact != root and raw.refusal is FileReason.NOT_FOUND:
            raw = _one_file(Corpus(name=stated["corpus"], root=exact), origins)
    except SourceError as error:
        if isinstance(error.__cause__, OSError):
            raise  # of the store, not of the row
        return str(error)
    except (OSError, ValueError) as error:
        return f"{root!r} is not the name of a file: {message_of(error)}"
    if raw.refusal is FileReason.FOLDER:
        return f"{root} is a folder; a manifest lists files"
    return dataclasses.replace(raw, **labels)


def _one_file(corpus: Corpus, origins: Sequence[str]) -> RawFile:
    if "://" in corpus.root and not corpus.root.startswith("file://"):
        return remote_file(corpus, origins)
    return local_file(corpus, (local_path(corpus.root) if "://" in corpus.root else None) or Path(corpus.root))
