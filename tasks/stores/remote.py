"""Object stores and other places that only fsspec reaches. Nothing here remembers a listing: others write there too."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EIO
from typing import Any, Final

import fsspec

_FOREIGN: Final = ("botocore.", "aiobotocore.", "aiohttp.", "google.", "azure.")
"""Packages whose errors are no OSErrors. Told by name: importing them costs more than most commands do."""


_PATIENCE: Final = {"AWS_RETRY_MODE": "standard", "AWS_MAX_ATTEMPTS": "8"}
"""An endpoint that throttles or stumbles is asked again, for about half a minute a request, each time after a longer
while. By itself botocore gives up on a 500 after some seconds. It takes these from the environment; what the user has
set stands."""


def open_store(uri: str) -> tuple[Any, str]:
    """The fsspec file system of a URI, and the URI's path in it.

    Raises: ImportError, ValueError - no package for this kind of address, or no such kind.
    """
    scheme = uri.partition("://")[0]
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    if "::" in scheme:  # fsspec's chains, such as simplecache::s3://
        store, path = fsspec.core.url_to_fs(uri)
        return store, str(path)
    # not url_to_fs: it takes "::" in the name of a file for a chain
    kind = fsspec.get_filesystem_class(scheme)
    store = kind(**kind._get_kwargs_from_urls(uri), use_listings_cache=False)  # sftp:// has its host in the URI
    return store, str(store._strip_protocol(uri))


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
    """Whether an error comes from the packages behind fsspec."""
    return any(f"{kind.__module__}.".startswith(_FOREIGN) for kind in type(error).__mro__)


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
