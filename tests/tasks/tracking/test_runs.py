"""Runs: what they hold, how they end, and how they are taken up again. On SQLite and on a server."""

import json
from pathlib import Path

import pytest

from heterodub.schemas.config.settings import Settings, TrackingSettings
from heterodub.schemas.errors import TrackingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.tracking.runs import tracked_run
from heterodub.tasks.tracking.store import Tracking, open_tracking
from tests.tasks.tracking.made_release import COUNTS, release


def state(tracking: Tracking, run_id: str):
    return tracking.client.get_run(run_id)


def fetch(tracking: Tracking, run_id: str, name: str, folder: Path) -> Path:
    return Path(tracking.client.download_artifacts(run_id, name, str(folder)))


def test_finished_run_is_recorded(tracking, tmp_path):
    with tracked_run(tracking, "first") as run:
        assert state(tracking, run.run_id).info.status == "RUNNING"
        run.metrics({"nme": 0.8, "undefined": None}, step=7)
    result = state(tracking, run.run_id)
    assert (result.info.status, result.info.run_name) == ("FINISHED", "first")
    assert result.data.metrics == {"nme": 0.8}
    assert run.steps_of("nme") == {7}


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("bad batch"), "FAILED"), (KeyboardInterrupt(), "KILLED"), (SystemExit(1), "KILLED")],
)
def test_interrupted_run_records_its_cause(tracking, error, status):
    with pytest.raises(type(error)), tracked_run(tracking, "short") as run:
        raise error
    result = state(tracking, run.run_id)
    assert result.info.status == status
    assert result.data.tags.get("failure") == ("ValueError: bad batch" if status == "FAILED" else None)


def test_settings_code_seed_and_packages(tracking, tmp_path):
    with tracked_run(tracking, "origin") as run:
        run.origin(Settings(workspace="w" * 7000), seed=5)
    data = state(tracking, run.run_id).data
    assert data.params["clips.min_s"] == "1.0"
    assert len(data.params["workspace"]) == 6000
    assert json.loads(fetch(tracking, run.run_id, "settings.json", tmp_path).read_text())["workspace"] == "w" * 7000
    assert "mlflow==3.17.2" in fetch(tracking, run.run_id, "environment.txt", tmp_path).read_text().splitlines()
    assert data.tags["seed"] == "5"
    assert len(data.tags["environment"]) == 64
    assert {"code", "mlflow.source.git.commit"} <= set(data.tags)


def test_release_is_an_input_for_both_splits(tracking, ws):
    with tracked_run(tracking, "data") as run:
        run.data(ws, release(), Stage.STAGE1)
        run.data(ws, release(), Stage.STAGE1)  # as a resumed run does
    result = state(tracking, run.run_id)
    assert result.data.tags["release"] == "r0123456789ab"
    inputs = {one.tags[0].value: one.dataset for one in result.inputs.dataset_inputs}
    assert set(inputs) == {"train", "val"}
    for split, dataset in inputs.items():
        assert (dataset.name, dataset.digest) == ("r0123456789ab", f"r0123456789ab-{split}")
        assert json.loads(dataset.source) == {"uri": ws.root}
        profile = json.loads(dataset.profile)
        assert profile["tables"] == {
            "catalog": 5,
            "clips": 7,
            "stage1": 2,
            "stage2": 4,
            "labels": 0,
            "person_corrections": 0,
        }
        assert profile["counts"] == COUNTS["stage1"]


def test_mlflow_itself_can_read_the_source(local, ws):
    import mlflow

    with tracked_run(local, "data") as run:
        run.data(ws, release(), Stage.STAGE1)
    dataset = state(local, run.run_id).inputs.dataset_inputs[0].dataset
    assert mlflow.data.get_source(dataset).uri == ws.root


def test_more_parameters_metrics_and_tags_than_one_request_takes(tracking):
    with tracked_run(tracking, "many") as run:
        run.params({f"p{number}": "x" for number in range(205)})
        run.tags({f"t{number}": "x" for number in range(205)})
        run.metrics({f"m{number}": float(number) for number in range(1205)})
    data = state(tracking, run.run_id).data
    assert (len(data.params), len(data.metrics)) == (205, 1205)
    assert sum(name.startswith("t") for name in data.tags) >= 205


def test_files_folders_and_pictures(tracking, tmp_path):
    with tracked_run(tracking, "files") as run:
        run.content("val/opening_000500.png", b"\x89PNG")
        run.content("plain.txt", "words")
    assert fetch(tracking, run.run_id, "val/opening_000500.png", tmp_path).read_bytes() == b"\x89PNG"
    assert fetch(tracking, run.run_id, "plain.txt", tmp_path).read_text() == "words"
    assert {file.path for file in tracking.client.list_artifacts(run.run_id)} >= {"plain.txt", "val"}


def test_resumed_run_continues_and_shows_differences(tracking):
    with pytest.raises(KeyboardInterrupt), tracked_run(tracking, "long") as run:
        run.origin(Settings(run={"workers": 2}), seed=1)
        raise KeyboardInterrupt
    with tracked_run(tracking, "long", resume=run.run_id) as again:
        assert again.run_id == run.run_id
        assert state(tracking, run.run_id).info.status == "RUNNING"
        again.origin(Settings(run={"workers": 3}), seed=1)
    result = state(tracking, run.run_id)
    assert result.info.status == "FINISHED"
    assert result.data.params["run.workers"] == "2"
    assert result.data.tags["resumed.run.workers"] == "3"
    assert [name for name in result.data.tags if name.startswith("resumed.")] == ["resumed.run.workers"]


def test_unresumable_runs_are_refused(tracking, ws):
    with pytest.raises(TrackingError, match="no-such-run"), tracked_run(tracking, "x", resume="no-such-run"):
        pass
    with tracked_run(tracking, "x") as run:
        pass
    uri = tracking.place.uri if tracking.place.is_server else None
    other = open_tracking(TrackingSettings(uri=uri, experiment=f"beside {ws.root}"), ws)
    with pytest.raises(TrackingError, match="another experiment"), tracked_run(other, "x", resume=run.run_id):
        pass
    tracking.client.delete_run(run.run_id)
    with pytest.raises(TrackingError, match="was deleted"), tracked_run(tracking, "x", resume=run.run_id):
        pass


def test_mlflow_refusal_is_a_tracking_error(local):
    with pytest.raises(TrackingError, match=r"run .*Names may only"), tracked_run(local, "bad names") as run:
        run.params({"not?allowed!": "x"})
    assert state(local, run.run_id).info.status == "FAILED"
