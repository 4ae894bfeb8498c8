"""Manifests list files by hand: CSV, JSON lines or Parquet with a column uri and, where known, speaker, licence,
consent, purpose, language, corpus and offset (seconds the sound is late). All of it is checked before anything is done.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.addresses import trouble_with
from heterodub.schemas.display import message_of
from heterodub.schemas.errors import SourceError
from heterodub.schemas.reasons import FileReason
from heterodub.schemas.records import RawFile
from heterodub.tasks.media.paths import local_path
from heterodub.tasks.sources import tabular
from heterodub.tasks.sources.columns import resolve
from heterodub.tasks.sources.corpus import Corpus
from heterodub.tasks.sources.faults import Faults
from heterodub.tasks.sources.folder import local_file, remote_file
from heterodub.tasks.sources.labels import as_fields
from heterodub.tasks.sources.listing import LISTING, listing_batches, raw_files
from heterodub.tasks.sources.members import unpacked
from heterodub.tasks.stores.row_spool import RowSpool, divided, part_count, places_of_first

_QUESTIONS_AT_ONCE: Final = 32
_PAGE_ROWS: Final = 4096
"""Rows that are in memory at once; files that were found lie on disk until all are."""
_ROWS: Final = pa.schema([*LISTING, pa.field("row", pa.int64(), nullable=False)])

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
    faults, files, total = Faults(), RowSpool(_ROWS), 0
    with ThreadPoolExecutor(_QUESTIONS_AT_ONCE) as pool:  # a store takes long to answer, and may be asked much at once
        for page in _pages(_rows(path, columns)):
            total += len(page)
            stated = list(_statements(page, labels, place or str(path.parent), faults))
            answers = pool.map(partial(_find_file, origins), (row for _, row in stated))
            for rows in _found([number for number, _ in stated], answers, faults):
                files.add(rows)
    if not total:
        raise SourceError(f"manifest {path}: it lists no files")
    listed = _without_repeats(files, faults)
    faults.require_none(f"manifest {path}", total)
    _require_any(path, listed)
    for raw in (raw for rows in listed for raw in raw_files(rows)):
        yield from unpacked(raw, Corpus(name=raw.corpus, root=raw.uri), origins)


def _pages(rows: Iterator[tabular.SheetRow]) -> Iterator[list[tabular.SheetRow]]:
    while page := list(islice(rows, _PAGE_ROWS)):
        yield page


def _statements(
    page: Iterable[tabular.SheetRow], labels: Mapping[str, str], place: str, faults: Faults
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield what rows state, with their numbers."""
    for row in page:
        try:
            yield row.number, _statement(row, labels, place)
        except ValueError as error:
            faults.add(f"row {row.number}: {error}")


def _found(numbers: Sequence[int], answers: Iterable[RawFile | str], faults: Faults) -> Iterator[pa.RecordBatch]:
    """Yield the files that rows name, as rows of _ROWS."""
    found: list[tuple[int, RawFile]] = []
    for number, answer in zip(numbers, answers, strict=True):
        if isinstance(answer, str):
            faults.add(f"row {number}: {answer}")
        else:
            found.append((number, answer))
    for rows in listing_batches(raw for _, raw in found):
        yield rows.append_column(_ROWS.field("row"), pa.array([number for number, _ in found], pa.int64()))


def _without_repeats(files: RowSpool, faults: Faults) -> RowSpool:
    """Return the files without those that were listed before in the same words."""
    count, listed = part_count(files.rows), RowSpool(_ROWS)
    for part in (files,) if count == 1 else divided(files, _ROWS, count):
        rows = part.table()
        uris = rows["uri"].combine_chunks()
        first = places_of_first(uris)
        listed.add(rows.take(first))
        again = pc.indices_nonzero(pc.invert(pc.is_in(pa.array(range(len(uris)), pa.int32()), value_set=first)))
        earlier = rows.take(pc.index_in(uris.take(again), value_set=uris))
        repeats = rows.take(again)
        pairs = zip(earlier["row"].to_pylist(), repeats["row"].to_pylist(), strict=True)
        for (one, other), raw, same in zip(pairs, raw_files(repeats), raw_files(earlier), strict=True):
            if raw != same:
                faults.add(f"rows {one} and {other} say different things about {raw.uri}")
    return listed


def _require_any(path: Path, listed: RowSpool) -> None:
    """Raises: SourceError - none of the files is there."""
    missing = [rows.filter(pc.equal(rows["refusal"], FileReason.NOT_FOUND.value))["uri"] for rows in listed]
    if sum(map(len, missing)) == listed.rows:
        some = f", such as {missing[0][0]}" if listed.rows else ""
        raise SourceError(f"manifest {path}: none of the {listed.rows} files it lists is there{some}")


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
