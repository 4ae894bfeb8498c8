"""Tables made for real, of seconds of training: every cell, what is reused, and what a kill costs."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from heterodub.model.io import load_baseline
from heterodub.schemas.config.baselines import BASELINES, BaselineSettings
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.config.translation import Stage2Settings
from heterodub.schemas.errors import TrainingError
from heterodub.tasks.lineage.weights import training_folders
from heterodub.tasks.reproduction.experiments import EXPERIMENTS, make_table
from heterodub.tasks.reproduction.footage import held_out
from heterodub.tasks.reproduction.jobs import FACE_RECOGNITION, GENERATOR, KINDS, TRANSLATOR, TrainingJob
from heterodub.tasks.reproduction.systems import EvaluatedSystems
from heterodub.tasks.reproduction.trainer_cache import Budget, TrainedModels, TrainerCache, read_budget, write_budget
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.run_dirs import trainings
from tests.tasks.training.recorder import RecordingCallback
from tests.tasks.training.speakers import speakers

STEPS, MINUTES = 6, 4.0


class Trainings(RecordingCallback):
    """Remembers where each training began; pulls the plug in the middle of one of them."""

    def __init__(self, kill_at: int | None = None) -> None:
        super().__init__()
        self.began: list[int] = []
        self.taken, self._kill_at = 0, kill_at

    def on_train_start(self, first_step, steps):
        super().on_train_start(first_step, steps)
        assert steps == STEPS
        self.began.append(first_step)

    def on_train_step_end(self, report):
        super().on_train_step_end(report)
        self.taken += 1
        if self.taken == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def settings(workspace: Workspace) -> Settings:
    stage2 = Stage2Settings(preset="tiny", losses={"perceptual": 0})
    tiny = {"stage1": Stage1Settings(preset="tiny"), "baselines": BaselineSettings(preset="tiny")}
    return Settings(workspace=workspace.root, stage2=stage2, **tiny)


def shop(workspace: Workspace, minutes: float, listener: RecordingCallback) -> TrainerCache:
    return TrainerCache(settings(workspace), held_out(workspace, None, None, 1), minutes, listener)


def table(workspace: Workspace, name: str, listener: RecordingCallback):
    minutes = MINUTES / 4 * sum(KINDS[job.kind].shares for job in set(EXPERIMENTS[name].jobs(settings(workspace))))
    return make_table(workspace, settings(workspace), name, minutes, None, None, 1, listener)


def scores(made) -> dict:
    return {row.name: {name: one.interval for name, one in row.scores.items()} for row in made.rows}


@pytest.fixture(scope="module")
def footage(tmp_path_factory) -> Path:
    """Speakers, and budgets of a few steps as a trial would have left them."""
    root = tmp_path_factory.mktemp("speakers") / "w"
    workspace = speakers(root, 7)
    for kind in KINDS:
        write_budget(
            shop(workspace, MINUTES / 4, RecordingCallback()).budget_file(kind), Budget(STEPS, MINUTES / 4, 0.1, 0.1)
        )
    return root


@pytest.fixture(scope="module")
def undisturbed(footage, tmp_path_factory):
    workspace = Workspace.open(str(shutil.copytree(footage, tmp_path_factory.mktemp("undisturbed") / "w")))
    result = Trainings()
    return workspace, table(workspace, "table3", result), result


@pytest.fixture(scope="module")
def first(undisturbed):
    """Table 1, once Table 3 has left what it needs of ours."""
    workspace, result = undisturbed[0], Trainings()
    return workspace, table(workspace, "table1", result), result


@pytest.mark.long
def test_every_cell_of_table_3_is_measured_and_each_training_is_done_once(undisturbed):
    _, made, result = undisturbed
    assert result.began == [0, 0, 0, 0]
    assert [row.name for row in made.rows] == [
        "I 50 %, II 50 %", "I 50 %, II 100 %", "I 100 %, II 50 %", "I 100 %, II 100 %"
    ]  # fmt: skip
    outcome = scores(made)
    assert all(
        {"frechet", "ssim_whole", "psnr_whole", "perceptual_lower", "nme"} <= set(row) for row in outcome.values()
    )
    nme = [row["nme"].mean for row in outcome.values()]
    assert nme[0] == nme[1] != nme[2] == nme[3]
    assert len({row["perceptual_lower"].mean for row in outcome.values()}) == 4
    assert sum("6 steps" in note for note in made.notes) == 2
    assert any(note.startswith("Absolute numbers") for note in made.notes)


@pytest.mark.long
def test_trainings_are_reused_across_tables(undisturbed, first):
    workspace, made, _ = undisturbed
    assert first[2].began == [0] * len(BASELINES)  # ours is there
    result = Trainings()
    assert scores(table(workspace, "table3", result)) == scores(made)
    assert scores(table(workspace, "table1", result)) == scores(first[1])
    assert result.began == []
    outcome = scores(first[1])
    assert outcome["ground truth"]["perceptual_lower"].mean == 0
    assert outcome["ground truth"]["frechet"].mean == pytest.approx(0, abs=1e-6)
    assert outcome["ours"]["perceptual_lower"] == scores(made)["I 100 %, II 100 %"]["perceptual_lower"]
    assert outcome["ours"]["frechet_unpaired"].mean != outcome["ours"]["frechet"].mean
    assert "frechet_unpaired" not in outcome["true landmarks, untrained warp"]
    assert (
        outcome["copy of one frame"]["psnr_whole"].mean < outcome["true landmarks, untrained warp"]["psnr_whole"].mean
    )


@pytest.mark.long
def test_table1_holds_baselines_and_claim_verdicts(first):
    made = first[1]
    names = ["LipGAN", "Wav2Lip", "ATVGnet", "MakeItTalk"]
    assert [row.name for row in made.rows[:5]] == ["ours", *names]
    result = scores(made)
    assert len({result[name]["perceptual_lower"].mean for name in ("ours", *names)}) == 5
    for name in names:
        # so early there may be no face to be found again in what it paints
        assert {
            "frechet",
            "frechet_unpaired",
            "ssim_whole",
            "psnr_whole",
            "perceptual_lower",
            "perceptual_heldout_lower",
        } <= result[name].keys()
        assert name == "ATVGnet" or result[name]["frechet_unpaired"].mean != result[name]["frechet"].mean
        verdicts = [finding.verdict for finding in made.findings() if finding.claim.worse == name]
        assert len(verdicts) == len(made.columns)
    assert set(names[:2]) < made.published["LRS2"].keys()


def test_baseline_has_the_minutes_of_both_stages_and_wav2lips_expert_its_share_of_them(footage):
    workspace = Workspace.open(str(footage))
    made = shop(workspace, 1, RecordingCallback())
    for kind, minutes in ((TRANSLATOR, 1), ("lipgan", 2)):
        assert made.budget_file(kind).name.endswith(f"-{minutes}-min.json")
    given = settings(workspace)
    section = KINDS["wav2lip"].section(given, TrainingJob("wav2lip"), 604)
    assert (section.syncnet_steps, section.disc_start_step, section.schedule.minutes) == (
        204,
        2,
        None,
    )  # tiny: 4 steps of 12
    assert section.architecture.side_px == given.stage2.architecture.side_px
    for steps in (2, 3, 16):
        assert 0 < KINDS["wav2lip"].section(given, TrainingJob("wav2lip"), steps).syncnet_steps < steps


class Unplugged(Trainings):
    """Ends the first training in its middle."""

    def on_train_step_end(self, report):
        super().on_train_step_end(report)
        if self.taken == 4:
            raise KeyboardInterrupt


@pytest.mark.long
def test_interrupted_baseline_resumes_to_the_same_weights(first, tmp_path):
    workspace = Workspace.open(str(shutil.copytree(first[0].root, tmp_path / "w")))
    (folder,) = (path for path in trainings(workspace).glob("paper-wav2lip-*") if path.is_dir())
    weights = load_baseline(folder / "model")[0].network.state_dict()
    shutil.rmtree(folder)
    with pytest.raises(KeyboardInterrupt):
        table(workspace, "table1", Unplugged())
    result = Trainings()
    table(workspace, "table1", result)
    assert result.began == [3]
    again = load_baseline(folder / "model")[0].network.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in weights.items())


@pytest.mark.long
def test_untrainable_baseline_gets_a_row_with_its_reason(first):
    workspace, job = first[0], TrainingJob("lipgan")
    whole = held_out(workspace, None, None, 1)
    silent = tuple(replace(clip, both=False) for clip in whole.pictures.train)
    none = replace(whole, pictures=replace(whole.pictures, train=silent))
    others = TrainerCache(settings(workspace), whole, MINUTES / 4, RecordingCallback()).train(
        [one for one in EXPERIMENTS["table1"].jobs(settings(workspace)) if one != job]
    )
    refused = TrainerCache(settings(workspace), none, MINUTES / 4, RecordingCallback()).train([job]).refused
    trained = TrainedModels(others.models, refused)
    bench = EvaluatedSystems(settings(workspace), whole, trainings(workspace))
    made = EXPERIMENTS["table1"].made(settings(workspace), whole, trained, bench)
    assert made.row("LipGAN").scores == {}
    assert "no clip in its train split that is good for both stages" in made.row("LipGAN").missing
    assert made.row("Wav2Lip").scores.keys() == first[1].row("Wav2Lip").scores.keys()
    assert {one.verdict for one in made.findings() if one.claim.worse == "LipGAN"} == {"not measured"}


def test_baseline_error_is_a_row_and_own_error_ends_the_table(footage):
    made = shop(Workspace.open(str(footage)), 7, RecordingCallback())
    for kind in (GENERATOR, "lipgan"):
        made.budget_file(kind).write_text("{")
    assert "is damaged" in made.train([TrainingJob("lipgan")]).refused[TrainingJob("lipgan")]
    with pytest.raises(TrainingError, match="is damaged"):
        made.train([TrainingJob("lipgan"), TrainingJob(GENERATOR)])


@pytest.mark.long
def test_takedown_finds_every_training_on_the_footage(first):
    workspace = first[0]
    footage = held_out(workspace, None, None, 1)
    folders = {path.name for path in trainings(workspace).iterdir() if path.is_dir()}
    of_baselines = {name for name in folders if name.split("-")[1] in BASELINES}
    assert len(of_baselines) == len(BASELINES)
    looked_at, judged = (clips[0].place.media_id for clips in (footage.pictures.val, footage.test_clips))
    result = training_folders(workspace, {looked_at}, ())
    assert {one.folder.name for one in result} == folders
    assert all(one.is_known for one in result)
    assert training_folders(workspace, {judged}, ()) == ()


KILLED = """
import sys, torch
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.reproduction.test_experiments import Trainings, table
torch.set_num_threads(1)
table(Workspace.open(sys.argv[1]), "table3", Trainings(int(sys.argv[2])))
"""


@pytest.mark.long
def test_killed_table_resumes_in_the_third_training(footage, undisturbed, tmp_path):
    root = shutil.copytree(footage, tmp_path / "w")
    call = [sys.executable, "-c", KILLED, str(root), str(2 * STEPS + 4)]
    assert subprocess.run(call, capture_output=True).returncode == -signal.SIGKILL
    result = Trainings()
    resumed = table(Workspace.open(str(root)), "table3", result)
    assert result.began == [3, 0]
    assert scores(resumed) == scores(undisturbed[1])


@pytest.mark.parametrize("kind", [GENERATOR, "wav2lip"])
def test_minutes_become_steps_once(footage, tmp_path, kind):
    workspace = Workspace.open(str(shutil.copytree(footage, tmp_path / "w")))
    made = shop(workspace, 0.05, RecordingCallback())
    budget = made.budget(kind)
    assert budget.steps == max(1, int((3 * KINDS[kind].shares - 6 * budget.look_s) / budget.step_s))
    assert shop(workspace, 0.05, RecordingCallback()).budget(kind) == budget
    path = made.budget_file(kind)
    assert read_budget(path) == budget
    assert not path.with_suffix("").exists()  # the trial itself is gone
    path.write_text("{")
    with pytest.raises(TrainingError, match="damaged"):
        made.budget(kind)


def test_face_recognition_row_without_weights_trains_nothing(footage):
    given = settings(Workspace.open(str(footage)))
    jobs = EXPERIMENTS["table4"].jobs(given)
    assert {job.off for job in jobs} == {"gated convolution", "temporal discriminator", None}
    slot = given.model_copy(update={"weights": given.weights.model_copy(update={"vgg_face": Path("there")})})
    assert FACE_RECOGNITION in {job.off for job in EXPERIMENTS["table4"].jobs(slot)}
    losses = [
        KINDS[TRANSLATOR].section(slot, TrainingJob(TRANSLATOR, off=off), 600).losses
        for off in (None, FACE_RECOGNITION)
    ]
    assert [one.face_recognition for one in losses] == [True, False]


@pytest.mark.long
def test_cached_scores_are_verified(first):
    workspace = first[0]
    kept_scores = sorted(trainings(workspace).glob("paper-scores-*.json"))
    assert len(kept_scores) >= 4
    actual = {path: path.read_text() for path in kept_scores}
    kept_scores[0].write_text(actual[kept_scores[0]].replace("interval", "interwal", 1))
    with pytest.raises(TrainingError, match="delete it to evaluate anew"):
        for name in ("table3", "table1"):
            table(workspace, name, RecordingCallback())
    kept_scores[0].unlink()
    for name in ("table3", "table1"):
        table(workspace, name, RecordingCallback())
    assert {path: path.read_text() for path in kept_scores} == actual


def test_zero_minutes_are_refused(footage):
    ws = Workspace.open(str(footage))
    with pytest.raises(TrainingError, match="more than 0 minutes"):
        make_table(ws, settings(ws), "table3", 0, None, None, 1, RecordingCallback())
