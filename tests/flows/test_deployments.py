"""`prefect.yaml` for real: a server on loopback, every deployment, a worker, retraining that comes by schedule."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.schedules import IntervalSchedule

from heterodub.flows.cli.environment import _DEFAULTS, _STANDING_SERVER
from heterodub.tasks.releases import releases
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.synthetic.make import make_sample
from heterodub.tasks.tracking.ledger import moves
from tests.flows.deployed import NAMES, ROOT, Served, asked_for, client, events, finished, served, until
from tests.flows.heads import contents, versions, voice, write_head
from tests.flows.test_audit_gate import nan_landmark
from tests.flows.test_retrain_flow import POLICY
from tests.tasks.dubbing.conftest import write_wav

__all__ = ["client", "served"]

pytestmark = pytest.mark.long

FIRST = ("s01-clean.mp4", "s02-clean.mp4", "s06-clean.mp4", "s08-clean.webm", "s05-clean.mov", "s07-clean.avi")
"""With the shares below s08 is val, s05 and s07 are test, the others train."""
LATER = ("s03-clean.mp4",)

SETTINGS = """
promotion = '{folder}/policy.toml'
[clips]
dnsmos_excerpt_s = 0
[run]
workers = 1
[splits]
val_share = 0.2
test_share = 0.2
[retrain]
corpora = ['{folder}/sample/corpus.toml']
[retrain.stage1]
new_clips = 1
[stage1]
preset = 'tiny'
sync_steps = 20
[stage1.schedule]
max_steps = 20
eval_interval = 20
save_interval = 20
sample_interval = 1000
"""


@pytest.fixture(scope="module")
def parameters(served) -> dict[str, Any]:
    """Of a retraining of stage 1 on a folder of films, into a workspace of its own."""
    make_sample(served.folder / "sample", only=FIRST)
    (served.folder / "settings.toml").write_text(SETTINGS.format(folder=served.folder))
    (served.folder / "policy.toml").write_text(POLICY)
    workspace, config = str(served.folder / "workspace"), str(served.folder / "settings.toml")
    return {"stage": "stage1", "workspace": workspace, "config": config}


def scheduled(client: SyncPrefectClient, deployment: Any, workspace: str) -> FlowRun:
    """The deployment's next run on a workspace, as the server's scheduler makes it."""
    chosen = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))

    def look() -> list[FlowRun]:
        runs = client.read_flow_runs(deployment_filter=chosen)
        return [run for run in runs if run.parameters.get("workspace") == workspace]

    return min(until(look, bool), key=lambda run: run.expected_start_time)


def summary_of(client: SyncPrefectClient, run: FlowRun) -> str:
    filters = ArtifactFilter(
        flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]), key=ArtifactFilterKey(any_=["retrain-summary"])
    )
    (actual,) = client.read_artifacts(artifact_filter=filters)
    return str(actual.data)


def below(client: SyncPrefectClient, run: FlowRun) -> list[str]:
    """Names of the flows that a run has started."""
    parent = FlowRunFilterParentFlowRunId(any_=[run.id])
    runs = client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=parent))
    return sorted(client.read_flow(one.flow_id).name for one in runs)


def our_events(served: Served) -> Counter[str]:
    """Our events that the server has, by name."""
    return Counter(event["event"] for event in events(served.api, "heterodub."))


def test_every_deployment_has_a_form_with_types_and_descriptions(client):
    deployed = {one.name: one for one in client.read_deployments()}
    assert deployed.keys() == NAMES
    for name, one in deployed.items():
        assert one.description and one.tags and one.work_pool_name == "heterodub"
        assert one.global_concurrency_limit.limit == 1
        for field, shape in one.parameter_openapi_schema["properties"].items():
            assert shape.get("description"), f"{name}.{field}"
            assert shape.keys() & {"type", "anyOf", "enum", "$ref"}, f"{name}.{field}"
    assert deployed["train"].parameter_openapi_schema["properties"]["stage"]["enum"] == ["stage1", "stage2"]
    assert deployed["takedown"].parameters == {"dry_run": True}
    assert [str(one.schedule.cron) for one in deployed["retrain"].schedules] == ["0 3 * * 1"]
    strategies = {name: one.concurrency_options.collision_strategy for name, one in deployed.items()}
    assert {name for name, how in strategies.items() if how == "CANCEL_NEW"} == {"retrain"}


def test_worker_environment_equals_the_command_line(client):
    deployed = client.read_deployments()
    assert len(deployed) == len(NAMES)
    for one in deployed:
        assert one.job_variables["env"]
        assert one.job_variables["env"].items() <= (_DEFAULTS | _STANDING_SERVER).items()


def test_one_video_is_dubbed_from_the_form_and_our_log_lines_stand_in_the_ui(served, client):
    write_head(served.folder / "head.mp4", 0, 12)
    write_wav(served.folder / "speech.wav", voice(1, 0.4).samples)
    values = {"video": "head.mp4", "speech": "speech.wav", "out": "out.mp4"}
    parameters = {name: str(served.folder / path) for name, path in values.items()}
    run = asked_for(client, "dub-video/dub-video", parameters, served.worker.log)
    assert run.state_type == StateType.COMPLETED, served.worker.log.read_text()[-3000:]
    assert (served.folder / "out.mp4").stat().st_size > 0 and run.name == "dub-video head.mp4"
    chosen = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
    lines = until(
        lambda: client.read_logs(chosen), lambda lines: any(line.name.startswith("heterodub.") for line in lines)
    )
    assert len({(line.name, line.message, line.timestamp) for line in lines}) == len(lines)


def test_scheduled_retraining_promotes_a_first_champion(served, client, parameters):
    deployment = client.read_deployment_by_name("retrain/retrain")
    often = IntervalSchedule(interval=timedelta(seconds=30), anchor_date=datetime.now(UTC))
    (made,) = client.create_deployment_schedules(deployment.id, [(often, True)], parameters=parameters)
    run = scheduled(client, deployment, parameters["workspace"])
    assert run.auto_scheduled
    until(lambda: client.read_flow_run(run.id).state_type, lambda state: state == StateType.RUNNING)
    client.delete_deployment_schedule(deployment.id, made.id)
    late = asked_for(client, "retrain/retrain", parameters, served.worker.log)
    assert late.state_type == StateType.CANCELLED  # the one that is running does its work
    run = finished(client, run, served.worker.log)
    assert run.state_type == StateType.COMPLETED, served.worker.log.read_text()[-3000:]
    assert below(client, run) == ["evaluate", "ingest", "promote", "train"]
    assert summary_of(client, run).startswith("**promoted**")
    (move,) = moves(Workspace.open(parameters["workspace"]))
    assert (move.model, move.to_version) == ("landmark-generator", 1)
    result = {"heterodub.release.published": 1, "heterodub.model.promoted": 1}
    until(lambda: our_events(served), lambda actual: actual == result)


def test_new_files_lead_to_another_promotion(served, client, parameters):
    make_sample(served.folder / "sample", only=LATER)
    run = asked_for(client, "retrain/retrain", parameters, served.worker.log)
    assert run.state_type == StateType.COMPLETED, served.worker.log.read_text()[-3000:]
    summary = summary_of(client, run)
    outcome = summary.removeprefix("**").partition("**")[0]
    assert re.search(rf"version 2 {outcome}, champion \d \| \w+", summary), summary  # and why
    expected = Counter({"heterodub.release.published": 2, "heterodub.model.promoted": 1})
    expected[f"heterodub.model.{outcome}"] += 1
    until(lambda: our_events(served), lambda result: result == expected)
    assert "1 new clips" in summary and "1 new speakers since version 1 (the champion)" in summary


def test_retraining_without_new_footage_does_nothing(served, client, parameters):
    before = versions(parameters["workspace"])
    run = asked_for(client, "retrain/retrain", parameters, served.worker.log)
    assert run.state_type == StateType.COMPLETED
    assert below(client, run) == ["ingest"]
    assert summary_of(client, run).startswith("**unchanged**")
    assert versions(parameters["workspace"]) == before


def test_automation_of_the_docs_pauses_retraining_when_an_audit_fails(served, client, parameters):
    page = (ROOT / "docs" / "operations.md").read_text()
    (text,) = re.findall(r"```yaml\n(automations:.*?)```", page, re.DOTALL)
    deployment = client.read_deployment_by_name("retrain/retrain")
    (served.folder / "automation.yaml").write_text(text.replace("DEPLOYMENT_ID", str(deployment.id)))
    served.prefect("automation", "create", "--from-file", str(served.folder / "automation.yaml"))
    ws = Workspace.open(parameters["workspace"])
    before = releases.latest(ws)
    nan_landmark(ws, contents(ws.root))
    run = asked_for(client, "retrain/retrain", parameters, served.worker.log)
    assert run.state_type == StateType.FAILED and releases.latest(ws) == before
    assert below(client, run) == ["ingest"] and summary_of(client, run).startswith("**failed**")
    until(lambda: client.read_deployment(deployment.id).paused, bool)
