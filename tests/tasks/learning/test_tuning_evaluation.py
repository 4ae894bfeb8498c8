"""What fine-tuning is worth: judged on what was not learned, and refused where nothing is left."""

import pytest

from schemas.errors import TrainingError
from schemas.reasons import Stage
from schemas.settings import Settings, WeightSettings
from schemas.translation import Stage2Settings
from tasks.evaluate import log_tuning
from tasks.learning.selection import find_release, select
from tasks.learning.stage2 import train_translator
from tasks.learning.tuning_evaluation import compare_tuning
from tasks.tracking.store import open_tracking
from tests.tasks.learning.recorder import Recorder
from tests.tasks.learning.sitters import sitters
from tests.tasks.tracking.conftest import with_tables


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    workspace = sitters(tmp_path_factory.mktemp("sitters") / "w", 2)
    stage2 = Stage2Settings(profile="tiny", pace={"steps": 2, "validate_every": 2}, losses={"perceptual": 0})
    selection = select(workspace, find_release(workspace, None), Stage.STAGE2)
    folder = tmp_path_factory.mktemp("t") / "t"
    model = train_translator(selection, stage2, WeightSettings(), folder, Recorder()).model
    return workspace, Settings(workspace=workspace.root, stage2=stage2), selection, model


def test_it_is_judged_on_the_rest_of_the_clip_and_logged(made, empty_database):
    workspace, settings, selection, model = made
    short = settings.stage2.model_copy(
        update={"tuning": settings.stage2.tuning.model_copy(update={"seconds": 0.4, "steps": 2})}
    )
    settings = settings.model_copy(update={"stage2": short})
    gain = compare_tuning(workspace, settings, selection, selection.val, model, Recorder())
    assert gain.clips == 1
    assert gain.before[0].scores.frames == gain.after[0].scores.frames == 14
    assert gain.before[0].scores != gain.after[0].scores
    assert gain.summary()["changes"]["pd_lower"]["mean"] is not None
    with_tables(workspace, empty_database)
    run = open_tracking(settings.tracking, workspace).client.get_run(log_tuning.fn(settings, gain, "val"))
    assert run.data.metrics["gain/perceptual_lower"] == gain.changes["pd_lower"].mean
    assert run.data.tags["release"] == selection.release_id


def test_nothing_is_left_to_judge(made):
    workspace, settings, selection, model = made
    with pytest.raises(TrainingError, match=r"no clip has 10 frames to judge beyond its first 2 s"):
        compare_tuning(workspace, settings, selection, selection.val, model, Recorder())
