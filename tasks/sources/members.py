"""Files inside of listed files: members of WebDataset shards, cells of Parquet tables. Nothing is unpacked: each gets
an address of its own (schemas/members.py), and its labels from beside it.

An archive comes from a stranger. Its names never become paths here, and what it claims is compared with its size.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from heterodub.schemas.display import message_of, printable_bytes
from heterodub.schemas.errors import MediaRefusedError, SourceError
from heterodub.schemas.members import Member
from heterodub.schemas.reasons import FileReason
from heterodub.schemas.records import RawFile
from heterodub.tasks.media.parquet_cells import class_names, media_columns, open_table, sizes
from heterodub.tasks.media.parquet_rows import check_media_sizes, read_rows, scalar_columns
from heterodub.tasks.media.paths import holds, local_path, open_bytes, unreadable
from heterodub.tasks.sources.corpus import Corpus
from heterodub.tasks.sources.labels import LABELS, labels_in
from heterodub.tasks.sources.tabular import LONGEST_TEXT
from heterodub.tasks.sources.webdataset import samples

TAR, PARQUET = ".tar", ".parquet"
_COMPRESSED: Final = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
_AHEAD_BYTES: Final = 1 << 16
"""Read ahead while members are listed: their data are passed over."""


def unpacked(raw: RawFile, corpus: Corpus, origins: Sequence[str] = ()) -> Iterator[RawFile]:
    """Yield the files inside of a listed one in its place, with its labels where none lie beside them; any other file
    as it is. corpus: its pattern for speakers is matched against the names of members, too.

    Raises: SourceError - the store of an archive cannot be read.
    """
    name = raw.uri.lower()
    if raw.refusal is not None or not raw.size_bytes:
        yield raw
    elif name.endswith(_COMPRESSED):
        detail = "members of a compressed archive cannot be read one by one: decompress it to .tar"
        yield _refused(raw, FileReason.UNSUPPORTED_CONTAINER, detail)
    elif name.endswith((TAR, PARQUET)):
        yield from _inside(raw, corpus, origins)
    else:
        yield raw


def _inside(raw: RawFile, corpus: Corpus, origins: Sequence[str]) -> Iterator[RawFile]:
    list_members = _tar_members if raw.uri.lower().endswith(TAR) else _cells
    try:
        with open_bytes(raw.uri, origins, raw.within, _AHEAD_BYTES) as file:
            yield from list_members(raw, corpus, file)
    except MediaRefusedError as refusal:
        yield _refused(raw, refusal.reason, refusal.detail)
    except (OSError, ImportError, ValueError) as error:  # a server that cannot give a part of a file: ValueError
        if local_path(raw.uri) is None or not isinstance(error, OSError):
            raise SourceError(f"{raw.uri}: {message_of(error)}") from error
        yield _refused(raw, unreadable(error).reason, unreadable(error).detail)


def _refused(raw: RawFile, reason: FileReason, detail: str) -> RawFile:
    return dataclasses.replace(raw, refusal=reason, refusal_detail=detail)


def _tar_members(raw: RawFile, corpus: Corpus, file: Any) -> Iterator[RawFile]:
    for sample in samples(file, raw.size_bytes):
        for part in sample.parts:
            address = Member("tar", raw.uri, part.entry.offset, part.entry.name).address
            speaker = corpus.speaker_of(printable_bytes(part.entry.name)) or raw.speaker
            inside = dataclasses.replace(raw, uri=address, size_bytes=part.entry.size, speaker=speaker)
            inside = dataclasses.replace(inside, **sample.labels)
            yield inside if part.refusal is None else _refused(inside, part.refusal, part.detail)
        if sample.damage:
            yield _refused(raw, FileReason.DAMAGED_ARCHIVE, sample.damage)


def _cells(raw: RawFile, corpus: Corpus, file: Any) -> Iterator[RawFile]:
    try:
        table = open_table(file)
        columns = media_columns(table.schema_arrow)
        if not columns:
            yield raw  # whatever it is, it holds no media; its content will say
            return
        for column in columns:
            check_media_sizes(table, f"{column}.bytes", raw.size_bytes)
        lengths = zip(*(sizes(table, column) for column in columns), strict=True)
        for number, (row, cell_sizes) in enumerate(zip(_rows(table, columns), lengths, strict=True)):
            for column, size in zip(columns, cell_sizes, strict=True):
                yield _cell(raw, corpus, Member("parquet", raw.uri, number, _name(row, column), column), size, row)
    except (OSError, ValueError, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the file or its store; Arrow's own have no number
        yield _refused(raw, FileReason.DAMAGED_ARCHIVE, " ".join(str(error).split()))


def _rows(table: Any, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the paths in the cells of media and the labels beside them; of a label that is a list, an empty one."""
    schema = table.schema_arrow
    classes = class_names(schema)
    stated = [name for name in schema.names if name.strip().casefold() in LABELS and name not in columns]
    scalars = scalar_columns(schema, stated)
    unread: dict[str, Any] = {name: [] for name in stated if name not in scalars}
    for row in read_rows(table, [*scalars, *(f"{column}.path" for column in columns)]):
        yield row | unread | {name: _class(row[name], names) for name, names in classes.items() if name in row}


def _class(number: Any, names: list[str]) -> Any:
    return names[number] if isinstance(number, int) and 0 <= number < len(names) else None


def _name(row: dict[str, Any], column: str) -> str:
    return _path(row, column).rsplit("/", 1)[-1]


def _path(row: dict[str, Any], column: str) -> str:
    path: str = (row[column] or {}).get("path") or ""
    if len(path) > LONGEST_TEXT:
        raise ValueError(f"column {column}: a path of {len(path)} letters; at most {LONGEST_TEXT} are read")
    return path


def _cell(raw: RawFile, corpus: Corpus, member: Member, size: int | None, row: dict[str, Any]) -> RawFile:
    path = _path(row, member.column)
    speaker = corpus.speaker_of(path) or raw.speaker
    inside = dataclasses.replace(raw, uri=member.address, size_bytes=size or 0, speaker=speaker)
    if size is None:
        detail = f"the cell holds no bytes but the path {path!r}: embed the files, or ingest their folder"
        return _refused(inside, FileReason.NOT_FOUND, detail if path else "the cell is null")
    try:
        return dataclasses.replace(inside, **labels_in({name: row[name] for name in row if name != member.column}))
    except ValueError as error:
        return _refused(inside, FileReason.LABELS_UNREADABLE, str(error))


def holds_media(uri: str, origins: Sequence[str] = ()) -> bool:
    """Return True if a file is a Parquet table with media in its cells."""
    try:
        with open_bytes(uri, origins, None, _AHEAD_BYTES) as file:
            return bool(media_columns(open_table(file).schema_arrow))
    except (MediaRefusedError, OSError, ImportError, ValueError, pa.ArrowException):
        return False  # whatever it is, another reader will say


def is_gone(member: Member, origins: Sequence[str]) -> bool:
    """Return True if there is no such member any more. Only a clear answer counts: see folder.gone."""
    try:
        return not holds(member, origins)
    except FileNotFoundError:
        return True
    except (MediaRefusedError, OSError, ImportError, ValueError):
        return False
