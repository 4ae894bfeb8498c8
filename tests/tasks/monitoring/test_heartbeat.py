import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from heterodub.tasks.monitoring.heartbeat import SILENT_S, Heartbeat, HeartbeatFile, read_heartbeat
from heterodub.tasks.stores.workspace import Workspace


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return Workspace.open(str(tmp_path / "ws"), create=True)


def test_heartbeat_lasts_as_long_as_the_run(ws: Workspace):
    assert read_heartbeat(ws, "one") == Heartbeat(False)
    sign = HeartbeatFile(ws, "one")
    assert read_heartbeat(ws, "one") == Heartbeat(True)
    sign.at("a step with a long name")
    sign.at("analyse")
    assert read_heartbeat(ws, "one") == Heartbeat(True, "analyse")
    assert read_heartbeat(ws, "another") == Heartbeat(False)
    sign.end()
    assert read_heartbeat(ws, "one") == Heartbeat(False)


def test_unlocked_file_means_a_dead_run(ws: Workspace):
    sign = HeartbeatFile(ws, "one")
    sign.at("analyse")
    copy = Path(ws.folder("running")) / "copy.json"
    copy.write_bytes((Path(ws.folder("running")) / "one.json").read_bytes())
    assert read_heartbeat(ws, "copy") == Heartbeat(False, "analyse")
    sign.end()


def test_file_half_written_is_still_held(ws: Workspace):
    sign = HeartbeatFile(ws, "one")
    (Path(ws.folder("running")) / "one.json").write_text('{"step": "anal')
    assert read_heartbeat(ws, "one") == Heartbeat(True)
    sign.end()


@pytest.mark.parametrize(("silent_s", "alive"), [(1, True), (SILENT_S + 5, False)])
def test_without_locks_silence_means_dead(tmp_path: Path, silent_s: float, alive: bool):
    ws = Workspace(f"memory://{tmp_path.name}")
    beat = (datetime.now(UTC) - timedelta(seconds=silent_s)).isoformat()
    result = {"step": "analyse", "locked": False, "beat_utc": beat}
    ws.filesystem().pipe_file(ws.path("running", "one.json"), json.dumps(result).encode())
    assert read_heartbeat(ws, "one") == Heartbeat(alive, "analyse")


def test_remote_heartbeat_covers_the_whole_run(tmp_path: Path):
    ws = Workspace(f"memory://{tmp_path.name}")
    sign = HeartbeatFile(ws, "one")
    sign.at("learn")
    assert read_heartbeat(ws, "one") == Heartbeat(True, "learn")
    sign.end()
    assert read_heartbeat(ws, "one") == Heartbeat(False)
