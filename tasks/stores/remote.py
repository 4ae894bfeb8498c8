"""Access to all addresses: no other module imports fsspec, and only listed kinds of address are opened.

Addresses come with footage of strangers, and fsspec has kinds that run code elsewhere (dask://), take others inside
(chains with "::"), or connect to wherever an address says. Nothing here remembers a listing: others write there too.
"""

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from errno import EIO
from functools import cache
from typing import Any, Final

import fsspec
from fsspec.asyn import sync

from heterodub.schemas.addresses import origin_of, without_password

STORES: Final = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory")
"""Kinds whose servers follow from the environment of whoever starts a command, not from the address. memory is of this
process alone.
"""

_FOREIGN: Final = ("botocore.", "aiobotocore.", "aiohttp.", "google.", "azure.")
"""Packages whose errors are no OSErrors, listed by name: importing them costs more than most commands do."""


_PATIENCE: Final = {"AWS_RETRY_MODE": "standard", "AWS_MAX_ATTEMPTS": "8"}
"""An endpoint that throttles or stumbles is asked again, for about half a minute a request, each time after a longer
while. By itself botocore gives up on a 500 after some seconds. It takes these from the environment; what the user has
set stands."""


def local_store() -> Any:
    """Return the fsspec file system of this machine's own folders."""
    return fsspec.filesystem("file")


def open_store(uri: str, origins: Sequence[str] = ()) -> tuple[Any, str]:
    """Return the fsspec file system of a URI, and the URI's path in it. Does not connect yet.

    origins: web servers that may be read, as `[limits] web_origins` has them; redirects to others are refused, too.

    Raises: ValueError - an address of another kind, or of another web server; the text says what would do.
    ImportError - the package for this kind of address is not installed.
    """
    scheme = uri.partition("://")[0]
    if scheme in ("http", "https"):
        _require_listed(uri, origins)
        store = _web_class()(get_client=_client_of(tuple(origins)), use_listings_cache=False)
        return store, str(store._strip_protocol(uri))
    if scheme not in STORES:
        raise ValueError(
            f"{without_password(scheme)}:// is not read: name a path, a file in a store ({STORES[0]}://, gs://, az://),"
            " or a web server of [limits] web_origins"
        )
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    # not url_to_fs: it takes "::" in the name of a file for a chain
    kind = fsspec.get_filesystem_class(scheme)
    store = kind(**kind._get_kwargs_from_urls(uri), use_listings_cache=False)
    return store, str(store._strip_protocol(uri))


_PAGE_OBJECTS: Final = 10_000


def object_pages(store: Any, place: str) -> Iterator[list[Any]]:
    """Yield what a store says of each file below a place, or of the one at it, in the order of their names, some
    thousands at a time where the store can do that: S3 alone; others give all of it at once.

    Raises: OSError - the store cannot be read; of its own packages' errors see as_os_errors.
    """
    if not hasattr(store, "_iterdir"):
        yield [facts for _, facts in sorted(store.find(place, detail=True).items())]
        return
    # s3fs has no public way to list by pages; its find() keeps a kilobyte an object
    bucket, key, _ = store.split_path(place)
    objects = store._iterdir(bucket, delimiter="", prefix=f"{key}/" if key else "")
    page = sync(store.loop, _taken, objects, _PAGE_OBJECTS)
    if not page and key and store.exists(place):
        page = [store.info(place)]
    while page:
        yield page
        page = sync(store.loop, _taken, objects, _PAGE_OBJECTS)


async def _taken(objects: AsyncIterator[Any], most: int) -> list[Any]:
    page: list[Any] = []
    async for each in objects:
        page.append(each)
        if len(page) == most:
            break
    return page


class ForeignOriginError(ValueError):
    """A web server that the settings do not list."""


def _require_listed(url: str, origins: Sequence[str]) -> None:
    origin = origin_of(url)
    if origin is None or origin not in origins:
        raise ForeignOriginError(
            f"{origin or 'the web address'} is not read: manifests and redirects could name any server, this network's "
            f'own among them. If it is meant, add it to the settings: [limits] web_origins = ["{origin}"]'
        )


@cache  # fsspec keeps one file system, and so one set of connections, for the same arguments
def _client_of(origins: tuple[str, ...]) -> Any:
    """Return a factory of aiohttp's sessions: each of their requests, redirects included, goes to a listed origin."""
    import aiohttp

    async def listed_alone(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        _require_listed(str(request.url.origin()), origins)
        return await send(request)

    async def client(**options: Any) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(**options, middlewares=(listed_alone,))

    return client


@cache  # and its module loads aiohttp, which most commands do without
def _web_class() -> Any:
    from fsspec.implementations.http import HTTPFileSystem

    class Web(HTTPFileSystem):  # type: ignore[misc]
        async def _info(self, url: str, **options: Any) -> dict[str, Any]:
            try:
                info: dict[str, Any] = await super()._info(url, **options)
            except FileNotFoundError as error:  # whatever went wrong, it says so
                if isinstance(error.__cause__, ForeignOriginError):
                    raise error.__cause__ from error
                raise
            return info

    return Web


@contextmanager
def as_os_errors() -> Iterator[None]:
    """Turn what a store's own packages raise (no credentials, no such host) into OSErrors.

    Raises: OSError - in place of theirs; every other error as it is.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        if not is_of_a_store(error):
            raise
        raise OSError(EIO, _words(error)) from error


def is_of_a_store(error: BaseException) -> bool:
    """Return True if an error comes from the packages behind fsspec."""
    return any(f"{kind.__module__}.".startswith(_FOREIGN) for kind in type(error).__mro__)


def _words(error: BaseException) -> str:
    return without_password(" ".join(str(error).split())) or type(error).__name__
