"""Deleted entries that are still needed are named, with a command that restores them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from heterodub.schemas.config.settings import Settings, TrackingSettings
from heterodub.tasks.inspect.doctor import check_tracking
from heterodub.tasks.inspect.findings import Health
from heterodub.tasks.tracking.deletion import deleted
from heterodub.tasks.tracking.runs import tracked_run
from heterodub.tasks.tracking.store import open_tracking


@pytest.fixture
def version(tracking):
    """A registered version and its run, on either kind of store."""
    with tracked_run(tracking, "train") as run:
        pass
    name = "landmark-generator"
    if not tracking.client.search_registered_models(f"name = '{name}'"):
        tracking.client.create_registered_model(name)
    source = tracking.client.get_run(run.run_id).info.artifact_uri
    made = tracking.client.create_model_version(name, source, run.run_id)
    yield made
    tracking.client.delete_model_version(name, made.version)  # the server is shared


def ours(tracking, version) -> list:
    result = deleted(tracking.place, "another")
    return [one for one in result if version.run_id in one.what or "experiment" in one.what]


def carry_out(command: str) -> None:
    """Run a command as a shell does, with the environment's own mlflow."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(command, shell=True, check=True, env={**os.environ, "PATH": path}, capture_output=True)


def test_deleted_run_of_a_version_is_named_and_comes_back(tracking, version):
    assert ours(tracking, version) == []
    tracking.client.delete_run(version.run_id)
    (result,) = ours(tracking, version)
    assert "landmark-generator version" in result.what and version.run_id in result.command
    tracking.client.restore_run(version.run_id)
    assert ours(tracking, version) == []


def test_deleted_experiment_is_named_once_not_its_runs(tracking, version):
    tracking.client.delete_experiment(tracking.experiment_id)
    (result,) = [one for one in ours(tracking, version) if f"--experiment-id {tracking.experiment_id}" in one.command]
    assert "experiment" in result.what and str(tracking.place) in result.command
    tracking.client.restore_experiment(tracking.experiment_id)
    assert ours(tracking, version) == []


def test_experiment_for_later_promotions_is_named(tracking):
    promotion = tracking.of("promotion")
    promotion.client.delete_experiment(promotion.experiment_id)
    (result,) = [one for one in deleted(tracking.place, tracking.experiment) if "-promotion" in one.what]
    assert f"--experiment-id {promotion.experiment_id}" in result.command


def test_doctor_remedies_restore_deleted_entries(ws, local):
    with tracked_run(local, "train") as run:
        run.content("weights", "of a model")
    local.client.create_registered_model("landmark-generator")
    files = local.client.get_run(run.run_id).info.artifact_uri
    local.client.create_model_version("landmark-generator", files, run.run_id)
    settings = Settings(workspace=ws.root)
    assert [finding.health for finding in check_tracking(settings)] == [Health.OK]
    local.client.delete_run(run.run_id)
    local.client.delete_experiment(local.experiment_id)
    (findings,) = (finding for finding in check_tracking(settings) if finding.health is Health.PROBLEM)
    assert "was deleted" in findings.detail
    carry_out(findings.remedy)
    assert [finding.health for finding in check_tracking(settings)] == [Health.OK]
    assert open_tracking(TrackingSettings(), ws).experiment_id == local.experiment_id


def test_unused_deleted_experiment_is_no_problem(ws, local):
    other = local.client.create_experiment("other")
    local.client.delete_experiment(other)
    assert deleted(local.place, TrackingSettings().experiment) == []
    assert [one.what for one in deleted(local.place, "other")] == ["experiment 'other' was deleted"]
