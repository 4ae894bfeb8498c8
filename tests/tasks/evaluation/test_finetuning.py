"""Evaluation of fine-tuning: scored on frames that were held out, and refused where none are left."""

import pytest

from heterodub.schemas.config.settings import Settings, WeightSettings
from heterodub.schemas.config.translation import Stage2Settings
from heterodub.schemas.errors import TrainingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.evaluation.finetuning import compare_finetuning
from heterodub.tasks.steps.evaluate import log_scores
from heterodub.tasks.tracking.store import open_tracking
from heterodub.tasks.training.clip_selection import find_release, select
from heterodub.tasks.training.run import run_training
from heterodub.tasks.training.stage2 import translator_spec
from tests.tasks.tracking.conftest import with_tables
from tests.tasks.training.face_release import face_release
from tests.tasks.training.recorder import RecordingCallback


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    workspace = face_release(tmp_path_factory.mktemp("face_release") / "w", 2)
    stage2 = Stage2Settings(preset="tiny", schedule={"max_steps": 2, "eval_interval": 2}, losses={"perceptual": 0})
    selection = select(workspace, find_release(workspace, None), Stage.STAGE2)
    folder = tmp_path_factory.mktemp("t") / "t"
    model = run_training(translator_spec(selection, stage2, WeightSettings()), folder, RecordingCallback()).model
    return workspace, Settings(workspace=workspace.root, stage2=stage2), selection, model


def test_finetuned_model_is_scored_on_the_rest_of_the_clip(made, empty_database):
    workspace, settings, selection, model = made
    short = settings.stage2.model_copy(
        update={"finetuning": settings.stage2.finetuning.model_copy(update={"seconds": 0.4, "steps": 2})}
    )
    settings = settings.model_copy(update={"stage2": short})
    scores = compare_finetuning(settings, selection, selection.val, model, "the val split", RecordingCallback())
    before, after = scores.rows
    assert (before.system, after.system) == ("generated", "fine-tuned")
    assert before.metrics["frames"] == after.metrics["frames"] == 14
    assert before.metrics != after.metrics
    gains = {one.score: one.interval for one in scores.report.improvements}
    assert gains["perceptual_lower"].mean is not None
    with_tables(workspace, empty_database)
    run = open_tracking(settings.tracking, workspace).client.get_run(
        log_scores.fn(workspace, settings, scores, "tuning", gains)
    )
    assert run.data.metrics["gain/perceptual_lower"] == gains["perceptual_lower"].mean
    assert run.data.tags["release"] == selection.release_id


def test_clip_without_held_out_frames_is_an_error(made):
    _, settings, selection, model = made
    with pytest.raises(TrainingError, match=r"no clip has 10 frames to score beyond its first 2 s"):
        compare_finetuning(settings, selection, selection.val, model, "the val split", RecordingCallback())
