"""Lists of a bucket's objects as S3 Inventory writes them: a manifest.json that names CSV or Parquet files of rows.

An inventory of ten million objects is some files; listing them takes ten thousand requests. What it says is compared
with its checksums, and every row is looked at, before the first is used.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import unquote_plus

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from heterodub.schemas.errors import MediaRefusedError, SourceError
from heterodub.tasks.media.paths import localise
from heterodub.tasks.sources.faults import SHOWN, Faults

MANIFEST: Final = "manifest.json"

OBJECTS: Final = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("mark", pa.string(), nullable=False),
    ]
)
"""Objects of a store: the path in it, the bytes, and what changes with the content."""

_NEEDED: Final = {"bucket": "Bucket", "key": "Key", "size": "Size", "etag": "ETag"}
_CURRENT: Final = {"islatest": "true", "isdeletemarker": "false"}
"""Columns of an inventory of all versions, and what they say of one that is there."""

_BLOCK_BYTES: Final = 8 * 2**20


@dataclass(frozen=True, slots=True)
class InventoryFile:
    """A file of an inventory's rows."""

    address: str
    size_bytes: int
    md5: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """An inventory of a bucket. columns: of its CSV files, in their order; none where the files name them."""

    address: str
    bucket: str
    columns: tuple[str, ...]
    files: tuple[InventoryFile, ...]


def is_inventory(source: str) -> bool:
    """Return True of an address that can only be an inventory's."""
    return source.rsplit("/", 1)[-1] == MANIFEST


def read_inventory(address: str, origins: Sequence[str] = ()) -> Inventory:
    """Read the manifest of an inventory, not its rows.

    Raises: SourceError - it is not there, is none, or its files are in a format that is not read.
    """
    with _at_hand(address, origins) as path:
        try:
            said = json.loads(path.read_bytes())
            bucket, kind, schema = (str(said[name]) for name in ("sourceBucket", "fileFormat", "fileSchema"))
            place = str(said["destinationBucket"]).rsplit(":", 1)[-1]
            files = tuple(
                InventoryFile(f"s3://{place}/{file['key']}", int(file["size"]), str(file["MD5checksum"]))
                for file in said["files"]
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise SourceError(f"{address} is not the manifest of an S3 Inventory: {error!r}") from error
    if kind not in ("CSV", "Parquet"):
        raise SourceError(f"{address}: its files are {kind}; inventories are read as CSV or Parquet")
    columns = tuple(_plain(name) for name in schema.split(",")) if kind == "CSV" else ()
    if kind == "CSV":
        _require_columns(address, columns)
    return Inventory(address, bucket, columns, files)


def inventory_pages(inventory: Inventory, place: str, origins: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
    """Yield the objects at or below a place, `bucket/prefix`, as rows of OBJECTS. What is no current version is left
    out. Ends by an error if any row was wrong: whoever uses the rows waits for the end.

    Raises: SourceError - of another bucket, a file is missing, damaged or lacks a column, or rows are wrong: the first
    ones are named.
    """
    bucket, _, prefix = place.partition("/")
    if bucket != inventory.bucket:
        raise SourceError(f"{inventory.address} is of the bucket {inventory.bucket}, not of {bucket}")
    faults, count = Faults(), 0
    for file in inventory.files:
        number = 0
        for rows in _read(inventory, file, origins):
            good = _good(inventory, file, rows, number, faults)
            number += rows.num_rows
            yield _below(good, prefix.rstrip("/"), bucket)
        count += number
    faults.require_none(inventory.address, count)


def _good(
    inventory: Inventory, file: InventoryFile, rows: pa.RecordBatch, before: int, faults: Faults
) -> pa.RecordBatch:
    """Return the rows of current versions without those that are wrong, which are added to `faults`."""
    keep = pa.array([True] * rows.num_rows)
    for name, wanted in _CURRENT.items():
        if name in rows.schema.names:
            keep = pc.and_(keep, pc.equal(pc.utf8_lower(rows[name].cast(pa.string())), wanted))
    digits = pc.match_substring_regex(rows["size"].cast(pa.string()), r"^\d{1,18}$")
    rules = {
        f"it is of another bucket than {inventory.bucket}": pc.equal(rows["bucket"], inventory.bucket),
        "it has no key": pc.not_equal(rows["key"], ""),
        "its size is no number of bytes": digits,
        "it has no ETag": pc.not_equal(rows["etag"], ""),
    }
    right = pc.fill_null(keep, True)
    for fault, is_met in rules.items():
        wrong = pc.and_(right, pc.invert(pc.fill_null(is_met, False)))
        places = pc.indices_nonzero(wrong)
        shown = (f"{file.address} row {before + place + 1}: {fault}" for place in places.slice(0, SHOWN).to_pylist())
        faults.add(*shown, count=len(places))
        right = pc.and_(right, pc.fill_null(is_met, False))
    return rows.filter(right)


def _below(rows: pa.RecordBatch, prefix: str, bucket: str) -> pa.RecordBatch:
    keys = rows["key"]
    if prefix:
        is_below = pc.or_(pc.equal(keys, prefix), pc.starts_with(keys, f"{prefix}/"))
        rows = rows.filter(is_below)
        keys = rows["key"]
    paths = pc.binary_join_element_wise(bucket, keys, "/")
    marks = pc.binary_join_element_wise('"', pc.utf8_trim(rows["etag"], '"'), '"', "")  # as a listing writes them
    return pa.record_batch([paths, rows["size"].cast(pa.string()).cast(pa.int64()), marks], schema=OBJECTS)


def _read(inventory: Inventory, file: InventoryFile, origins: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file, by plain names of columns; keys as the store has them.

    Raises: SourceError - it is not there, or not what the manifest says.
    """
    with _at_hand(file.address, origins) as path:
        with path.open("rb") as opened:
            digest = hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if (path.stat().st_size, digest) != (file.size_bytes, file.md5):
            raise SourceError(f"{file.address} is not the file that {inventory.address} names: size or MD5 differ")
        try:
            yield from _csv(path, inventory.columns) if inventory.columns else _parquet(file, path)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise SourceError(f"{file.address} cannot be read: {' '.join(str(error).split())}") from error


def _csv(path: Path, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    wanted = [name for name in columns if name in (*_NEEDED, *_CURRENT)]
    with pa.input_stream(path, compression="gzip") as stream:
        reader = pacsv.open_csv(
            stream,
            pacsv.ReadOptions(column_names=columns, block_size=_BLOCK_BYTES),
            pacsv.ParseOptions(newlines_in_values=False),
            pacsv.ConvertOptions(column_types=dict.fromkeys(wanted, pa.string()), include_columns=wanted),
        )
        for rows in reader:
            number = rows.schema.get_field_index("key")
            yield rows.set_column(number, "key", _decoded(rows["key"]))


def _decoded(keys: pa.Array) -> pa.Array:
    """Undo the encoding of keys in CSV, that of HTML forms."""
    coded = pc.match_substring_regex(keys, "[%+]")
    if not pc.any(coded).as_py():
        return keys
    texts = [unquote_plus(key, errors="strict") for key in keys.filter(coded).to_pylist()]
    return pc.replace_with_mask(keys, coded, pa.array(texts, pa.string()))


def _parquet(file: InventoryFile, path: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as table:
        names = {_plain(name): name for name in table.schema_arrow.names}
        _require_columns(file.address, tuple(names))
        wanted = {plain: name for plain, name in names.items() if plain in (*_NEEDED, *_CURRENT)}
        for rows in table.iter_batches(columns=list(wanted.values())):
            plain_rows: Any = rows.rename_columns([_plain(name) for name in rows.schema.names])
            yield plain_rows


def _require_columns(address: str, columns: tuple[str, ...]) -> None:
    if missing := [name for plain, name in _NEEDED.items() if plain not in columns]:
        raise SourceError(
            f"{address} has no {', '.join(missing)}: add these fields to the configuration of the inventory"
        )


def _plain(name: str) -> str:
    """Name of a column without regard to how CSV (LastModifiedDate) and Parquet (last_modified_date) write it."""
    return name.strip().replace("_", "").lower()


@contextmanager
def _at_hand(address: str, origins: Sequence[str]) -> Iterator[Path]:
    with TemporaryDirectory(prefix="heterodub-") as scratch:
        try:
            with localise(address, Path(scratch), origins) as path:
                yield path
        except MediaRefusedError as refusal:
            raise SourceError(f"{address}: {refusal.detail or refusal}") from refusal
