"""Folders of small films, settings that make a run short, and one Prefect server for all tests of flows."""

import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import fsspec
import pytest
from prefect.settings import get_current_settings
from prefect.states import State
from prefect.testing.utilities import prefect_test_harness

from flows.ingest import ingest
from tests.flows.heads import write_head

LENIENT = 'name = "lenient"\nversion = 1\n[stage1]\n[stage2]\n'
"""A policy that admits every clip with sound to both stages."""

PICKY = 'name = "picky"\nversion = 2\n[stage1]\nmin_face_height_px = 5000\n[stage2]\n'
"""A policy that admits nothing to stage 1."""

SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
"""Of the tests' object store; shaped as such keys are."""

CLUSTER = """
import sys
from distributed import LocalCluster
shape = {"n_workers": 1, "threads_per_worker": 2, "memory_limit": 0, "dashboard_address": "127.0.0.1:0"}
with LocalCluster(local_directory=sys.argv[1], **shape) as cluster:
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""


class Finished(NamedTuple):
    """An ingest that is done: where, how Prefect says it ended, and its summary."""

    workspace: Path
    state: State
    summary: dict[str, Any]


@pytest.fixture(scope="session")
def policies(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("policies")
    files = {"lenient": LENIENT, "picky": PICKY}
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    return {name: folder / f"{name}.toml" for name in files}


@pytest.fixture(scope="session")
def config(tmp_path_factory, policies) -> Path:
    """Settings for short runs: no DNSMOS, two workers, a commit for each file, everything admitted."""
    path = tmp_path_factory.mktemp("settings") / "short.toml"
    path.write_text(
        f"policy = '{policies['lenient']}'\n"
        "[clips]\ndnsmos_excerpt_s = 0\n[run]\nworkers = 2\ncommit_files = 1\n[guards]\nmemory_limit_gib = 3\n"
    )
    return path


@pytest.fixture(scope="session")
def footage(tmp_path_factory) -> Path:
    """Six films of faces; do not write into it."""
    folder = tmp_path_factory.mktemp("footage")
    for number, suffix in enumerate((".mp4", ".mkv", ".mov", ".mp4", ".avi", ".webm")):
        write_head(folder / f"head{number}{suffix}", number, 40 if number else 300)
    return folder


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[str]:
    """A Dask cluster that outlives the drivers; two threads a worker, as people start them."""
    command = [sys.executable, "-c", CLUSTER, str(tmp_path_factory.mktemp("dask"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        yield process.stdout.readline().decode().strip()
        process.stdin.close()


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[str]:
    """Address of one Prefect server with a database of its own; flows called in this process use it too."""
    with prefect_test_harness(server_startup_timeout=120):
        yield get_current_settings().api.url


@pytest.fixture(scope="session")
def finished(footage, config, tmp_path_factory, prefect_api) -> Finished:
    """An ingest of `footage` by the flow, done once. Copy the workspace before changing it."""
    workspace = tmp_path_factory.mktemp("finished")
    state = ingest(str(footage), workspace=str(workspace), config=str(config), return_state=True)
    return Finished(workspace, state, state.result())


@pytest.fixture
def workspace(finished, tmp_path) -> Path:
    """A copy of the finished workspace."""
    return Path(shutil.copytree(finished.workspace, tmp_path / "workspace"))


@pytest.fixture(scope="session")
def heterodub(config, prefect_api) -> Callable[..., subprocess.CompletedProcess]:
    """heterodub("ingest", folder, ...) runs the command in a process of its own; names set its environment."""

    def call(*words: Any, **more: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "flows.cli", *map(str, words)]
        surroundings = os.environ | {"PREFECT_API_URL": prefect_api} | more
        return subprocess.run(command, capture_output=True, text=True, timeout=600, env=surroundings)

    return call


@pytest.fixture(scope="module")
def bucket(footage, tmp_path_factory) -> Iterator[fsspec.AbstractFileSystem]:
    """Two buckets, one of which holds the footage; the environment says where, to this process and those it starts."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # what it holds belongs to this process, and another module's may still be there
    urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "someone",
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": str(tmp_path_factory.mktemp("aws") / "none"),
        }.items():
            patch.setenv(name, value)
        store_class = fsspec.get_filesystem_class("s3")
        store_class.clear_instance_cache()  # they keep the endpoint of the module before
        store = store_class(use_listings_cache=False)
        for name in ("footage", "lab"):
            store.mkdir(name)
        for path in footage.iterdir():
            store.put(str(path), f"footage/films/{path.name}")
        yield store
    server.stop()


@pytest.fixture(scope="session")
def shim(tmp_path_factory) -> Path:
    """A library to preload: files with certain words in their names go wrong (shim.c)."""
    if not shutil.which("gcc"):
        pytest.skip("without gcc there is no way to break a decoder from outside")
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-o", str(library), str(source), "-ldl"], check=True)
    return library
