"""Evaluations are MLflow runs of their own: scores by the field's names, model and data, and tables."""

import json
from pathlib import Path

import pytest

from heterodub.model.evaluation.clip_scores import ClipScores
from heterodub.model.evaluation.intervals import Interval
from heterodub.model.evaluation.report import SystemMean
from heterodub.schemas.config.settings import Settings, TrackingSettings
from heterodub.tasks.evaluation.evaluation import log_evaluation, metric_name, metrics_of
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.store import open_tracking
from tests.tasks.tracking.conftest import with_tables

SCORES = {
    "name": "evaluate stage1",
    "tags": {"stage": "stage1", "benchmark": "b1", "evaluated_model": "landmark-generator", "version": "3"},
    "metrics": metrics_of(
        [
            SystemMean("paired audio", "mouth_opening_corr", Interval(0.5, 0.4, 0.6, 4, 4, 0)),
            SystemMean("paired audio", "landmark_sync_z", Interval(1.0, None, None, 1, 1, 3)),
            SystemMean("copy", "mouth_opening_std_ratio", Interval(None, None, None, 0, 0, 4)),
        ]
    ),
    "summary": {"release": "r1", "clips": 4},
    "rows": (ClipScores("c1", "Ada Somebody", "copy", {"nme": 0.1}),),
}


@pytest.fixture
def ws(tmp_path, empty_database) -> Workspace:
    """An empty workspace with an empty registry."""
    return with_tables(Workspace.open(str(tmp_path / "ws"), create=True), empty_database)


def test_run_holds_scores_tags_and_tables(ws):
    settings = Settings(workspace=ws.root)
    run_id = log_evaluation(ws, settings, **SCORES)
    client = open_tracking(settings.tracking, ws).client
    run = client.get_run(run_id)
    assert run.data.metrics == {
        "paired/mouth_opening_corr": 0.5,
        "paired/mouth_opening_corr/low": 0.4,
        "paired/mouth_opening_corr/high": 0.6,
        "paired/landmark_sync_z": 1.0,
    }
    assert {name: run.data.tags[name] for name in SCORES["tags"]} == SCORES["tags"]
    assert (run.data.tags["kind"], run.info.status) == ("evaluation", "FINISHED")
    scores, clips = (
        Path(client.download_artifacts(run_id, f"evaluation/{name}.json")).read_text() for name in ("scores", "clips")
    )
    assert json.loads(scores) == SCORES["summary"]
    assert json.loads(clips)[0]["nme"] == 0.1 and "Ada" not in clips


def test_scores_are_not_lost_with_the_store(tmp_path, caplog):
    ws = Workspace.open(str(tmp_path / "ws"), create=True)
    settings = Settings(workspace=ws.root, tracking=TrackingSettings(uri="http://127.0.0.1:9"))
    assert log_evaluation(ws, settings, **SCORES) is None
    assert "not logged to MLflow" in caplog.text


@pytest.mark.parametrize(
    ("system", "score", "name"),
    [
        ("paired audio", "nme_lips", "paired/nme_lips"),
        ("unpaired audio", "landmark_sync_z", "unpaired/landmark_sync_z"),
        ("generated", "perceptual_heldout_lower", "generated/perceptual_heldout_lower"),
        ("ground truth", "perceptual_mouth", "ground_truth/perceptual_mouth"),
        ("nearest frame oracle", "mouth_opening_std_ratio", "nearest_frame_oracle/mouth_opening_std_ratio"),
        ("mean face", "jitter", "mean_face/jitter"),
    ],
)
def test_metric_names_are_the_field_names(system, score, name):
    assert metric_name(system, score) == name
