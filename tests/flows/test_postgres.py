"""Prefect's database and MLflow's in PostgreSQL: one small ingest and one tiny training against it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.heads import write_head
from tests.postgres import PASSWORD, postgres, programs
from tests.tasks.tracking.served import free_port
from tests.tasks.training.talkers import talkers

SHORT = "[stage1]\npreset = 'tiny'\n[stage1.schedule]\nmax_steps = 2\neval_interval = 2\nsave_interval = 2\n"

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(programs() is None, reason="no PostgreSQL here: apt-get install -y postgresql"),
]


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres(programs()) as login:
        yield login


@pytest.fixture(scope="module")
def prefect_on_postgres(database, tmp_path_factory) -> Iterator[str]:
    """Address of a Prefect server that keeps everything in the database."""
    home, port = tmp_path_factory.mktemp("prefect"), free_port()
    surroundings = os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"postgresql+asyncpg://{database}/prefect",
    }
    words = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-services"]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, *words], env=surroundings, start_new_session=True, stdout=log, stderr=log
        )
    try:
        _await(f"http://127.0.0.1:{port}/api/health", server, home / "log")
        yield f"http://127.0.0.1:{port}/api"
        assert not list(home.glob("*.db"))
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


def _await(address: str, server: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + 180
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=1):
                return
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(log.read_text()[-2000:])


def rows(login: str, name: str, question: str) -> list[tuple]:
    from sqlalchemy import create_engine, text

    with create_engine(f"postgresql://{login}/{name}").connect() as connection:
        return list(map(tuple, connection.execute(text(question))))


def test_ingest_is_recorded_by_prefect_on_postgres(heterodub, database, prefect_on_postgres, config, tmp_path):
    (tmp_path / "footage").mkdir()
    write_head(tmp_path / "footage" / "head.mkv", 1)
    words = ("ingest", tmp_path / "footage", "-w", tmp_path / "workspace", "--config", config, "--workers", 1, "--json")
    ran = heterodub(*words, PREFECT_API_URL=prefect_on_postgres)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["clips"]
    runs = rows(
        database, "prefect", "select flow.name, flow_run.state_type from flow_run join flow on flow_id = flow.id"
    )
    assert [(name, str(state)) for name, state in runs] == [("ingest", "COMPLETED")]


def test_training_is_recorded_by_mlflow_on_postgres(heterodub, database, prefect_on_postgres, tmp_path):
    talkers(tmp_path / "workspace", speakers=4, clips=1)
    (tmp_path / "short.toml").write_text(SHORT)
    words = ("train", "stage1", "-w", tmp_path / "workspace", "--config", tmp_path / "short.toml", "--json")
    named = {"HETERODUB_TRACKING__URI": f"postgresql://{database}/mlflow"}
    ran = heterodub(*words, PREFECT_API_URL=prefect_on_postgres, **named)
    assert ran.returncode == 0, ran.stderr
    assert PASSWORD not in ran.stdout + ran.stderr
    summary = json.loads(ran.stdout)
    assert rows(database, "mlflow", f"select status from runs where run_uuid = '{summary['run']}'") == [("FINISHED",)]
    assert rows(database, "mlflow", "select name, version from model_versions") == [("landmark-generator", 1)]
    assert rows(database, "prefect", "select count(*) from log where message like '%hunter2%'") == [(0,)]
    files = [path for path in (tmp_path / "workspace").rglob("*") if path.is_file()]
    assert not [path for path in files if PASSWORD.encode() in path.read_bytes()]
