"""Address of the tracking store, and the errors when it cannot be used."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from heterodub.schemas.config.settings import TrackingSettings
from heterodub.schemas.errors import SettingsError, TrackingError
from heterodub.tasks.stores.workspace import MARKER, TRACKING, Workspace
from heterodub.tasks.tracking.address import place_of
from heterodub.tasks.tracking.store import Tracking, look, open_tracking
from tests.tasks.tracking.served import free_port

DEFAULT = TrackingSettings()


def test_missing_uri_stores_in_the_workspace(ws, local):
    folder = Path(ws.root) / TRACKING
    assert place_of(DEFAULT, ws).uri == f"sqlite:///{folder}/mlflow.db"
    assert local.client.get_experiment(local.experiment_id).artifact_location == str(folder / "artifacts")
    assert not local.place.is_server


def test_resolving_the_store_creates_nothing(tmp_path):
    ws = Workspace.open(str(tmp_path / "ws"), create=True)
    place_of(DEFAULT, ws)
    assert [path.name for path in Path(ws.root).iterdir()] == [MARKER]


@pytest.mark.parametrize(("uri", "says"), [(None, "MLflow server"), ("postgresql://db/mlflow", "no place for files")])
def test_remote_workspace_needs_a_server(uri, says):
    with pytest.raises(SettingsError, match=says):
        place_of(TrackingSettings(uri=uri), Workspace("s3://bucket/ws"))
    assert place_of(TrackingSettings(uri="https://host/"), Workspace("s3://bucket/ws")).uri == "https://host"


def test_server_password_is_kept_out_of_the_address(ws, server, monkeypatch):
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", "of another")
    tracking = open_tracking(TrackingSettings(uri=server.replace("//", "//me:se%2Fcret@") + "/"), ws)
    assert tracking.place.uri == server
    assert "cret" not in repr(tracking.place)
    assert (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]) == ("me", "se/cret")


def test_question_mark_in_the_path_is_refused_since_it_would_name_another_file(tmp_path):
    with pytest.raises(SettingsError, match=r"\?"):
        place_of(DEFAULT, Workspace.open(str(tmp_path / "a?b"), create=True))


def test_odd_paths_hold_a_store(tmp_path, empty_database):
    ws = Workspace.open(str(tmp_path / "ä b#c@d"), create=True)
    (Path(ws.root) / TRACKING).mkdir()
    shutil.copy(empty_database, Path(ws.root) / TRACKING / "mlflow.db")
    tracking = open_tracking(DEFAULT, ws)
    run = tracking.client.create_run(tracking.experiment_id)
    tracking.client.log_text(run.info.run_id, "words", "a/b.txt")
    (kept,) = (Path(ws.root) / TRACKING / "artifacts").rglob("b.txt")
    assert kept.read_text() == "words"


def test_second_opening_finds_the_same_experiment(ws, local):
    assert open_tracking(DEFAULT, ws).experiment_id == local.experiment_id
    assert open_tracking(TrackingSettings(experiment="other"), ws).experiment_id != local.experiment_id


def test_each_purpose_has_an_experiment_of_its_own(tracking):
    def name(one: Tracking) -> str:
        return one.client.get_experiment(one.experiment_id).name

    promotion = tracking.of("promotion")
    assert [name(tracking.of(purpose)) for purpose in ("evaluation", "promotion", "dubbing")] == [
        f"{name(tracking)}-evaluation",
        f"{name(tracking)}-promotion",
        f"{name(tracking)}-dubbing",
    ]
    assert promotion.of("training") == tracking and tracking.of("promotion") == promotion


TWO_AT_ONCE = """
import os, sys
from heterodub.schemas.config.settings import TrackingSettings
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.store import Tracking, open_tracking
both = []
for _ in range(2):
    if not (process := os.fork()):
        print(open_tracking(TrackingSettings(), Workspace.open(sys.argv[1])).experiment_id, flush=True)
        sys.exit()
    both.append(process)
sys.exit(any(os.waitpid(process, 0)[1] for process in both))
"""


@pytest.mark.slow
def test_two_processes_that_make_the_store_at_once_both_get_it(tmp_path):
    """Forked, so that they share the import of MLflow and begin together."""
    ws = Workspace.open(str(tmp_path / "ws"), create=True)
    ran = subprocess.run([sys.executable, "-c", TWO_AT_ONCE, ws.root], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    one, other = ran.stdout.split()
    assert one == other


def test_unreachable_server_fails_fast(ws):
    uri = f"http://user:secret@127.0.0.1:{free_port()}"
    with pytest.raises(TrackingError, match=r"no MLflow server answers at http://127\.0\.0\.1") as error:
        open_tracking(TrackingSettings(uri=uri), ws)
    assert "secret" not in str(error.value)


def test_unresolvable_address_is_an_error(ws):
    with pytest.raises(TrackingError, match="no MLflow server answers"):
        open_tracking(TrackingSettings(uri="http://no-such-host.invalid:5000"), ws)


def test_other_server_is_not_taken_for_mlflow(ws, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(TrackingError, match="tracking store"):
        open_tracking(TrackingSettings(uri=f"http://127.0.0.1:{mute.getsockname()[1]}"), ws)


def test_database_with_other_bytes(ws):
    (Path(ws.root) / TRACKING / "mlflow.db").write_bytes(b"no database" * 1000)
    with pytest.raises(TrackingError, match="not a database"):
        open_tracking(DEFAULT, ws)
    with pytest.raises(TrackingError):
        look(place_of(DEFAULT, ws))


def test_deleted_experiment(ws, local):
    local.client.delete_experiment(local.experiment_id)
    with pytest.raises(TrackingError, match=f"mlflow experiments restore --experiment-id {local.experiment_id}`"):
        open_tracking(DEFAULT, ws)


def test_copied_workspace_does_not_write_into_the_old_one(ws, local, tmp_path):
    copy = Workspace.open(str(shutil.copytree(ws.root, tmp_path / "copy")))
    with pytest.raises(TrackingError, match="moved or copied"):
        open_tracking(DEFAULT, copy)


def test_full_disk_stays_a_full_disk():
    from heterodub.tasks.tracking.store import tracking_errors

    with pytest.raises(OSError, match="No space"), tracking_errors("it"):
        raise OSError(28, "No space left on device")
    with pytest.raises(TrackingError, match=r"it: .*Permission"), tracking_errors("it"):
        raise PermissionError(13, "Permission denied")


def test_user_timeouts_are_kept(ws, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    open_tracking(DEFAULT, ws)
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"


def test_inspecting_reports_the_store(ws, local):
    assert look(local.place).startswith("1 experiment, 0 registered models")


def test_database_is_plain_sqlite(ws, local):
    with sqlite3.connect(Path(ws.root) / TRACKING / "mlflow.db") as database:
        assert ("heterodub",) in database.execute("select name from experiments").fetchall()
