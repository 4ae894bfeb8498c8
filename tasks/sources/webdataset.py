"""Samples of a WebDataset shard: members whose names are equal up to the first dot lie together, and the .json among
them holds the labels of the others.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, BinaryIO, Final

from heterodub.schemas.display import printable_bytes
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.media.tar_members import DamagedTarError, TarEntry, read_entries, read_entry
from heterodub.tasks.sources.labels import labels_in

_NAME: Final = re.compile(r"((?:.*/)?[^./][^./]*)\.([^/]+)", re.DOTALL)
"""Key of the sample and extension of the part, as the webdataset library divides a name."""

_ANNOTATIONS: Final = (
    *("txt", "text", "transcript", "caption", "srt", "vtt", "csv", "jsonl", "jsn", "yaml", "yml", "xml", "html"),
    *("cls", "cls2", "index", "inx", "id", "pyd", "pickle", "pkl", "pth", "pt", "ten", "tb", "npy", "npz"),
    *("mp", "msg", "msgpack", "cbor"),
)
_STILLS: Final = ("jpg", "jpeg", "png", "ppm", "pgm", "pbm")
"""Extensions, which in a WebDataset state the type of a part. These parts are not even read: there are millions, and
equal ones (the class 1) would pass for one film with the labels of all its samples.
"""

_REASON_BY_TYPE: Final = dict.fromkeys(_ANNOTATIONS, FileReason.NOT_MEDIA) | dict.fromkeys(
    _STILLS, FileReason.STILL_PICTURE
)

_LABEL_BYTES: Final = 1 << 20
"""A larger .json holds no labels that a person wrote."""


@dataclass(frozen=True, slots=True)
class SamplePart:
    """A member that may be media; refusal: the reason why it must not be opened."""

    entry: TarEntry
    refusal: FileReason | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """Parts of a sample and their labels, fields of RawFile. damage: the error that ends the archive."""

    parts: tuple[SamplePart, ...]
    labels: dict[str, Any] = field(default_factory=dict)
    damage: str = ""


def samples(file: BinaryIO, size_bytes: int) -> Iterator[Sample]:
    """Yield the samples of a shard, in order; links, devices and folders are samples of no labels.

    Raises: OSError - the file cannot be read.
    """
    damage: list[str] = []
    seen: set[str] = set()
    for _, entries in groupby(_entries(file, damage), key=lambda entry: _key(entry.name)):
        yield _sample(file, [entry for entry in entries if not entry.is_folder], size_bytes, seen)
    if damage:
        yield Sample((), damage=damage[0])


def _entries(file: BinaryIO, damage: list[str]) -> Iterator[TarEntry]:
    try:
        yield from read_entries(file)
    except DamagedTarError as error:
        damage.append(str(error))


def _key(name: str) -> str:
    match = _NAME.fullmatch(name)
    return name if match is None else match[1]


def _sample(file: BinaryIO, entries: list[TarEntry], size_bytes: int, seen: set[str]) -> Sample:
    labels: dict[str, Any] = {}
    trouble = ""
    parts: list[SamplePart] = []
    for entry in entries:
        part = _part(entry, size_bytes, seen)
        if part.refusal is None and entry.name.lower().endswith(".json"):
            try:
                labels |= _labels(file, entry)
            except (ValueError, RecursionError) as error:
                trouble = f"{printable_bytes(entry.name)}: {error}"
        else:
            parts.append(part)
    if trouble:
        parts = [
            SamplePart(part.entry, part.refusal or FileReason.LABELS_UNREADABLE, part.detail or trouble)
            for part in parts
        ]
    return Sample(tuple(parts), labels)


def _part(entry: TarEntry, size_bytes: int, seen: set[str]) -> SamplePart:
    if entry.is_link:
        return SamplePart(entry, FileReason.LINK_IN_ARCHIVE)
    if not entry.is_file:
        return SamplePart(entry, FileReason.NOT_A_REGULAR_FILE, f"type {entry.kind!r}")
    if entry.name.startswith("/") or ".." in entry.name.split("/") or "\0" in entry.name or not entry.name:
        return SamplePart(entry, FileReason.UNSAFE_NAME)
    if entry.data_offset + entry.size > size_bytes:
        detail = f"{entry.size} bytes are claimed, {max(0, size_bytes - entry.data_offset)} are there"
        return SamplePart(entry, FileReason.DAMAGED_ARCHIVE, detail)
    if entry.name in seen:
        return SamplePart(entry, FileReason.DUPLICATE_MEMBER)
    seen.add(entry.name)
    return SamplePart(entry, _REASON_BY_TYPE.get(entry.name.rsplit(".", 1)[-1].lower()))


def _labels(file: BinaryIO, entry: TarEntry) -> dict[str, Any]:
    fields = json.loads(read_entry(file, entry, _LABEL_BYTES))
    if not isinstance(fields, dict):
        raise ValueError("it holds no object")
    return labels_in(fields)
