"""Tables made for real, of seconds of training: every cell, what is reused, and what a kill costs."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.errors import TrainingError
from schemas.settings import Settings
from schemas.training import Stage1Settings
from schemas.translation import Stage2Settings
from tasks.learning.folders import trainings
from tasks.paper.budget import Budget, keep, kept
from tasks.paper.experiments import EXPERIMENTS
from tasks.paper.footage import held_out
from tasks.paper.jobs import FACE_RECOGNITION, GENERATOR, KINDS, TRANSLATOR, Job
from tasks.paper.making import make_table
from tasks.paper.workshop import Workshop
from tasks.stores.workspace import Workspace
from tests.tasks.learning.recorder import Recorder
from tests.tasks.learning.speakers import speakers

STEPS, MINUTES = 6, 4.0


class Trainings(Recorder):
    """Remembers where each training began; pulls the plug in the middle of one of them."""

    def __init__(self, kill_at: int | None = None) -> None:
        super().__init__()
        self.began: list[int] = []
        self.taken, self._kill_at = 0, kill_at

    def started(self, first_step, steps):
        super().started(first_step, steps)
        assert steps == STEPS
        self.began.append(first_step)

    def stepped(self, report):
        super().stepped(report)
        self.taken += 1
        if self.taken == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def settings(workspace: Workspace) -> Settings:
    stage2 = Stage2Settings(profile="tiny", losses={"perceptual": 0})
    return Settings(workspace=workspace.root, stage1=Stage1Settings(profile="tiny"), stage2=stage2)


def shop(workspace: Workspace, minutes: float, listener: Recorder) -> Workshop:
    return Workshop(workspace, settings(workspace), held_out(workspace, None, None, 1), minutes, listener)


def table(workspace: Workspace, name: str, listener: Recorder):
    minutes = MINUTES * len(set(EXPERIMENTS[name].jobs(settings(workspace)))) / 4
    return make_table(settings(workspace), name, minutes, None, None, 1, listener)


def scores(made) -> dict:
    return {row.name: {name: one.interval for name, one in row.scores.items()} for row in made.rows}


@pytest.fixture(scope="module")
def footage(tmp_path_factory) -> Path:
    """Speakers, and budgets of a few steps as a trial would have left them."""
    root = tmp_path_factory.mktemp("speakers") / "w"
    workspace = speakers(root, 7)
    for kind in KINDS:
        keep(shop(workspace, MINUTES / 4, Recorder()).budget_file(kind), Budget(STEPS, MINUTES / 4, 0.1, 0.1))
    return root


@pytest.fixture(scope="module")
def undisturbed(footage, tmp_path_factory):
    workspace = Workspace.open(str(shutil.copytree(footage, tmp_path_factory.mktemp("undisturbed") / "w")))
    told = Trainings()
    return workspace, table(workspace, "table3", told), told


def test_every_cell_of_table_3_is_measured_and_each_training_is_done_once(undisturbed):
    _, made, told = undisturbed
    assert told.began == [0, 0, 0, 0]
    assert [row.name for row in made.rows] == [
        "I 50 %, II 50 %", "I 50 %, II 100 %", "I 100 %, II 50 %", "I 100 %, II 100 %"
    ]  # fmt: skip
    found = scores(made)
    assert all({"frechet", "ssim_whole", "psnr_whole", "pd_lower", "nme"} <= set(row) for row in found.values())
    nme = [row["nme"].mean for row in found.values()]
    assert nme[0] == nme[1] != nme[2] == nme[3]
    assert len({row["pd_lower"].mean for row in found.values()}) == 4
    assert sum("6 steps" in note for note in made.notes) == 2
    assert any(note.startswith("Absolute numbers") for note in made.notes)


def test_what_is_there_is_used_again_by_the_same_table_and_by_another(undisturbed):
    workspace, made, _ = undisturbed
    told = Trainings()
    assert scores(table(workspace, "table3", told)) == scores(made)
    first = table(workspace, "table1", told)
    assert told.began == []
    found = scores(first)
    assert found["truth"]["pd_lower"].mean == 0
    assert found["truth"]["frechet"].mean == pytest.approx(0, abs=1e-6)
    assert found["ours"]["pd_lower"] == scores(made)["I 100 %, II 100 %"]["pd_lower"]
    assert found["ours"]["frechet_unpaired"].mean != found["ours"]["frechet"].mean
    assert "frechet_unpaired" not in found["true landmarks, untrained warp"]
    assert found["copy of one frame"]["psnr_whole"].mean < found["true landmarks, untrained warp"]["psnr_whole"].mean


KILLED = """
import sys, torch
from tasks.stores.workspace import Workspace
from tests.tasks.paper.test_making import Trainings, table
torch.set_num_threads(1)
table(Workspace.open(sys.argv[1]), "table3", Trainings(int(sys.argv[2])))
"""


def test_killed_in_the_third_training_it_goes_on_from_there(footage, undisturbed, tmp_path):
    root = shutil.copytree(footage, tmp_path / "w")
    call = [sys.executable, "-c", KILLED, str(root), str(2 * STEPS + 4)]
    assert subprocess.run(call, capture_output=True).returncode == -signal.SIGKILL
    told = Trainings()
    resumed = table(Workspace.open(str(root)), "table3", told)
    assert told.began == [3, 0]
    assert scores(resumed) == scores(undisturbed[1])


def test_minutes_become_steps_once(footage, tmp_path):
    workspace = Workspace.open(str(shutil.copytree(footage, tmp_path / "w")))
    made = shop(workspace, 0.05, Recorder())
    budget = made.budget(GENERATOR)
    assert budget.steps == max(1, int((3 - 6 * budget.look_s) / budget.step_s))
    assert shop(workspace, 0.05, Recorder()).budget(GENERATOR) == budget
    path = made.budget_file(GENERATOR)
    assert kept(path) == budget
    assert not path.with_suffix("").exists()  # the trial itself is gone
    path.write_text("{")
    with pytest.raises(TrainingError, match="damaged"):
        made.budget(GENERATOR)


def test_without_weights_nothing_is_trained_for_the_face_recognition_row(footage):
    given = settings(Workspace.open(str(footage)))
    jobs = EXPERIMENTS["table4"].jobs(given)
    assert {job.off for job in jobs} == {"gated convolution", "temporal discriminator", None}
    slot = given.model_copy(update={"weights": given.weights.model_copy(update={"vgg_face": Path("there")})})
    assert FACE_RECOGNITION in {job.off for job in EXPERIMENTS["table4"].jobs(slot)}
    losses = [KINDS[TRANSLATOR].section(slot, Job(TRANSLATOR, off=off), 600).losses for off in (None, FACE_RECOGNITION)]
    assert [one.face_recognition for one in losses] == [True, False]


def test_scores_are_kept_and_what_is_damaged_is_not_believed(undisturbed):
    workspace, _, _ = undisturbed
    kept_scores = sorted(trainings(workspace).glob("paper-scores-*.json"))
    assert len(kept_scores) >= 4
    told = {path: path.read_text() for path in kept_scores}
    kept_scores[0].write_text(told[kept_scores[0]].replace("interval", "interwal", 1))
    with pytest.raises(TrainingError, match="delete it to judge anew"):
        for name in ("table3", "table1"):
            table(workspace, name, Recorder())
    kept_scores[0].unlink()
    for name in ("table3", "table1"):
        table(workspace, name, Recorder())
    assert {path: path.read_text() for path in kept_scores} == told


def test_no_minutes_are_no_budget(footage):
    with pytest.raises(TrainingError, match="more than 0 minutes"):
        make_table(settings(Workspace.open(str(footage))), "table3", 0, None, None, 1, Recorder())
