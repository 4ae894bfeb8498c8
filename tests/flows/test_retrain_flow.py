"""Retraining as flow and command: due stages, failures, resumption. Tests build on each other, in this order."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from prefect.artifacts import Artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.client.schemas.objects import FlowRun
from typer.testing import CliRunner

from heterodub.flows.cli.main import app
from heterodub.flows.retrain import retrain
from heterodub.schemas.config.settings import load_settings
from heterodub.schemas.errors import RetrainError, SourceError
from heterodub.tasks.monitoring.runs import runs
from heterodub.tasks.promotion.retraining import Outlook, decide
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.models import TAKEN_DOWN
from tests.flows.heads import write_head
from tests.flows.test_promote_flow import SHORT, champion
from tests.tasks.training.talkers import add_media, publish, talkers

pytestmark = pytest.mark.long

MODEL = "landmark-generator"
POLICY = f"""
name = "small"
version = 1
[resampling]
resamples = 500
[models.{MODEL}]
primary = "nme_lips"
minimum_effect = 0.02
references = 8
least_clips = 2
least_speakers = 2
"""
"""A first champion has nothing to beat, so that what follows does not hang on what a few steps can learn."""
STAGE = SHORT.replace("'tiny'", "'tiny'\nsync_steps = 20")
PACE = "[stage1.schedule]\nmax_steps = 10\neval_interval = 10\nsave_interval = 10\nsample_interval = 1000\n"
RULE = "[retrain.stage1]\nnew_clips = 3\n"


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> Path:
    """Settings for short trainings that wait for three new clips; the promotion policy is of another model as yet."""
    folder = tmp_path_factory.mktemp("settings")
    (folder / "policy.toml").write_text(POLICY.replace(MODEL, "landmark-translator"))
    path = folder / "short.toml"
    path.write_text(f"promotion = '{folder}/policy.toml'\n{STAGE}{PACE}{RULE}")
    return path


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, prefect_api) -> str:
    """Talkers that are good for stage 1 alone."""
    folder = tmp_path_factory.mktemp("talkers") / "workspace"
    talkers(folder, speakers=12, clips=2, frames=40, stage2=False)
    return str(folder)


def run(workspace: str, short: Path) -> tuple[dict, list[str]]:
    """Run a retraining; return its summary and the names of the flows that it started."""
    state = retrain(workspace=workspace, config=str(short), return_state=True)
    result = state.result(raise_on_failure=False)
    with get_client(sync_client=True) as client:
        parent = FlowRunFilterParentFlowRunId(any_=[state.state_details.flow_run_id])
        below: list[FlowRun] = client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=parent))
        names = [client.read_flow(one.flow_id).name for one in below]
    assert state.is_failed() == isinstance(result, RetrainError)
    return result.summary if isinstance(result, RetrainError) else result, sorted(names)


def outlook(workspace: str, short: Path) -> Outlook:
    return decide(load_settings(str(short), workspace=workspace), "stage1")


def registry(workspace: str) -> MlflowClient:
    return MlflowClient(f"sqlite:///{workspace}/mlflow/mlflow.db")


def runs_of(workspace: str) -> int:
    """Runs in all experiments."""
    experiments = [one.experiment_id for one in registry(workspace).search_experiments()]
    return len(registry(workspace).search_runs(experiments))


def test_failed_step_keeps_the_champion_and_is_reported(workspace, short):
    result, started = run(workspace, short)
    assert started == ["evaluate", "promote", "train"]
    first, second = result["stages"]
    assert (result["outcome"], first["outcome"], second["outcome"]) == ("failed", "failed", "unchanged")
    assert f"has no [models.{MODEL}]" in first["reason"] and "no stage2 clip" in second["reason"]
    assert champion(workspace) is None
    assert f"has no [models.{MODEL}]" in Artifact.get("retrain-summary").data


def test_next_run_resumes_after_the_last_finished_step(workspace, short):
    seen = outlook(workspace, short)
    assert (seen.due, seen.trained, seen.evaluated) == (True, 1, True)
    scores = registry(workspace).get_model_version(MODEL, "1").run_id
    kept = json.loads(Path(registry(workspace).download_artifacts(scores, "evaluation/scores.json")).read_text())
    assert kept["release"] == seen.release and "rows" not in kept

    (short.parent / "policy.toml").write_text(POLICY)
    result, started = run(workspace, short)
    assert started == ["promote"]
    assert (result["outcome"], result["stages"][0]["trained"], champion(workspace)) == ("promoted", "before", 1)


def test_run_log_holds_retrainings_and_their_subflows(workspace):
    actual = runs(Workspace.open(workspace))
    second, first = (run for run in actual if run.flow == "retrain")
    assert (first.state, first.error, second.state) == ("failed", "RetrainError", "done")
    steps = ("decide", "train", "evaluate", "log", "promote", "decide", "report")
    assert [(step.name, step.state) for step in first.steps] == [
        (name, "failed" if name == "promote" else "done") for name in steps
    ]
    assert [step.name for step in second.steps] == ["decide", "promote", "decide", "report"]
    assert (second.named("report").facts, second.named("decide").facts["stage"]) == ({"outcome": "promoted"}, "stage2")
    below = [(run.flow, run.state) for run in reversed(actual) if run.parent == first.run]
    assert below == [("train", "done"), ("evaluate", "done"), ("promote", "failed")]


def test_unchanged_footage_starts_nothing(workspace, short, stdout_of):
    before = runs_of(workspace)
    summary = json.loads(stdout_of("retrain", "-w", workspace, "--config", str(short), "--json"))
    assert summary["outcome"] == "unchanged"
    assert (
        "0 new clips" in summary["stages"][0]["reason"] and "version 1 (the champion)" in summary["stages"][0]["reason"]
    )
    assert runs_of(workspace) == before


def test_retraining_waits_until_the_rule_is_met(workspace, short):
    ws = Workspace.open(workspace)
    add_media(ws, 12, 2, 40, stage2=False)
    publish(ws)
    seen = outlook(workspace, short)
    assert (
        not seen.due and seen.change.clips == 2 and seen.change.speakers == 1 and "waits for 3 clips" in seen.due_reason
    )
    add_media(ws, 15, 1, 40, stage2=False)
    publish(ws)
    seen = outlook(workspace, short)
    assert seen.due and seen.trained is None and seen.change.clips == 3


def test_model_trained_on_taken_down_footage_is_retrained(workspace, short):
    client = registry(workspace)
    client.set_model_version_tag(MODEL, "1", TAKEN_DOWN, "speaker 1")
    assert "taken down" in outlook(workspace, short).due_reason
    client.delete_model_version_tag(MODEL, "1", TAKEN_DOWN)


def test_rejected_challenger_footage_is_not_tried_again(workspace, short):
    result, started = run(workspace, short)
    assert started == ["evaluate", "promote", "train"]
    assert (result["outcome"], result["stages"][0]["version"], champion(workspace)) == ("kept", 2, 1)
    seen = outlook(workspace, short)
    assert not seen.due and seen.since == 2 and "kept out" in seen.due_reason
    other = short.with_name("other.toml")
    other.write_text(short.read_text().replace("6e-3", "5e-3"))
    assert outlook(workspace, other).since == 1  # other settings have not been tried on it


def test_missing_corpus_stops_the_command_before_any_step(workspace, short):
    before = len(runs(Workspace.open(workspace)))
    ended = CliRunner().invoke(app, ["retrain", "/nowhere", "-w", workspace, "--config", str(short)])
    assert isinstance(ended.exception, SourceError) and str(ended.exception).startswith("/nowhere: ")
    assert len(runs(Workspace.open(workspace))) == before


def test_broken_stage_and_corpus_stop_no_other(prefect_api, tmp_path, monkeypatch, caplog):
    films = tmp_path / "films"
    films.mkdir()
    write_head(films / "head.mp4", 0, 30)
    rule = "[retrain.stage1]\nnew_clips = 1000\n[clips]\ndnsmos_excerpt_s = 0\n[run]\nworkers = 1\n"
    monkeypatch.setattr("heterodub.tasks.steps.retrain.decide", broken_for_stage1(decide))
    (tmp_path / "settings.toml").write_text(rule)
    where = {"workspace": str(tmp_path / "workspace"), "config": str(tmp_path / "settings.toml"), "return_state": True}
    result = retrain(["/nowhere", str(films)], **where).result(raise_on_failure=False)
    assert isinstance(result, RetrainError)
    nowhere, healthy = result.summary["corpora"]
    assert nowhere["error"].startswith("/nowhere: ") and (healthy["error"], healthy["files"]) == (None, 1)
    stage1, stage2 = result.summary["stages"]
    assert (stage1["outcome"], stage1["reason"]) == ("failed", "KeyError: 'broken'")
    assert stage2["stage"] == "stage2" and "KeyError" not in stage2["reason"]
    assert "a step of the retraining broke" in caplog.text and "Traceback" in caplog.text


def broken_for_stage1(work):
    def decide_or_break(settings, stage):
        if stage == "stage1":
            raise KeyError("broken")
        return work(settings, stage)

    return decide_or_break


def test_unreachable_corpus_stops_the_flow_before_training(workspace, short):
    state = retrain(["/nowhere"], workspace=workspace, config=str(short), return_state=True)
    result = state.result(raise_on_failure=False)
    assert isinstance(result, RetrainError) and str(result).startswith("/nowhere: ") and result.summary["stages"] == []
