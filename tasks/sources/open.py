"""Opening of a source by what a user types: a folder, a file, a URI, a manifest or a corpus file."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from heterodub.schemas.addresses import trouble_with
from heterodub.schemas.errors import MediaRefusedError, SourceError
from heterodub.schemas.exports import RECORD
from heterodub.schemas.reasons import FileReason, Stage
from heterodub.schemas.records import RawFile
from heterodub.tasks.media.paths import local_path, localise
from heterodub.tasks.media.sniff import sniff
from heterodub.tasks.sources.bucket import reached
from heterodub.tasks.sources.corpus import Corpus, load_corpus
from heterodub.tasks.sources.exported import exported_files
from heterodub.tasks.sources.folder import find_files
from heterodub.tasks.sources.inventory import is_inventory, read_inventory
from heterodub.tasks.sources.manifest import read_manifest
from heterodub.tasks.sources.members import PARQUET, holds_media
from heterodub.tasks.sources.tabular import SUFFIXES, suffix_of

_CORPUS: Final = ".toml"
_SAVED_ARROW: Final = ("state.json", "dataset_info.json")
_MOST_SHARDS: Final = 100_000
_OTHER_LISTS: Final = (".txt", ".json", ".ndjson", ".xlsx", ".xls", ".ods", ".xml", ".yaml", ".yml", ".arrow")


_NOT_MAPPED: Final[Mapping[str, str]] = {}


def source_files(
    source: str,
    corpus_name: str = "default",
    origins: Sequence[str] = (),
    columns: Mapping[str, str] = _NOT_MAPPED,
) -> Iterator[RawFile]:
    """Yield every raw file of a source; of a manifest, once all of it was checked.

    A .toml is a corpus file; .csv, .tsv, .jsonl (each also .gz) and .parquet are manifests, in whatever case they are
    written, but for a .parquet with media in its cells; a manifest.json is that of an S3 Inventory; the folder of an
    export gives the raw files in it; a name with {0000..0012} stands for that many; anything else is a folder, a file
    or a URI. origins: web servers that may be read, see open_store. columns: those of a manifest that are called
    otherwise, see resolve.

    Raises: SourceError - the source is not there, not what it seems, or holds no files.
    """
    if trouble := trouble_with(source):
        raise SourceError(trouble)
    if columns and not _is_manifest(source, origins):
        raise SourceError(f"{source} is no manifest, so it has no columns to name; a corpus file names them itself")
    path = local_path(source) if "://" in source else Path(source)
    if (names := _numbered(source)) and not (path and path.exists()):
        for name in names:
            yield from source_files(name, corpus_name, origins, columns)
        return
    if is_inventory(source):
        yield from find_files(inventory_corpus(source, corpus_name, origins), origins)
        return
    if path is None:
        yield from _remote(source, corpus_name, origins, columns)
        return
    if not path.exists():
        raise SourceError(f"{source}: there is no such file or folder")
    if path.is_file() and path.suffix.lower() == _CORPUS:
        yield from corpus_files(load_corpus(path), origins)
    elif path.is_file() and _is_manifest(source, origins):
        yield from read_manifest(path, corpus_name, origins=origins, columns=columns)
    elif path.is_dir() and (path / RECORD).is_file():
        yield from exported_files(path, corpus_name)
    else:
        _refuse_other_folders(path)
        _refuse_other_lists(path)
        yield from find_files(Corpus(name=corpus_name, root=str(path.absolute())), origins)


def check_source(
    source: str,
    corpus_name: str = "default",
    origins: Sequence[str] = (),
    columns: Mapping[str, str] = _NOT_MAPPED,
) -> None:
    """Check quickly whether there is anything to ingest, before servers are started.

    A manifest is read and checked whole; of an inventory its manifest.json; of a folder the first file is enough, of a
    corpus file with a pattern for speakers the first that the pattern fits; of a bucket only that something is there.

    Raises: SourceError - see source_files.
    """
    if is_inventory(source):
        inventory_corpus(source, corpus_name, origins)
        return
    is_remote = "://" in source and not trouble_with(source) and local_path(source) is None
    if is_remote and not _is_list(source, origins):
        for name in _numbered(source) or [source]:
            _require_there(name, origins)
        return
    files = source_files(source, corpus_name, origins, columns)
    first = next(files)  # source_files raises where there is none
    if source.lower().endswith(_CORPUS) and first.speaker is None:
        any(raw.speaker is not None for raw in files)  # at its end it raises, if there was a pattern and none fits


def inventory_corpus(source: str, name: str, origins: Sequence[str]) -> Corpus:
    """Return the corpus of all objects that an inventory lists.

    Raises: SourceError - there is none at this address.
    """
    address = source if "://" in source else str(Path(source).absolute())
    return Corpus(name=name, root=f"s3://{read_inventory(address, origins).bucket}", inventory=address)


_NUMBERS: Final = re.compile(r"(.*)\{(\d{1,8})\.\.(\d{1,8})\}(.*)")


def _numbered(source: str) -> list[str]:
    """Return the names that one with {0000..0012} stands for, as the webdataset library has it; none for any other.

    Raises: SourceError - it stands for none, or more than any data set has.
    """
    match = _NUMBERS.fullmatch(source)
    if match is None:
        return []
    before, first, last, after = match.groups()
    count = int(last) - int(first) + 1
    if not 1 <= count <= _MOST_SHARDS:
        raise SourceError(f"{source}: stands for {count} shards; 1 to {_MOST_SHARDS} are accepted")
    return [f"{before}{number:0{len(first)}}{after}" for number in range(int(first), int(last) + 1)]


def _is_list(source: str, origins: Sequence[str]) -> bool:
    return source.lower().endswith(_CORPUS) or _is_manifest(source, origins)


def _is_manifest(source: str, origins: Sequence[str]) -> bool:
    suffix = suffix_of(source)
    if suffix != PARQUET:
        return suffix is not None
    return not holds_media(source if "://" in source else str(Path(source).absolute()), origins)


def _require_there(source: str, origins: Sequence[str]) -> None:
    with reached(source, origins) as (store, path):
        is_there = store.exists(path)
    if not is_there:
        raise SourceError(f"{source}: there is nothing there")


def _refuse_other_folders(path: Path) -> None:
    """Refuse folders of data sets that hold no footage: a part of an export, and Arrow files of `datasets`."""
    whole = path.absolute().parent
    if path.name in tuple(Stage) and (whole / RECORD).is_file():
        raise SourceError(f"{path} is a part of an export; name the export's folder, {whole}")
    if (path / "dataset_dict.json").is_file() or all((path / name).is_file() for name in _SAVED_ARROW):
        raise SourceError(f"{path} was written by save_to_disk; write each split by to_parquet, and ingest that folder")


def _refuse_other_lists(path: Path) -> None:
    """Refuse tables in formats that are not read; they must not pass for one file of footage."""
    if not (path.is_file() and path.suffix.lower() in _OTHER_LISTS):
        return
    try:
        sniff(path)
    except MediaRefusedError as refusal:
        if refusal.reason is FileReason.NOT_MEDIA:
            raise SourceError(f"{path} is no film; a manifest is {', '.join(SUFFIXES)}") from refusal


def corpus_files(corpus: Corpus, origins: Sequence[str]) -> Iterator[RawFile]:
    """Yield the files of a corpus: of its folder, or of its manifest.

    Raises: SourceError - see source_files.
    """
    if corpus.manifest is None:
        yield from find_files(corpus, origins)
        return
    labels = {name: value for name, value in corpus.labels.items() if value is not None}
    with _at_hand(corpus.manifest, suffix_of(corpus.manifest) or "", origins) as path:
        yield from read_manifest(path, corpus.name, corpus.root, origins, corpus.columns, labels)


def _remote(source: str, corpus_name: str, origins: Sequence[str], columns: Mapping[str, str]) -> Iterator[RawFile]:
    if not _is_list(source, origins):
        yield from find_files(Corpus(name=corpus_name, root=source), origins)
        return
    suffix = suffix_of(source) or _CORPUS
    place = source.rsplit("/", 1)[0]
    with _at_hand(source, suffix, origins) as listing:
        if suffix == _CORPUS:
            yield from corpus_files(load_corpus(listing, place), origins)
        else:
            yield from read_manifest(listing, corpus_name, place, origins, columns)


@contextmanager
def _at_hand(source: str, suffix: str, origins: Sequence[str]) -> Iterator[Path]:
    """Give the path of a list, of a remote one that of a copy with its suffix, for as long as the block lasts.

    Raises: SourceError - it is not there.
    """
    path = local_path(source) if "://" in source else Path(source)
    if path is not None:
        yield path
        return
    with TemporaryDirectory(prefix="heterodub-") as scratch:
        try:
            with localise(source, Path(scratch), origins) as copy:
                listing = copy.rename(copy.with_suffix(suffix))
        except MediaRefusedError as refusal:
            raise SourceError(f"{source}: {refusal.detail or refusal}") from refusal
        yield listing
