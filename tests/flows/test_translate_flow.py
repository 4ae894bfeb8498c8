"""Training, finetuning and scoring the translator as flows, with a real Prefect server and a real MLflow store."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from heterodub.flows.evaluate import evaluate
from heterodub.flows.train import finetune, train
from heterodub.model.io import load_discriminators, load_translator
from heterodub.schemas.cards import FINETUNED, TRANSLATOR
from heterodub.schemas.config.settings import load_settings
from heterodub.schemas.errors import TrackingError
from heterodub.tasks.builtin.find import MODEL_CARD, builtin_model
from heterodub.tasks.builtin.ship import ship
from heterodub.tasks.dubbing.model_lookup import find_models
from heterodub.tasks.lineage.trace import trace
from heterodub.tasks.preflight.parts import require_model
from heterodub.tasks.promotion.gate import open_comparison
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.lineage import models_trained_on
from heterodub.tasks.tracking.store import open_tracking
from tests.tasks.stores.sample_rows import clip_id, media_id
from tests.tasks.training.face_release import face_release

SHORT = """
[stage2]
preset = 'tiny'
[stage2.schedule]
max_steps = 4
eval_interval = 2
save_interval = 2
sample_interval = 4
[stage2.finetuning]
steps = 2
eval_interval = 2
"""


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("settings") / "short.toml"
    path.write_text(SHORT)
    return str(path)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("face_release") / "workspace"
    face_release(folder)
    return folder


@pytest.fixture(scope="module")
def trained(workspace, short, prefect_api):
    return train("stage2", workspace=str(workspace), config=short)


@pytest.fixture(scope="module")
def mlflow(workspace) -> MlflowClient:
    return MlflowClient(f"sqlite:///{workspace}/mlflow/mlflow.db")


def test_train_run_names_its_losses_and_shows_faces(trained, mlflow):
    run = mlflow.get_run(trained["run"])
    assert run.info.status == "FINISHED"
    assert run.data.params["perception"].startswith("EfficientNet-Lite0")
    assert {"loss/multiscale_l1", "loss/discriminators", "val/perceptual_lower", "val/perceptual_heldout_lower"} - set(
        run.data.metrics
    ) <= {"loss/discriminators"}
    names = {Path(one.path).name for one in mlflow.list_artifacts(trained["run"], "val")}
    assert {"faces_000002.png", "faces_000004.png", "faces_000004.mp4"} <= names
    assert [one.version for one in mlflow.search_model_versions("name = 'landmark-translator'")] == [1]


def _behind(mlflow: MlflowClient, run: str) -> set[tuple[str, str, str]]:
    """Clip, media and split of what a run's model was trained on."""
    rows = pq.read_table(mlflow.download_artifacts(run, "lineage.parquet")).to_pylist()
    return {(row["clip_id"], row["media_id"], row["split"]) for row in rows}


def test_finetuned_translator_is_scored_by_name(trained, workspace, short, mlflow, tmp_path):
    tuned = finetune(clip_id(2), workspace=str(workspace), config=short)
    assert (tuned["model"], tuned["version"]) == (FINETUNED, 1)
    assert [one.version for one in mlflow.search_model_versions("name = 'landmark-translator'")] == [1]
    _, card = load_translator(Path(tuned["folder"]))
    assert card.tuned_on == (clip_id(2),)
    behind = [_behind(mlflow, made["run"]) for made in (trained, tuned)]
    assert behind[0] and behind[1] - behind[0] == {(clip_id(2), media_id(2), "test")}
    assert behind[0] < behind[1]  # what the tuned one started from is in its weights still
    settings = load_settings(short, workspace=str(workspace))
    for name, number in (("newest", "landmark-translator version 1"), (f"{FINETUNED}/1", f"{FINETUNED} version 1")):
        (tmp_path / number).mkdir()
        assert find_models(settings, str(tmp_path), name, tmp_path / number).names[1] == number
    with pytest.raises(TrackingError, match="fine-tuned to one speaker"):
        open_comparison(settings, "stage2", f"{FINETUNED}/1")
    require_model(settings, TRANSLATOR, f"{FINETUNED}/1")
    with pytest.raises(TrackingError, match="fine-tuned to one speaker"):
        require_model(settings, TRANSLATOR, f"{FINETUNED}/1", may_be_folder=False)
    traced = trace(settings, f"{FINETUNED}/1")
    assert clip_id(2) in traced.clips["test"]
    result = models_trained_on(
        open_tracking(settings.tracking, ws := Workspace.open(str(workspace))), ws, {media_id(2)}
    )
    assert [(one.version.name, one.clips) for one in result] == [(FINETUNED, 1)]
    summary = evaluate("stage2", model=tuned["run"], workspace=str(workspace), config=short, references=4)
    assert summary["evaluated_on"].startswith("benchmark b")
    assert {row["system"] for row in summary["rows"]} == {
        "generated",
        "copy",
        "warp",
        "nearest frame oracle",
        "ground truth",
    }
    assert "LPIPS" in summary["not_measured"]
    assert summary["tuned_on"] == [clip_id(2)]


def test_shipped_translator_can_be_read_and_tuned(trained, workspace, short, tmp_path):
    settings = load_settings(short, workspace=str(workspace))
    (made,) = ship(settings, {TRANSLATOR: "1"}, {}, folder=tmp_path)
    folder, name = builtin_model(TRANSLATOR, tmp_path)
    assert (made.origin, made.folder) == ("landmark-translator version 1", folder)
    assert name.startswith("builtin landmark-translator, weights ")
    before, after = (load_translator(place)[0].state_dict() for place in (Path(trained["folder"]), folder))
    assert all(np.allclose(before[key], after[key], rtol=1e-3, atol=1e-5) for key in before)
    load_discriminators(folder)
    text = (folder / MODEL_CARD).read_text("utf-8")
    assert all(f"\n| {system} |" in text for system in ("generated", "copy", "warp"))
