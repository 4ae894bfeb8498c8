"""Detection of listed files that are not there any more. Nothing is opened."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from tasks.media.paths import local_path
from tasks.stores.remote import as_os_errors, open_store

_QUESTIONS_AT_ONCE: Final = 32
_ASKED_SINGLY: Final = 8
"""Up to so many files of one folder of a store are checked one by one; of more, the folder is listed once."""


def gone(uris: Iterable[str], origins: Sequence[str] = ()) -> frozenset[str]:
    """Return the uris at which there is nothing any more, not even a link.

    Only a clear answer counts: a file whose share or store cannot be read is not gone.
    """
    lost: set[str] = set()
    remote: dict[str, list[str]] = defaultdict(list)
    for uri in uris:
        path = local_path(uri)
        if path is None:
            remote[uri.rsplit("/", 1)[0]].append(uri)
            continue
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            lost.add(uri)
        except OSError:
            continue
    if remote:
        with ThreadPoolExecutor(_QUESTIONS_AT_ONCE) as pool:
            lost.update(
                uri for found in pool.map(partial(_gone_from_a_folder, origins), remote.values()) for uri in found
            )
    return frozenset(lost)


def _gone_from_a_folder(origins: Sequence[str], uris: list[str]) -> list[str]:
    """Return those of some files of one remote folder that are gone; none where the store does not answer."""
    try:
        with as_os_errors():
            return list(_absent(uris, origins))
    except (OSError, ImportError, ValueError):
        return []


def _absent(uris: list[str], origins: Sequence[str]) -> Iterator[str]:
    store, _ = open_store(uris[0], origins)
    paths = {uri: str(store._strip_protocol(uri)) for uri in uris}
    if len(uris) <= _ASKED_SINGLY:
        yield from (uri for uri, path in paths.items() if not store.exists(path))
        return
    try:
        held = frozenset(map(str, store.ls(next(iter(paths.values())).rsplit("/", 1)[0], detail=False)))
    except FileNotFoundError:
        held = frozenset()
    yield from (uri for uri, path in paths.items() if path not in held)
