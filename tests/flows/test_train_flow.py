"""Train and evaluate as flows, with a real Prefect server and a real MLflow store in the workspace."""

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
import torch
from mlflow import MlflowClient
from prefect.client.orchestration import get_client

from heterodub.flows.cli.environment import prepare
from heterodub.flows.evaluate import ablate_data, evaluate
from heterodub.flows.train import train
from heterodub.model.io import load_generator
from heterodub.schemas.errors import SettingsError, TrackingError, TrainingError, WorkspaceError
from heterodub.schemas.strata import FACTOR_NAMES
from heterodub.tasks.training.distributed import on_devices
from tests.tasks.training.talkers import talkers

SHORT = "[stage1]\npreset = 'tiny'\n[stage1.schedule]\nmax_steps = 6\neval_interval = 3\nsave_interval = 3\n"


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("settings") / "short.toml"
    path.write_text(SHORT)
    return str(path)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("talkers") / "workspace"
    talkers(folder, speakers=12, clips=2, frames=60)
    return folder


@pytest.fixture(scope="module")
def trained(workspace, short, prefect_api):
    return train(workspace=str(workspace), config=short)


@pytest.fixture(scope="module")
def mlflow(workspace) -> MlflowClient:
    return MlflowClient(f"sqlite:///{workspace}/mlflow/mlflow.db")


def test_train_run_holds_the_lineage(trained, mlflow):
    run = mlflow.get_run(trained["run"])
    assert run.info.status == "FINISHED"
    assert run.data.params["schedule.max_steps"] == "6"
    assert {"release", "seed", "environment"} <= set(run.data.tags)
    assert {one.dataset.name for one in run.inputs.dataset_inputs} == {trained["release"]}
    assert {"loss/l1", "fusion/sound", "val/loss"} <= set(run.data.metrics)


def test_one_id_finds_flow_run_rows_and_mlflow_run(trained, workspace, mlflow, stdout_of):
    flow_run = mlflow.get_run(trained["run"]).data.tags["flow_run"]
    with get_client(sync_client=True) as client:
        assert client.read_flow_run(UUID(flow_run)).name.startswith("train")
    for name in (flow_run, flow_run[:8], trained["run"]):
        details = json.loads(stdout_of("status", name, "-w", workspace, "--json"))
        assert [run["run"] for run in details["runs"]] == [flow_run]
        assert [run["run"] for run in details["logged"]] == [trained["run"]]
    text = stdout_of("status", trained["run"], "-w", workspace)
    assert all(word in text for word in (flow_run, trained["run"], "choose", "train"))
    stdout_of("status", "ffff", "-w", workspace, code=1)


def test_model_holds_its_scores_by_data_set(trained, workspace, short, mlflow):
    """Of the validation that chose its weights, and of an evaluation on the frozen benchmark."""
    summary = evaluate(model=str(trained["version"]), workspace=str(workspace), config=short)
    registered = mlflow.get_model_version(trained["model"], str(trained["version"]))
    model = mlflow.get_logged_model(registered.tags["model_id"])
    assert (str(model.status), model.model_type, model.source_run_id) == ("READY", "generator", trained["run"])
    scores = {(metric.key, metric.dataset_name): metric.value for metric in model.metrics}
    assert scores["val/loss", trained["release"]] == pytest.approx(trained["best_loss"])
    nme = mlflow.get_run(summary["run"]).data.metrics["paired/nme_lips"]
    assert scores["paired/nme_lips", summary["evaluated_on"].split()[1]] == nme
    evaluation = mlflow.get_run(summary["run"])
    assert [one.model_id for one in evaluation.inputs.model_inputs] == [model.model_id]
    assert [one.tags[0].value for one in evaluation.inputs.dataset_inputs] == ["test"]


def test_train_run_holds_pictures_and_a_film(trained, mlflow):
    names = [Path(one.path).name for one in mlflow.list_artifacts(trained["run"], "val")]
    assert any(name.startswith("landmarks_000003") for name in names)
    assert any(name.startswith("opening_000006") for name in names)
    assert [name for name in names if name.endswith(".mp4")] == [next(n for n in names if n.startswith("film_000006"))]


def test_registered_version_is_described_with_its_scores(trained, workspace, short, mlflow):
    name, number = trained["model"], str(trained["version"])
    evaluate(model=number, split="val", workspace=str(workspace), config=short)
    summary = evaluate(model=number, split="val", workspace=str(workspace), config=short)
    text = mlflow.get_model_version(name, number).description
    # the second scores stand in the place of the first
    heading = f"### {summary['evaluated_on']} of release {summary['release']}"
    assert text.splitlines().count(heading) == 1
    assert (
        text.index("## Data")
        < text.index(heading)
        < text.index("| copy |", text.index(heading))
        < text.index("## Limits")
    )
    assert "`promote` and `rollback`" in mlflow.get_registered_model(name).description
    runs = [mlflow.get_run(run) for run in (trained["run"], summary["run"])]
    notes = [run.data.tags["mlflow.note.content"] for run in runs]
    assert "6 steps" in notes[0] and "| copy |" in notes[1]
    homes = {mlflow.get_experiment(run.info.experiment_id).name for run in runs}
    assert homes == {"heterodub", "heterodub-evaluation"}


def test_train_registers_the_model_once(trained, workspace, short, mlflow):
    again = train(workspace=str(workspace), config=short)
    assert (again["run"], again["version"]) == (trained["run"], trained["version"])
    assert len(mlflow.search_model_versions("name = 'landmark-generator'")) == 1


@pytest.mark.long
def test_another_seed_registers_another_version(trained, workspace, short):
    other = train(workspace=str(workspace), config=short, seed=1)
    assert other["version"] == trained["version"] + 1


@pytest.mark.parametrize("named", ["run", "version", "folder"])
def test_evaluate_scores_beside_controls_for_every_model_reference(trained, workspace, short, mlflow, named):
    summary = evaluate(model=str(trained[named]), workspace=str(workspace), config=short)
    json.dumps(summary)
    systems = {mean["system"] for mean in summary["means"]}
    assert systems == {"paired audio", "unpaired audio", "silent audio", "copy", "linear", "mean face", "ground truth"}
    assert {row["speaker"] for row in summary["rows"]} == {"speaker 2", "speaker 6", "speaker 10"}
    assert summary["speakers"] == 3
    run = mlflow.get_run(summary["run"])
    means = {(mean["system"], mean["score"]): mean["interval"]["mean"] for mean in summary["means"]}
    assert run.data.metrics["paired/nme_lips"] == pytest.approx(means["paired audio", "nme_lips"])
    assert (run.data.tags["release"], run.data.tags["benchmark"]) == (
        summary["release"],
        summary["evaluated_on"].split()[1],
    )
    clips = sum(part["clips"] for part in summary["strata"] if part["factor"] == "head_pose")
    assert clips == summary["clips"] and {part["factor"] for part in summary["strata"]} == set(FACTOR_NAMES)
    whole = next(part for part in summary["strata"] if part["factor"] == "language")  # no language is stated
    assert run.data.metrics["stratum/language/unstated/nme_lips"] == pytest.approx(whole["interval"]["mean"])
    versions = {"folder": None, "run": str(trained["version"]), "version": str(trained["version"])}
    assert run.data.tags.get("version") == versions[named]
    assert [verdict["control"] for verdict in summary["verdicts"]] == ["copy", "linear", "unpaired audio"]


def test_folds_score_every_speaker_outside_the_test_split(workspace, short, prefect_api):
    summary = evaluate(folds=2, workspace=str(workspace), config=short)
    judged = {row["speaker"] for row in summary["rows"]}
    assert judged == {f"speaker {number}" for number in range(12) if number % 4 != 2}


@pytest.mark.long
def test_more_stage_1_footage_is_compared_on_the_same_speakers(workspace, short, prefect_api, mlflow):
    summary = ablate_data(folds=2, workspace=str(workspace), config=short)
    assert summary["added_clips"] > 0
    half, more = ({row["score"] for row in summary[part]["means"]} for part in ("half", "more"))
    assert half == more
    assert set(summary["gains"]) == {"nme_lips", "nme_outline", "nme"}
    kept = mlflow.get_run(summary["run"]).data.metrics
    assert kept["gain/nme_lips"] == summary["gains"]["nme_lips"]["mean"]


def test_train_error_is_one_line(heterodub, workspace, short):
    ended = heterodub("train", "stage1", "--release", "r-none", "-w", workspace, "--config", short)
    lines = [line for line in ended.stderr.splitlines() if line.startswith("error:")]
    assert ended.returncode == 1
    assert len(lines) == 1
    assert "no release r-none" in lines[0]
    assert "Traceback" not in ended.stderr


def test_train_error_is_a_project_error(workspace, short, prefect_api):
    """Of which the command makes one line."""
    with pytest.raises(TrackingError, match="landmark-generator"):
        evaluate(model="99", workspace=str(workspace), config=short)
    with pytest.raises(WorkspaceError, match="no workspace"):
        train(workspace="/nowhere", config=short)


@pytest.mark.long
def test_torchrun_with_two_processes_equals_one(workspace, tmp_path, prefect_api, mlflow):
    """The command is started twice; the first process leads, and it alone tracks and registers."""
    config = tmp_path / "exact.toml"
    config.write_text(SHORT + "[stage1.architecture]\ndropout = 0.0\n")
    one = train(workspace=str(workspace), config=str(config))
    words = ["train", "stage1", "-w", workspace, "--config", config, "--json"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    surroundings = os.environ | {
        "HETERODUB_STAGE1__DEVICES": "2",
        "PREFECT_API_URL": prefect_api,
        "OMP_NUM_THREADS": "1",
    }
    command = [*torchrun, "-m", "heterodub.flows.cli.main", *map(str, words)]
    ran = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr[-3000:]
    two = json.loads(ran.stdout)
    assert (two["step"], two["version"]) == (one["step"], one["version"] + 1)
    assert mlflow.get_run(two["run"]).data.params["devices"] == "2"
    assert two["best_loss"] == pytest.approx(one["best_loss"], rel=2e-3)
    alone, shared = (load_generator(Path(result["folder"]))[0].state_dict() for result in (one, two))
    for name, value in alone.items():
        torch.testing.assert_close(shared[name], value, atol=5e-3, rtol=0.05)


def test_commands_that_torchrun_must_not_start_are_refused(monkeypatch):
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "0", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TrainingError, match="torchrun started 2 processes in all, but the settings say devices = 1"):
        on_devices("auto", 1, "32-true", lambda fabric, listener: None, None)
    with pytest.raises(SettingsError, match="run this command without it"):
        prepare(lambda: None)
