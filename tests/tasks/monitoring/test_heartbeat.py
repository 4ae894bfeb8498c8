import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.monitoring.heartbeat import SILENT_S, Heartbeat, SignOfLife, heard_of
from tasks.stores.workspace import Workspace


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return Workspace.open(str(tmp_path / "ws"), create=True)


def test_it_lasts_as_long_as_the_run(ws: Workspace):
    assert heard_of(ws, "one") == Heartbeat(False)
    sign = SignOfLife(ws, "one")
    assert heard_of(ws, "one") == Heartbeat(True)
    sign.at("a step with a long name")
    sign.at("analyse")
    assert heard_of(ws, "one") == Heartbeat(True, "analyse")
    assert heard_of(ws, "another") == Heartbeat(False)
    sign.end()
    assert heard_of(ws, "one") == Heartbeat(False)


def test_a_file_that_nobody_holds_is_of_a_dead_run(ws: Workspace):
    sign = SignOfLife(ws, "one")
    sign.at("analyse")
    copy = Path(ws.folder("running")) / "copy.json"
    copy.write_bytes((Path(ws.folder("running")) / "one.json").read_bytes())
    assert heard_of(ws, "copy") == Heartbeat(False, "analyse")
    sign.end()


def test_a_file_half_written_is_still_held(ws: Workspace):
    sign = SignOfLife(ws, "one")
    (Path(ws.folder("running")) / "one.json").write_text('{"step": "anal')
    assert heard_of(ws, "one") == Heartbeat(True)
    sign.end()


@pytest.mark.parametrize(("silent_s", "alive"), [(1, True), (SILENT_S + 5, False)])
def test_where_nothing_locks_silence_tells(tmp_path: Path, silent_s: float, alive: bool):
    ws = Workspace(f"memory://{tmp_path.name}")
    beat = (datetime.now(UTC) - timedelta(seconds=silent_s)).isoformat()
    told = {"step": "analyse", "locked": False, "beat_utc": beat}
    ws.filesystem().pipe_file(ws.path("running", "one.json"), json.dumps(told).encode())
    assert heard_of(ws, "one") == Heartbeat(alive, "analyse")


def test_a_remote_run_is_heard_of_from_its_start_to_its_end(tmp_path: Path):
    ws = Workspace(f"memory://{tmp_path.name}")
    sign = SignOfLife(ws, "one")
    sign.at("learn")
    assert heard_of(ws, "one") == Heartbeat(True, "learn")
    sign.end()
    assert heard_of(ws, "one") == Heartbeat(False)
