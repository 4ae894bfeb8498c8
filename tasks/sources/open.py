"""From what a user types to the files that are meant: a folder, a file, a URI, a manifest or a corpus file."""

from collections.abc import Iterator
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Final

from schemas.addresses import trouble_with
from schemas.errors import MediaRefusedError, SourceError
from schemas.reasons import FileReason
from schemas.records import RawFile
from tasks.media.locate import local_path, localise
from tasks.sources.corpus import Corpus, load_corpus
from tasks.sources.folder import find_files, require_folder
from tasks.sources.manifest import SUFFIXES, read_manifest

_MISSING: Final = (FileReason.VANISHED, FileReason.BROKEN_LINK)
"""Refusals of what was named and is not there."""


def source_files(source: str, corpus_name: str = "default") -> Iterator[RawFile]:
    """Every raw file of a source.

    A .toml is a corpus file, a .csv or .parquet a manifest; anything else is a folder, a file or an fsspec URI.

    Raises: SourceError - the source is not there or not what it seems.
    """
    if trouble := trouble_with(source):
        raise SourceError(trouble)
    path = local_path(source) if "://" in source else Path(source)
    if path is None:
        return _remote(source, corpus_name)
    if path.suffix == ".toml" and path.is_file():
        return find_files(load_corpus(path))
    if path.suffix in SUFFIXES and path.is_file():
        return read_manifest(path, corpus_name)
    if not path.exists():
        raise SourceError(f"{source}: there is no such file or folder")
    return find_files(Corpus(name=corpus_name, root=str(path.absolute())))


def require_files(source: str, corpus_name: str = "default") -> None:
    """Refuse a source in which there is nothing to look at. A manifest is looked at as a whole, a folder until
    something is found; of a remote folder only whether it is there.

    Raises: SourceError - as source_files; it holds no file, or none of the files that it names is there.
    """
    if "://" in source and local_path(source) is None and PurePath(source).suffix not in (".toml", *SUFFIXES):
        require_folder(source)
        return
    named = 0
    for raw in source_files(source, corpus_name):
        named += 1
        if raw.refusal not in _MISSING:
            return
    what = f"none of the {named} files that it names is there" if named else "it holds no file"
    raise SourceError(f"{source}: {what}")


def _remote(source: str, corpus_name: str) -> Iterator[RawFile]:
    suffix = PurePath(source).suffix
    if suffix not in (".toml", *SUFFIXES):
        return find_files(Corpus(name=corpus_name, root=source))
    with TemporaryDirectory(prefix="heterodub-") as scratch:
        try:
            with localise(source, Path(scratch)) as copy:
                told = copy.rename(copy.with_suffix(suffix))
        except MediaRefusedError as refusal:
            raise SourceError(f"{source}: {refusal.detail or refusal}") from refusal
        place = source.rsplit("/", 1)[0]
        return (
            find_files(load_corpus(told, place))
            if suffix == ".toml"
            else iter([*read_manifest(told, corpus_name, place)])
        )
