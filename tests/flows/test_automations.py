"""`automations.yaml` for real: runs that fail, die with their worker, or find none, and the alerts that follow."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import psutil
import pytest
import yaml
from prefect import states
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.events import Event

from tests.flows.deployed import ROOT, Served, asked_for, client, events, served, until

__all__ = ["client", "served"]

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]  # a server, a worker, minutes without a heartbeat

CRASH_S = 300
"""Within so many seconds of its death a run is Crashed and somebody knows."""

DRIFT_TRIGGER = "heterodub - retrain when a corpus drifts"


class _Inbox(BaseHTTPRequestHandler):
    """Keeps what is posted to it."""

    texts: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.texts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def alerts(served, client) -> Iterator[Callable[[str], list[str]]]:
    """The automations, installed as the docs say; the alerts that came and contain a text."""
    inbox = ThreadingHTTPServer(("127.0.0.1", 0), _Inbox)
    Thread(target=inbox.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{inbox.server_port}"
    block = CustomWebhookNotificationBlock(name="alerts", url=address, json_data={"text": "{{subject}}\n{{body}}"})
    text = (ROOT / "automations.yaml").read_text().replace("ALERT_BLOCK_ID", str(block.save("alerts")))
    (served.folder / "automations.yaml").write_text(text.replace("within: 600", "within: 10"))  # else a test of minutes
    served.prefect("automation", "create", "--from-file", str(served.folder / "automations.yaml"))
    yield lambda part: [text for text in _Inbox.texts if part in text]
    inbox.shutdown()


def ingest_parameters(served: Served, footage: Path, config: Path) -> dict[str, str]:
    return {"source": str(footage), "workspace": str(served.folder / "ws"), "config": str(config)}


def test_run_in_whose_state_no_heartbeat_is_due_is_not_crashed():
    """States by Prefect's names; those of its engine and of our steps have names that no function gives them."""
    silent = [states.Completed, states.Failed, states.Crashed, states.Cancelling, states.Cancelled, states.Paused]
    names = [state().name for state in (*silent, states.Suspended, states.AwaitingRetry)]
    trigger = yaml.safe_load((ROOT / "automations.yaml").read_text())["automations"][0]["trigger"]
    assert trigger["after"] == ["prefect.flow-run.heartbeat"]
    expected = {f"prefect.flow-run.{name}" for name in (*names, "TimedOut", "Partial", "Dry run", "heartbeat")}
    assert set(trigger["expect"]) == expected


def test_failed_run_causes_an_alert(served, client, alerts, config):
    parameters = ingest_parameters(served, Path("/nowhere"), config)
    run = asked_for(client, "ingest/ingest", parameters, served.worker.log)
    assert run.state_type == StateType.FAILED
    (text,) = until(lambda: alerts(str(run.id)), bool)
    assert text.startswith(f"{run.name}: Failed\n") and f"heterodub status {run.id}" in text
    written = served.worker.log.read_text()
    assert f"run={run.id} flow=ingest state=failed" in written
    assert "heterodub.tasks.monitoring.run_log - " not in written  # the same line again, as Prefect writes it


def test_run_that_dies_with_its_worker_is_crashed_and_causes_an_alert(served, client, alerts, footage, config):
    """Killed together, so that neither reports anything; `heterodub status` knows at once."""
    deployment = client.read_deployment_by_name("ingest/ingest")
    parameters = ingest_parameters(served, footage, config)
    run = client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
    until(lambda: heartbeats(served, run), bool)
    until(lambda: (served.folder / "ws" / "running").is_dir(), bool)
    worker = psutil.Process(served.worker.group)
    for process in (worker, *worker.children(recursive=True)):  # the worker first: it would report the run
        process.kill()
    died = time.monotonic()
    until(lambda: client.read_flow_run(run.id).state_type, lambda state: state == StateType.CRASHED, CRASH_S)
    (text,) = until(lambda: alerts(str(run.id)), bool, CRASH_S - (time.monotonic() - died))
    assert text.startswith("ingest six: Crashed\n") and "No heartbeat" in text
    words = ["status", str(run.id), "-w", str(served.folder / "ws"), "--json"]
    shown = subprocess.run([sys.executable, "-m", "heterodub", *words], capture_output=True, check=True, env=os.environ)
    assert [row["state"] for row in json.loads(shown.stdout)["runs"]] == ["died"]


def heartbeats(served: Served, run: FlowRun) -> list[dict]:
    name = f"prefect.flow-run.{run.id}"
    beats = events(served.api, "prefect.flow-run.heartbeat")
    return [beat for beat in beats if beat["resource"]["prefect.resource.id"] == name]


def test_run_that_nobody_starts_causes_an_alert(served, client, alerts, footage, config):
    """The worker is dead by now."""
    deployment = client.read_deployment_by_name("evaluate/evaluate")
    run = client.create_flow_run_from_deployment(deployment.id)
    (text,) = until(lambda: alerts(str(run.id)), bool)
    assert text.startswith(f"{run.name} is late\n")


def test_drift_starts_a_retraining_once_its_trigger_is_switched_on(served, client):
    deployment = client.read_deployment_by_name("retrain/retrain")
    (automation,) = client.request("POST", "/automations/filter", json=by_name(DRIFT_TRIGGER)).json()
    assert not automation["enabled"]
    served.prefect("automation", "resume", DRIFT_TRIGGER)
    resource = {"prefect.resource.id": "heterodub.corpus.films"}
    drifted = Event(event="heterodub.corpus.drifted", resource=resource).model_dump(mode="json")
    client.request("POST", "/events", json=[drifted])
    chosen = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))

    def caused() -> list[FlowRun]:
        runs = client.read_flow_runs(deployment_filter=chosen)
        return [run for run in runs if run.created_by and run.created_by.type == "AUTOMATION"]

    assert len(until(caused, bool)) == 1


def by_name(name: str) -> dict:
    return {"automations": {"name": {"any_": [name]}}}
