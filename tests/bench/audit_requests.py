"""Requests to an object store of one audit with a few new files, beside more and more old ones that were audited.

`python -m tests.bench.audit_requests [OLD ...]` fills workspaces of OLD media, a part each in `stage1` and `stage2`, in
the S3 endpoint of the tests, audits them, stores NEW more, and prints the requests of the second audit by folder.
"""

import os
import sys
import tempfile
from collections import Counter
from typing import Final

import fsspec
from moto.server import ThreadedMotoServer

from heterodub.tasks.releases.audit.audit import audit
from heterodub.tasks.releases.releases import current_versions
from heterodub.tasks.stores.workspace import Workspace
from tests.flows.faulty_store import FaultyStore
from tests.tasks.stores.sample_store import fill

NEW: Final = 2


class _Counting(FaultyStore):
    """Passes all requests on, and counts them by the folder they are about."""

    def __init__(self, target: str) -> None:
        self.requests: Counter[str] = Counter()
        super().__init__(target)

    def draw_for(self, method: str, path: str) -> str:
        pieces = path.partition("?")[0].strip("/").split("/")
        kind = "list" if "list-type" in path else "log" if "_delta_log" in path else "files"
        self.requests[f"{pieces[2] if len(pieces) > 2 else ''} {kind}"] += 1
        return super().draw_for(method, path)


def requests_of(store: _Counting, old: int) -> Counter[str]:
    """Return the requests of an audit with NEW media beside so many old ones."""
    ws = Workspace.open(f"s3://audits/{old}", create=True)
    with tempfile.TemporaryDirectory() as folder:
        fill(ws, range(old))
        audit(ws, current_versions(ws), folder)
        fill(ws, range(old, old + NEW))
        versions = current_versions(ws)
        store.requests.clear()
        if not audit(ws, versions, folder).passed:
            raise SystemExit("the audit failed")
    return store.requests.copy()


def main() -> None:
    """Print a Markdown table."""
    sizes = [int(word) for word in sys.argv[1:]] or [10, 40]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    store = _Counting("http://{}:{}".format(*server.get_host_and_port()))
    os.environ |= {"AWS_ENDPOINT_URL": store.address, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    os.environ |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": "/dev/null"}
    fsspec.get_filesystem_class("s3")(use_listings_cache=False).mkdir("audits")
    counted = [requests_of(store, old) for old in sizes]
    print("| requests | " + " | ".join(f"{old} old media" for old in sizes) + " |")
    print("|---" * (len(sizes) + 1) + "|")
    for name in sorted({name for requests in counted for name in requests}):
        print(f"| {name} | " + " | ".join(str(requests[name]) for requests in counted) + " |")
    print("| all | " + " | ".join(str(requests.total()) for requests in counted) + " |")
    store.close()
    server.stop()


if __name__ == "__main__":
    main()
