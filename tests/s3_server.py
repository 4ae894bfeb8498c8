"""An S3 endpoint on loopback that counts what is asked of it."""

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import fsspec
import pytest

from tests.flows.faulty_store import FaultyStore


class CountingStore(FaultyStore):
    """Stands before an endpoint. asked: requests by kind: LIST, HEAD, GET, PUT, ...; fetched: bytes by object."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.asked: Counter[str] = Counter()
        self.fetched: Counter[str] = Counter()
        self._counting = threading.Lock()

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, list, bytes]:
        status, message, content = super().forward(method, path, headers, body)
        place, _, query = path.partition("?")
        with self._counting:
            self.asked["LIST" if re.search(r"(^|&)list-type=", query) else method] += 1
            if method == "GET" and not query:
                self.fetched[place] += len(content)
        return status, message, content


_Proxy = TypeVar("_Proxy", bound=FaultyStore)


@contextmanager
def s3_behind(proxy_of: Callable[[str], _Proxy], folder: Path, *buckets: str) -> Iterator[tuple[Any, _Proxy]]:
    """A file system of new buckets, and what stands before their endpoint; the environment names it, to children, too.

    folder: one without AWS settings.
    """
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    proxy = proxy_of("http://{}:{}".format(*server.get_host_and_port()))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": proxy.address,
            "AWS_ACCESS_KEY_ID": "someone",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": str(folder / "none"),
        }.items():
            patch.setenv(name, value)
        kind = fsspec.get_filesystem_class("s3")
        kind.clear_instance_cache()  # they keep the endpoint of the module before
        store = kind(use_listings_cache=False)
        for bucket in buckets:
            store.mkdir(bucket)
        yield store, proxy
        kind.clear_instance_cache()
    proxy.close()
    server.stop()


counted_s3 = partial(s3_behind, CountingStore)
"""counted_s3(folder, *buckets): a file system, and the endpoint that counts what is asked of it."""
