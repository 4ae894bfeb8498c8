"""Training on a release: it learns, resumes exactly, stops on broken input, and is equal on two processes."""

import resource
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from heterodub.model.features.landmarks import PREDICTED
from heterodub.model.io import load_generator
from heterodub.model.stage1.batches import mirror
from heterodub.model.stage1.inference import predict
from heterodub.model.stage1.linear import LinearMoments
from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.contract import LANDMARK_POINTS
from heterodub.schemas.errors import TrainingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.training import stage1
from heterodub.tasks.training.clip_selection import find_release, select, spread
from heterodub.tasks.training.run import run_training
from heterodub.tasks.training.run_dirs import training_folder
from heterodub.tasks.training.stage1 import generator_spec, read_eval_clips
from tests.tasks.training.recorder import RecordingCallback
from tests.tasks.training.talkers import damage, forget_scores, talkers

SHORT = {"max_steps": 12, "eval_interval": 6, "save_interval": 4}


def settings(**changes):
    return Stage1Settings(preset="tiny", **{"schedule": SHORT} | changes)


def chosen(workspace):
    return select(workspace, find_release(workspace, None), Stage.STAGE1)


def trained(workspace, folder, listener=None, **changes):
    return run_training(generator_spec(chosen(workspace), settings(**changes)), folder, listener or RecordingCallback())


@pytest.fixture(scope="module")
def undisturbed(workspace, tmp_path_factory):
    """An undisturbed training: its folder and its recorder."""
    recorder, folder = RecordingCallback(), tmp_path_factory.mktemp("undisturbed") / "training"
    trained(workspace, folder, recorder)
    return folder, recorder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_generator(folder / "model")[0].state_dict()


def test_training_reports_every_step(undisturbed):
    _, result = undisturbed
    assert result.began_at == 0
    assert sorted(result.losses) == list(range(1, 13))
    assert result.validated_at == [6, 12]
    assert result.end == (12, "done")
    assert all(sum(fusion.values()) == pytest.approx(1, abs=1e-5) for fusion in result.fusions)
    assert {"loss", "nme_lips", "nme_outline", "mouth_opening_corr", "mouth_opening_std_ratio"} <= set(result.scores[0])


def test_same_seed_takes_the_same_steps_and_another_does_not(workspace, undisturbed, tmp_path):
    again, other = RecordingCallback(), RecordingCallback()
    trained(workspace, tmp_path / "again", again)
    trained(workspace, tmp_path / "other", other, seed=1)
    assert again.losses == undisturbed[1].losses
    assert other.losses != undisturbed[1].losses


KILLED = """
import sys, torch
from pathlib import Path
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.training.recorder import PulledAt
from tests.tasks.training.test_stage1 import trained
torch.set_num_threads(1)
trained(Workspace.open(sys.argv[1]), Path(sys.argv[2]), PulledAt(int(sys.argv[3])))
"""


@pytest.mark.parametrize("step", [pytest.param(2, marks=pytest.mark.long), 9])
def test_resumed_training_equals_an_undisturbed_one(workspace, undisturbed, tmp_path, step):
    folder = tmp_path / "training"
    call = [sys.executable, "-c", KILLED, workspace.root, str(folder), str(step)]
    assert subprocess.run(call, capture_output=True).returncode == -9
    recorder = RecordingCallback()
    trained(workspace, folder, recorder)
    assert recorder.began_at == step // 4 * 4
    kept = {number: loss for number, loss in undisturbed[1].losses.items() if number > recorder.began_at}
    assert recorder.losses == kept
    for name, value in weights(undisturbed[0]).items():
        assert torch.equal(value, weights(folder)[name]), name


def test_finished_training_is_not_repeated(workspace, undisturbed):
    recorder = RecordingCallback()
    trained(workspace, undisturbed[0], recorder)
    assert not recorder.losses


def test_training_stops_early_without_improvement(workspace, tmp_path):
    recorder = RecordingCallback()
    never = {"learning_rate": 1e-12, "ema_decay": 0.0}
    schedule = {"max_steps": 60, "eval_interval": 2, "save_interval": 50, "patience": 2}
    trained(workspace, tmp_path / "training", recorder, optimiser=never, schedule=schedule)
    assert recorder.end[0] < 60
    assert recorder.end[1].startswith("early stop")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_input_stops_training_and_names_the_clip(own_workspace, tmp_path, value):
    damage(own_workspace, 3, 40, value)
    clip = next(clip for clip in chosen(own_workspace).train if clip.facts.speaker == "speaker 3")
    with pytest.raises(TrainingError, match=f"{clip.facts.clip_id}.*not finite"):
        trained(own_workspace, tmp_path / "training")


def test_non_finite_loss_names_the_clips_of_its_batch(workspace, tmp_path):
    with pytest.raises(TrainingError, match=r"step \d+: the loss is (nan|inf).*clips [0-9a-f]{24}"):
        trained(workspace, tmp_path / "training", optimiser={"learning_rate": 1e30, "max_norm": 1e30})


class Filling(RecordingCallback):
    """Leaves no room for a file of more than 10 kB once there is a checkpoint."""

    def on_save_checkpoint(self, step, checkpoint):
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))


def test_full_disk_keeps_the_previous_checkpoint(workspace, tmp_path):
    """The limit on file size stands for the disk: the same error from the same write. (Python ignores its signal.)"""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(TrainingError, match=r"cannot be written.*is kept"):
            trained(workspace, tmp_path / "training", Filling())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    resumed = RecordingCallback()
    trained(workspace, tmp_path / "training", resumed)
    assert resumed.began_at == 4
    assert resumed.end == (12, "done")
    assert not list((tmp_path / "training").glob("*.partial"))


def test_two_processes_equal_one(workspace, tmp_path):
    exact = {"architecture": {"dropout": 0.0}}
    one, two = RecordingCallback(), RecordingCallback()
    trained(workspace, tmp_path / "one", one, **exact)
    trained(workspace, tmp_path / "two", two, devices=2, **exact)
    assert two.losses.keys() == one.losses.keys()
    for step, loss in one.losses.items():
        assert two.losses[step] == pytest.approx(loss, rel=2e-3), step
    for name, value in weights(tmp_path / "one").items():
        torch.testing.assert_close(weights(tmp_path / "two")[name], value, atol=5e-3, rtol=0.05)


def test_more_devices_than_windows_are_refused(workspace, tmp_path):
    with pytest.raises(TrainingError, match="cannot share"):
        trained(workspace, tmp_path / "training", devices=5)


def test_training_folder_is_derived_from_release_clips_and_settings(workspace):
    picked = chosen(workspace)
    same = training_folder(picked, settings())
    assert training_folder(chosen(workspace), settings()) == same
    assert training_folder(picked, settings(seed=5)) != same


def test_validation_clips_are_spread_over_speakers(workspace):
    speakers = [clip.facts.speaker for clip in spread(chosen(workspace).train, 5)]
    assert len(set(speakers[:4])) == 4
    assert len(speakers) == 5


def test_skip_path_is_fitted_to_the_train_split_and_stored(workspace, undisturbed, tmp_path):
    folder = tmp_path / "training"
    trained(workspace, folder, architecture={"linear_skip": True, "mel_encoder": "2d"})
    stored = weights(folder)
    assert stored["skip.kernel"].abs().max() > 0
    assert not any(name.startswith("skip.") for name in weights(undisturbed[0]))


def test_skip_path_moves_mirrored_windows_alike(workspace):
    def off(hflip_prob: float) -> float:
        made = settings(architecture={"linear_skip": True}, augmentation={"hflip_prob": hflip_prob})
        _, linear = stage1._fitted(chosen(workspace), made)
        points = np.zeros((len(linear.basis_KY), LANDMARK_POINTS, 2), np.float32)
        points[:, PREDICTED] = linear.basis_KY.reshape(len(points), -1, 2)
        effect = np.einsum("kpx,kmc->pxmc", points, linear.kernel_KMC)
        flipped = np.einsum("kpx,kmc->pxmc", mirror(points), linear.kernel_KMC)
        return float(np.abs(effect - flipped).max() / np.abs(effect).max())

    assert off(0.5) < 1e-3 < off(0.0)


def test_speakers_weigh_the_same_in_the_fit_whatever_is_taken_of_them(workspace, monkeypatch):
    """Of one speaker two clips are taken, of the others one."""
    weights: Counter[str] = Counter()

    class Recorded(LinearMoments):
        def add(self, clip, speaker, weight):
            weights[speaker] += weight * clip.frames
            super().add(clip, speaker, weight)

    speakers = {clip.facts.speaker for clip in chosen(workspace).train}
    monkeypatch.setattr(stage1, "LinearMoments", Recorded)
    monkeypatch.setattr(stage1, "_FILTER_CLIPS", len(speakers) + 1)
    stage1._fitted(chosen(workspace), settings(architecture={"linear_skip": True}, augmentation={"hflip_prob": 0}))
    assert weights == pytest.approx(dict.fromkeys(speakers, 1.0))


def test_clips_without_senone_scores_are_refused_at_the_start(tmp_path):
    """Their number is named, and what to do; a generator that reads the mel alone trains on them."""
    workspace = talkers(tmp_path / "w", speakers=4, clips=2, frames=40)
    forget_scores(workspace, 0)
    with pytest.raises(TrainingError, match=r"1 of 6 clips .* no senone scores.*`senones = true`"):
        trained(workspace, tmp_path / "training", architecture={"speech_features": "mel+senones"})
    generator_spec(chosen(workspace), settings())


def test_generator_may_read_senone_scores(workspace, tmp_path):
    folder, shape = tmp_path / "training", {"speech_features": "mel+senones", "linear_skip": True}
    trained(workspace, folder, architecture=shape)
    generator, card = load_generator(folder / "model")
    assert card.architecture.speech_width == 206
    assert generator.state_dict()["skip.kernel"][:, 80:].abs().max() > 0
    clip = read_eval_clips(chosen(workspace), chosen(workspace).val[:1], settings(architecture=shape))[0]
    deaf = replace(clip.prepared, mel_CM=clip.prepared.mel_CM.copy())
    deaf.mel_CM[:, 80:] = -1
    reference = clip.prepared.points_TPXY[:1]
    assert not np.allclose(predict(generator, clip.prepared, reference), predict(generator, deaf, reference))


def test_clip_without_senone_scores_names_the_remedy(workspace):
    row = chosen(workspace).stored.speech(chosen(workspace).train[0].place)
    assert row.features(206).shape == (len(row.mel), 206)
    with pytest.raises(ValueError, match="senones = true"):
        replace(row, senones=None).features(206)


def test_generator_learns_to_open_the_mouth_on_loud_audio(workspace, tmp_path):
    """The made talkers open their mouths as loud as they speak: sound alone must bring the correlation up."""
    recorder = RecordingCallback()
    schedule = {"max_steps": 150, "eval_interval": 50, "save_interval": 150, "patience": 0}
    trained(workspace, tmp_path / "training", recorder, schedule=schedule, optimiser={"learning_rate": 0.01})
    assert recorder.scores[-1]["mouth_opening_corr"] > 0.8
    assert recorder.scores[-1]["loss"] < recorder.scores[0]["loss"]
