"""One folder full of harm through the real command: every file ends in one state, and no file takes another down."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from heterodub.schemas.reasons import FileReason, FileState
from heterodub.tasks.media.paths import path_to_uri
from tests.flows import hostile
from tests.flows.heads import contents, fingerprints


@dataclass(frozen=True)
class Ran:
    """Inputs of the command and the workspace it left."""

    folder: Path
    workspace: Path
    due: dict[bytes, hostile.Outcome]
    rows: dict[str, dict]
    finished: subprocess.CompletedProcess
    before: dict[bytes, tuple[str, int]]
    baited: list[str]
    asked: list[str]

    def row(self, name: str | bytes) -> dict:
        path = os.path.join(os.fsencode(self.folder), os.fsencode(name))
        return self.rows[path_to_uri(path)]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, list[str]]]:
    """An address that records its clients."""
    asked: list[str] = []

    class Noting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    with ThreadingHTTPServer(("127.0.0.1", 0), Noting) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}", asked
        serving.shutdown()


@pytest.fixture(scope="module")
def ran(tmp_path_factory, config, shim, server, prefect_api) -> Ran:
    base = tmp_path_factory.mktemp("hostile")
    folder, workspace, log = base / "footage", base / "workspace", base / "opened.log"
    bait = base / "BAIT.mp4"
    bait.write_bytes(b"")
    address, asked = server
    due = hostile.fill(folder, bait, address)
    settings = base / "settings.toml"
    settings.write_text(
        config.read_text().replace("commit_files = 1", "commit_files = 16") + "time_limit_s = 15\nattempts = 2\n"
    )
    before = fingerprints(folder)
    command = [
        sys.executable,
        "-m",
        "heterodub.flows.cli.main",
        "ingest",
        str(folder),
        "-w",
        str(workspace),
        "--config",
        str(settings),
        "--workers",
        "1",
    ]
    # 8192 blocks of 1 KiB: what a child may write to one file, so that a bug cannot fill the disk
    surroundings = os.environ | {"LD_PRELOAD": str(shim), "SHIM_LOG": str(log), "PREFECT_API_URL": prefect_api}
    finished = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=600, env=surroundings)
    assert finished.returncode == 0, finished.stderr[-3000:]
    rows = {row["uri"]: row for row in contents(workspace)["catalog"]}
    baited = log.read_text().splitlines() if log.exists() else []
    return Ran(folder, workspace, due, rows, finished, before, baited, asked)


def test_every_file_found_is_in_the_catalog_once(ran):
    result = {path_to_uri(path) for path in ran.due}
    assert set(ran.rows) == result
    summary = json.loads(ran.finished.stdout)
    states = ("measured", "rejected_files", "duplicates", "quarantined")
    assert summary["files"] == len(result) == sum(summary[state] for state in states)


def test_every_file_ends_in_one_known_state_with_its_reason(ran):
    for row in ran.rows.values():
        state = FileState(row["state"])
        assert (row["reason"] is None) == (state is FileState.MEASURED), row["uri"]
        if row["reason"] is not None:
            FileReason(row["reason"])
        assert bool(row["clips"]) == (state is FileState.MEASURED), row["uri"]
        assert row["reason"] != "internal_error", (row["uri"], row["error"])


def test_every_file_ends_as_it_should(ran):
    wrong = {}
    for path, due in ran.due.items():
        row = ran.rows[path_to_uri(path)]
        if due is not None and (row["state"], row["reason"]) != due:
            wrong[path] = (due, row["state"], row["reason"], row["error"])
    assert wrong == {}


def test_killing_files_are_quarantined_with_a_reason(ran):
    assert "SIGSEGV" in ran.row("it CRASHES.mp4")["error"]
    assert ran.row("it HANGS.mp4")["error"].startswith("longer than")
    assert "space" in ran.row("it FILLS.mp4")["error"].lower()
    summary = json.loads(ran.finished.stdout)
    assert summary["reasons"]["file: decoder_crashed"] == summary["reasons"]["file: timed_out"] == 1


def test_damaged_files_are_named_with_their_damage(ran):
    cut = [ran.row(f"cut {tenth}.mp4") for tenth in hostile.TENTHS]
    assert {row["state"] for row in cut} == {"measured", "rejected"}
    # the last tenth holds the end of the sound; all others lack pictures, and say so
    assert all(row["error"] for row in cut[:-1])


def test_nothing_that_files_point_at_was_opened(ran):
    assert ran.baited == []
    assert ran.asked == []


def test_canary_detects_an_opened_file(ran, shim, tmp_path):
    """That the log of baits stays empty means something: opening the bait does show in it."""
    log = tmp_path / "log"
    surroundings = os.environ | {"LD_PRELOAD": str(shim), "SHIM_LOG": str(log)}
    subprocess.run(
        [sys.executable, "-c", f"open({str(ran.folder.parent / 'BAIT.mp4')!r})"], env=surroundings, check=True
    )
    assert "BAIT.mp4" in log.read_text()


def test_footage_is_unchanged(ran):
    assert fingerprints(ran.folder) == ran.before


def test_payload_of_good_files_is_complete(ran):
    rows = contents(ran.workspace)
    admitted = {clip["clip_id"] for clip in rows["clips"] if clip["stage2"]}
    assert {row["clip_id"] for row in rows["stage2"]} == admitted
    measured = {row["media_id"] for row in ran.rows.values() if row["state"] == "measured"}
    assert {clip["media_id"] for clip in rows["clips"]} == measured


def test_nothing_unfinished_is_left_behind(ran):
    assert list((ran.workspace / "scratch").rglob("*.parquet")) == []
