"""Folders of small films, settings that make a run short, and one Prefect server for all tests of flows."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import fsspec
import pytest
from prefect.context import refresh_global_settings_context
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from typer.testing import CliRunner, Result

from heterodub.flows.cli.main import app
from heterodub.flows.ingest import ingest
from tests.flows.heads import write_head
from tests.flows.servers import start_cluster, start_prefect

LENIENT = 'name = "lenient"\nversion = 1\n[stage1]\n[stage2]\n'
"""A policy that admits every clip with sound to both stages."""

PICKY = 'name = "picky"\nversion = 2\n[stage1]\nmin_face_height_px = 5000\n[stage2]\n'
"""A policy that admits nothing to stage 1."""

SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
"""Of the tests' object store; shaped as such keys are."""


class Finished(NamedTuple):
    """An ingest that is done: where, the id of its flow run, and its summary."""

    workspace: Path
    flow_run: str
    summary: dict[str, Any]


@pytest.fixture(scope="session")
def policies(commons) -> dict[str, Path]:
    files = {"lenient": LENIENT, "picky": PICKY}

    def write(folder: Path) -> None:
        folder.mkdir()
        for name, text in files.items():
            (folder / f"{name}.toml").write_text(text)

    folder = commons.made_once("policies", write)
    return {name: folder / f"{name}.toml" for name in files}


@pytest.fixture(scope="session")
def config(commons, policies) -> Path:
    """Settings for short runs: no DNSMOS, two workers, a commit for each file, everything admitted; no embeddings, for
    the drawn heads of these tests are one person, who would be in one split.
    """
    text = (
        f"policy = '{policies['lenient']}'\n"
        "[clips]\ndnsmos_excerpt_s = 0\n[run]\nworkers = 2\ncommit_files = 1\n"
        "[identity]\nembeddings = false\n[limits]\nmemory_limit_gib = 3\n"
    )
    return commons.made_once("short.toml", lambda path: path.write_text(text))


@pytest.fixture(scope="session")
def footage(commons) -> Path:
    """Six films of faces, the only thing in the folder above; do not write into it."""

    def write(folder: Path) -> None:
        (folder / "six").mkdir(parents=True)
        for number, suffix in enumerate((".mp4", ".mkv", ".mov", ".mp4", ".avi", ".webm")):
            write_head(folder / "six" / f"head{number}{suffix}", number, 40 if number else 300)

    return commons.made_once("footage", write) / "six"


@pytest.fixture(scope="session")
def cluster(commons) -> Iterator[str]:
    """A Dask cluster that outlives the drivers; two threads a worker, as people start them."""
    with commons.served("dask", start_cluster) as address:
        yield address


@pytest.fixture(scope="session")
def prefect_api(commons) -> Iterator[str]:
    """Address of one Prefect server with a database of its own; flows called in this process use it too."""
    with commons.served("prefect", start_prefect) as api:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PREFECT_API_URL", api)
            refresh_global_settings_context()
        yield api  # the variable is as it was: processes that tests start choose their server themselves
        APILogWorker.drain_all(timeout=10)
        EventsWorker.drain_all(timeout=10)
    refresh_global_settings_context()


@pytest.fixture(scope="session")
def finished(footage, config, commons, cluster, prefect_api) -> Finished:
    """An ingest of `footage` by the flow, done once. Copy the workspace before changing it."""

    def run(folder: Path) -> None:
        where = {"workspace": str(folder / "workspace"), "config": str(config), "dask": cluster}
        state = ingest(str(footage), **where, return_state=True)
        result = {"flow_run": str(state.state_details.flow_run_id), "summary": state.result()}
        (folder / "summary.json").write_text(json.dumps(result))

    folder = commons.made_once("finished", run)
    return Finished(folder / "workspace", **json.loads((folder / "summary.json").read_text()))


@pytest.fixture
def workspace(finished, tmp_path) -> Path:
    """A copy of the finished workspace."""
    return Path(shutil.copytree(finished.workspace, tmp_path / "workspace"))


@pytest.fixture(scope="session")
def heterodub(config, prefect_api) -> Callable[..., subprocess.CompletedProcess]:
    """heterodub("ingest", folder, ...) runs the command in a process of its own; names set its environment."""

    def call(*words: Any, **more: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "heterodub.flows.cli.main", *map(str, words)]
        surroundings = os.environ | {"PREFECT_API_URL": prefect_api} | more
        return subprocess.run(command, capture_output=True, text=True, timeout=600, env=surroundings)

    return call


@pytest.fixture(scope="session")
def invoked() -> Callable[..., Result]:
    """invoked("status", ...) runs a command in this process, without the last handler of errors."""

    def call(*words: Any) -> Result:
        on_interrupt = signal.getsignal(signal.SIGINT)
        ended = CliRunner().invoke(app, list(map(str, words)))
        signal.signal(signal.SIGINT, on_interrupt)  # a command that runs a flow has one of its own
        return ended

    return call


@pytest.fixture(scope="session")
def stdout_of(invoked) -> Callable[..., str]:
    """stdout_of("status", ...) runs a command in this process; it must end with `code`, if any."""

    def call(*words: Any, code: int | None = 0) -> str:
        ended = invoked(*words)
        assert code is None or ended.exit_code == code, ended.output
        return str(ended.stdout)

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
        pytest.skip("no gcc here, and without it no way to break a decoder from outside")
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-o", str(library), str(source), "-ldl"], check=True)
    return library
