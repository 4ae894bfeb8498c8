"""From what a user types to the files that are meant: a folder, a file, a URI, a manifest or a corpus file."""

from collections.abc import Iterator
from pathlib import Path

from schemas.errors import SourceError
from schemas.records import RawFile
from tasks.media.locate import local_path
from tasks.sources.corpus import Corpus, load_corpus
from tasks.sources.folder import find_files
from tasks.sources.manifest import SUFFIXES, read_manifest


def source_files(source: str, corpus_name: str = "default") -> Iterator[RawFile]:
    """Every raw file of a source.

    A .toml is a corpus file, a .csv or .parquet a manifest; anything else is a folder, a file or an fsspec URI.

    Raises: SourceError - the source is not there or not what it seems.
    """
    path = local_path(source) if "://" in source else Path(source)
    if path is None:
        return find_files(Corpus(name=corpus_name, root=source))
    if path.suffix == ".toml" and path.is_file():
        return find_files(load_corpus(path))
    if path.suffix in SUFFIXES and path.is_file():
        return read_manifest(path, corpus_name)
    if not path.exists():
        raise SourceError(f"{source}: there is no such file or folder")
    return find_files(Corpus(name=corpus_name, root=str(path.absolute())))
