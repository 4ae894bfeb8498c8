"""Listing of the files of a folder or bucket, and detection of listed files that are gone.

Nothing is opened; files that cannot be opened are listed as refused.
"""

import dataclasses
import errno
import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fnmatch import fnmatch
from functools import partial
from itertools import islice
from operator import attrgetter
from pathlib import Path, PurePath
from typing import Any, Final

from heterodub.schemas.display import printable_bytes
from heterodub.schemas.errors import SourceError
from heterodub.schemas.members import member_of
from heterodub.schemas.reasons import FileReason
from heterodub.schemas.records import RawFile
from heterodub.tasks.media.paths import local_path, path_to_uri
from heterodub.tasks.sources.bucket import ending_with, mark_of, objects_below, reached
from heterodub.tasks.sources.corpus import Corpus
from heterodub.tasks.sources.folder_labels import METADATA_FILES, FolderLabels
from heterodub.tasks.sources.members import is_gone, unpacked
from heterodub.tasks.stores.workspace import MARKER

VIDEO_SUFFIXES: Final = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".gif", ".m4v"})
"""Used only to mention a *folder* that is named like a video; files are recognised by their content."""

_PAGE_ENTRIES: Final = 16_384

_EVERYTHING: Final = ("**/*", "**", "*")


def find_files(corpus: Corpus, origins: Sequence[str] = ()) -> Iterator[RawFile]:
    """Yield every file of a corpus, folder by folder, by name within some thousands. A workspace below the root is
    skipped: it is ours, not footage.

    Raises: SourceError - the root is not there or cannot be listed; or there is no file, or none that the glob or, at
    the end, the pattern for speakers fits.
    """
    files = usable = spoken = 0
    for raw in _labelled(corpus, origins):
        yield raw
        files += 1
        usable += raw.refusal is None
        spoken += raw.speaker is not None
    if not files:
        none = (
            "there are no files in it" if corpus.glob in _EVERYTHING else f"no file in it fits glob = {corpus.glob!r}"
        )
        raise SourceError(f"{corpus.root}: {none}")
    if corpus.speaker and usable and not spoken:
        raise SourceError(f"{corpus.root}: none of its {usable} files fits speaker = {corpus.speaker!r}")


def _labelled(corpus: Corpus, origins: Sequence[str]) -> Iterator[RawFile]:
    """Yield the files with what metadata files beside them say, and those inside of archives in place of these."""
    labels = FolderLabels(origins)
    for raw in _listed(corpus, origins, labels):
        if not labels.is_read(raw):
            yield from unpacked(labels.applied(raw), corpus, origins)
    # the glob leaves files out, and those below linked folders are not listed: these are there all the same
    yield from labels.without_file(corpus, gone(labels.unlisted, origins))


def _listed(corpus: Corpus, origins: Sequence[str], labels: FolderLabels) -> Iterator[RawFile]:
    if "://" in corpus.root and not corpus.root.startswith("file://"):
        yield from _remote(corpus, origins, labels)
        return
    root = local_path(corpus.root) if corpus.root.startswith("file://") else Path(corpus.root)
    if root is None or not root.exists():
        raise SourceError(f"{corpus.root}: there is no such file or folder")
    if root.is_file():
        yield local_file(corpus, root, root.parent)
        return
    yield from _walk(corpus, root, labels)


def _walk(corpus: Corpus, root: Path, labels: FolderLabels) -> Iterator[RawFile]:
    unlisted: list[OSError] = []
    real, waiting = root.resolve(), [root]
    while waiting:
        here = waiting.pop()
        if _is_workspace(here):
            if here == root:
                raise SourceError(f"{root} is a workspace, not footage; name the folder that it was ingested from")
            continue
        folders = list[Path]()
        try:
            for page in _pages(here):
                if not folders:
                    labels.read(path_to_uri(here / name) for name in METADATA_FILES if os.path.lexists(here / name))
                for entry in page:
                    path = here / entry.name
                    if _is_folder(entry):
                        folders.append(path)
                    elif _matches(corpus.glob, path.relative_to(root)):
                        yield _inside(corpus, local_file(corpus, path, root), path, real)
        except OSError as error:
            if here == root:
                raise SourceError(f"{root}: {error.strerror}") from error
            unlisted.append(error)
        folders.sort()
        yield from (odd for path in folders if (odd := _odd_folder(corpus, path)) is not None)
        waiting += [path for path in reversed(folders) if not path.is_symlink()]
    for trouble in unlisted:
        yield _refused(corpus, Path(trouble.filename), FileReason.UNREADABLE, f"folder: {trouble.strerror}")


def _pages(folder: Path) -> Iterator[list[os.DirEntry[str]]]:
    """Yield the entries of a folder, each page by name; a folder of millions is never in memory."""
    with os.scandir(folder) as entries:
        while page := list(islice(entries, _PAGE_ENTRIES)):
            yield sorted(page, key=attrgetter("name"))


def _is_workspace(folder: Path) -> bool:
    marker = folder / MARKER
    return os.path.lexists(marker) and not marker.is_dir()


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _matches(pattern: str, relative: str | PurePath) -> bool:
    if pattern in _EVERYTHING:
        return True
    text = str(PurePath(relative))
    return fnmatch(text, pattern) or fnmatch(text, pattern.removeprefix("**/"))


def _odd_folder(corpus: Corpus, path: Path) -> RawFile | None:
    if path.is_symlink():
        return _refused(corpus, path, FileReason.LINKED_FOLDER, os.fsencode(path.readlink()).decode("utf-8", "replace"))
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _refused(corpus, path, FileReason.FOLDER)
    return None


def local_file(corpus: Corpus, path: Path, root: Path | None = None) -> RawFile:
    """Return one local file as it is found; what must not be opened carries its refusal."""
    root = root or path.parent
    try:
        facts = path.stat()
    except OSError as error:
        return _refused(corpus, path, _link_trouble(path, error), error.strerror or "")
    if stat.S_ISDIR(facts.st_mode):
        return _refused(corpus, path, FileReason.FOLDER)
    if not stat.S_ISREG(facts.st_mode):
        return _refused(corpus, path, FileReason.NOT_A_REGULAR_FILE)
    relative = printable_bytes(str(path.relative_to(root)))
    return _raw(corpus, path_to_uri(path), facts.st_size, f"{facts.st_size}-{facts.st_mtime_ns}", relative)


def _inside(corpus: Corpus, raw: RawFile, path: Path, root: Path) -> RawFile:
    """The file, unless it is a link that leads out of the root; who opens it later looks again."""
    if raw.refusal is None and path.is_symlink() and not path.resolve().is_relative_to(root):
        target = os.fsencode(path.readlink()).decode("utf-8", "replace")
        return _refused(corpus, path, FileReason.LINK_OUTSIDE, target)
    return dataclasses.replace(raw, within=str(root))


def _link_trouble(path: Path, error: OSError) -> FileReason:
    if error.errno == errno.ELOOP:
        return FileReason.LINK_LOOP
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return FileReason.BROKEN_LINK if path.is_symlink() else FileReason.NOT_FOUND
    return FileReason.UNREADABLE


def _refused(corpus: Corpus, path: Path, reason: FileReason, detail: str = "") -> RawFile:
    try:
        stamp = str(path.lstat().st_mtime_ns)
    except OSError:
        stamp = "unknown"
    raw = _raw(corpus, path_to_uri(path), 0, f"{reason}-{stamp}", "")
    return RawFile(raw.uri, 0, raw.stamp, raw.corpus, None, raw.licence, refusal=reason, refusal_detail=detail)


def _remote(corpus: Corpus, origins: Sequence[str], labels: FolderLabels) -> Iterator[RawFile]:
    objects = objects_below(corpus.root, corpus.inventory, origins)
    if not objects.rows:
        raise SourceError(f"{corpus.root}: there is nothing there")
    with reached(corpus.root, origins) as (store, root):
        named = store.unstrip_protocol
    own = tuple(path.removesuffix(MARKER) for path in ending_with(objects, f"/{MARKER}"))
    if f"{root.rstrip('/')}/" in own:
        raise SourceError(f"{corpus.root} is a workspace, not footage; name what it was ingested from")
    labels.read(named(path) for path in ending_with(objects, *(f"/{name}" for name in METADATA_FILES)))
    for page in objects:
        for path, size, mark in zip(*(column.to_pylist() for column in page.columns), strict=True):
            if path.startswith(own) or (path.endswith("/") and not size):
                continue  # a key with a slash at its end is how consoles show an empty folder
            relative = path.removeprefix(root).lstrip("/") or PurePath(path).name
            if _matches(corpus.glob, relative):
                yield _raw(corpus, named(path), size, f"{size}-{mark}", relative)


def remote_file(corpus: Corpus, origins: Sequence[str] = ()) -> RawFile:
    """Return the one file at the corpus's root; one that is not there carries its refusal.

    Raises: SourceError - the store cannot be read.
    """
    try:
        with reached(corpus.root, origins) as (store, path):
            facts = store.info(path)
    except SourceError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise
        return dataclasses.replace(_raw(corpus, corpus.root, 0, FileReason.NOT_FOUND, ""), refusal=FileReason.NOT_FOUND)
    raw = _remote_raw(corpus, store.unstrip_protocol(path), facts, PurePath(path).name)
    return dataclasses.replace(raw, refusal=FileReason.FOLDER) if facts.get("type") == "directory" else raw


def _remote_raw(corpus: Corpus, uri: str, facts: Mapping[str, Any], relative: str) -> RawFile:
    size = int(facts.get("size") or 0)
    return _raw(corpus, uri, size, f"{size}-{mark_of(facts)}", relative)


def _raw(corpus: Corpus, uri: str, size: int, stamp: str, relative: str) -> RawFile:
    raw = RawFile(uri, size, stamp, corpus.name, corpus.speaker_of(relative))
    return dataclasses.replace(raw, **corpus.labels)


_QUESTIONS_AT_ONCE: Final = 32
_ASKED_SINGLY: Final = 8
"""Up to so many files of one folder of a store are checked one by one; of more, the folder is listed once."""


def gone(uris: Iterable[str], origins: Sequence[str] = ()) -> frozenset[str]:
    """Return the uris at which there is nothing any more, not even a link.

    Only a clear answer counts: a file whose share or store cannot be read is not gone.
    """
    lost: set[str] = set()
    local: dict[str, list[str]] = defaultdict(list)
    remote: dict[str, list[str]] = defaultdict(list)
    for uri in uris:
        if (member := member_of(uri)) is not None:
            if is_gone(member, origins):
                lost.add(uri)
        else:
            folders = remote if uri[:1] != "/" and local_path(uri) is None else local
            folders[uri.rpartition("/")[0]].append(uri)
    for folder in local.values():
        lost.update(_gone_from_this_machine(folder))
    if remote:
        with ThreadPoolExecutor(_QUESTIONS_AT_ONCE) as pool:
            lost.update(*pool.map(partial(_gone_from_a_folder, origins), remote.values()))
    return frozenset(lost)


def _gone_from_this_machine(uris: list[str]) -> list[str]:
    """Return those of some files of one folder of this machine that are gone. Of many the folder is listed, and only
    what the listing lacks is asked for.
    """
    present: set[str] = set()
    if len(uris) > _ASKED_SINGLY and (path := local_path(uris[0])):
        try:
            present = {f"/{entry.name}" for entry in path.parent.iterdir()}
        except (FileNotFoundError, NotADirectoryError):
            return uris
        except OSError:
            pass  # each may be there for those who know its name
    return [uri for uri in uris if not (uri[0] == "/" and uri[uri.rindex("/") :] in present) and _is_not_there(uri)]


def _is_not_there(uri: str) -> bool:
    try:
        os.lstat(str(local_path(uri)))
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return False


def _gone_from_a_folder(origins: Sequence[str], uris: list[str]) -> list[str]:
    """Return those of some files of one remote folder that are gone; none where the store does not answer."""
    with suppress(SourceError), reached(uris[0], origins) as (store, _):
        paths = {uri: str(store._strip_protocol(uri)) for uri in uris}
        if len(uris) <= _ASKED_SINGLY:
            return [uri for uri, path in paths.items() if not store.exists(path)]
        present: set[str] = set()
        with suppress(FileNotFoundError):
            present.update(map(str, store.ls(paths[uris[0]].rsplit("/", 1)[0], detail=False)))
        return [uri for uri, path in paths.items() if path not in present]
    return []
