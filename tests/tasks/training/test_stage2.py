"""Training the translator on a release: it reports, resumes exactly, is equal on two processes, and is fine-tuned."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from heterodub.model.io import load_discriminators, load_translator
from heterodub.model.training.sampler import WindowSampler
from heterodub.schemas.config.settings import Settings, WeightSettings
from heterodub.schemas.config.translation import Stage2Settings
from heterodub.schemas.errors import NotFoundError, TrainingError, WeightsMissingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.evaluation.translator_scores import evaluate_translator
from heterodub.tasks.training.clip_selection import candidates, find_release, select
from heterodub.tasks.training.finetuning import finetuning_clip, start_of
from heterodub.tasks.training.run import no_samples, run_training
from heterodub.tasks.training.samples import TranslatorSamples
from heterodub.tasks.training.stage2 import translator_spec
from tests.tasks.training.face_release import face_release
from tests.tasks.training.recorder import RecordingCallback, StoppedAt

SHORT = {"max_steps": 6, "eval_interval": 3, "save_interval": 2, "sample_interval": 6}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return face_release(tmp_path_factory.mktemp("face_release") / "w")


def settings(**changes):
    return Stage2Settings(preset="tiny", **{"schedule": SHORT, "losses": {"disc_start_step": 2}} | changes)


def chosen(workspace):
    return select(workspace, find_release(workspace, None), Stage.STAGE2)


def trained(workspace, folder, listener=None, samples=no_samples, **changes):
    spec = translator_spec(chosen(workspace), settings(**changes), WeightSettings(), samples)
    return run_training(spec, folder, listener or RecordingCallback())


@pytest.fixture(scope="module")
def undisturbed(workspace, tmp_path_factory):
    """An undisturbed training: its folder and its recorder."""
    recorder, folder = RecordingCallback(), tmp_path_factory.mktemp("undisturbed") / "training"
    return trained(workspace, folder, recorder, TranslatorSamples(settings().schedule)), recorder


def weights(folder) -> dict[str, torch.Tensor]:
    discriminators = load_discriminators(folder).state_dict()
    return load_translator(folder)[0].state_dict() | {
        f"discriminators.{name}": value for name, value in discriminators.items()
    }


def test_training_reports_every_step(undisturbed):
    made, result = undisturbed
    assert sorted(result.losses) == [1, 2, 3, 4, 5, 6]
    assert result.end == (6, "done")
    assert {"loss", "perceptual_lower", "perceptual_heldout_lower", "psnr_mouth", "sharpness_mouth"} <= set(
        result.scores[0]
    )
    assert set(result.files) == {"val/faces_000003.png", "val/faces_000006.png", "val/faces_000006.mp4"}
    assert made.card.perception[0].startswith("EfficientNet-Lite0")
    assert made.card.tuned_on == ()


KILLED = """
import sys, torch
from pathlib import Path
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.training.recorder import PulledAt
from tests.tasks.training.test_stage2 import trained
torch.set_num_threads(1)
trained(Workspace.open(sys.argv[1]), Path(sys.argv[2]), PulledAt(int(sys.argv[3])))
"""


def killed(workspace, folder):
    call = [sys.executable, "-c", KILLED, workspace.root, str(folder), "5"]
    assert subprocess.run(call, capture_output=True).returncode == -9


def stopped(workspace, folder):
    with pytest.raises(KeyboardInterrupt):
        trained(workspace, folder, StoppedAt(5))


@pytest.mark.parametrize("end", [pytest.param(killed, marks=pytest.mark.long), stopped])  # stage 1's is killed anyway
def test_resumed_training_equals_an_undisturbed_one(workspace, undisturbed, tmp_path, end):
    folder = tmp_path / "training"
    end(workspace, folder)
    recorder = RecordingCallback()
    resumed = trained(workspace, folder, recorder)
    assert recorder.began_at == 4
    assert recorder.losses == {step: loss for step, loss in undisturbed[1].losses.items() if step > 4}
    again = weights(resumed.model)
    for name, value in weights(undisturbed[0].model).items():
        assert torch.equal(value, again[name]), name


@pytest.mark.long
def test_two_processes_equal_one(workspace, undisturbed, tmp_path):
    recorder = RecordingCallback()
    trained(workspace, tmp_path / "two", recorder, devices=2)
    losses = undisturbed[1].losses
    assert recorder.losses[1] == pytest.approx(losses[1], rel=1e-3)
    assert [recorder.losses[step] for step in losses] == pytest.approx(list(losses.values()), rel=0.1)


def test_missing_weights_stop_training_before_the_first_step(workspace, tmp_path):
    with pytest.raises(WeightsMissingError, match=r"weights\.vgg19"):
        trained(workspace, tmp_path / "t", losses={"perception": "vgg19"})


def test_fine_tuning_on_a_clips_beginning(workspace, undisturbed, tmp_path):
    made, _ = undisturbed
    clip = candidates(workspace, find_release(workspace, None), Stage.STAGE2)[0].facts.clip_id
    selection = finetuning_clip(workspace, find_release(workspace, None), clip[:10], seconds=0.6)
    assert selection.train[0].facts.frames == 15
    given = Settings(workspace=workspace.root, stage2=settings())
    changed, finetuning = start_of(given, workspace, str(made.model), clip)
    spec = translator_spec(selection, changed, WeightSettings(), finetuning=finetuning)
    tuned = run_training(spec, tmp_path / "t", RecordingCallback())
    assert tuned.card.tuned_on == (clip,)
    assert tuned.card.tuned_from == finetuning.weights
    before, after = weights(made.model), weights(tuned.model)
    learned = [name for name in before if not name.endswith(("_u", "_v"))]  # of spectral norms: followed, not learned
    still = {name for name in learned if torch.equal(before[name], after[name])}
    assert still == {name for name in before if name.startswith("embedder")}


def test_fine_tuning_takes_all_of_its_one_clip(workspace, undisturbed):
    """A few windows an epoch are right for many clips; of one, a large batch would be the same ones twice."""
    given = Settings(workspace=workspace.root, stage2=settings(data={"batch_size": 16, "windows_per_clip": 12}))
    clip = candidates(workspace, find_release(workspace, None), Stage.STAGE2)[0].facts
    changed, _ = start_of(given, workspace, str(undisturbed[0].model), clip.clip_id)
    batch = WindowSampler([replace(clip, frames=75)], changed.data, 0).batch(0)
    assert len({window.seed for window in batch}) == 16


def test_finetuning_on_a_missing_clip_is_an_error(workspace):
    with pytest.raises(NotFoundError, match="no stage2 clips"):
        finetuning_clip(workspace, find_release(workspace, None), "ffff")


def test_evaluation_includes_its_controls(workspace, undisturbed):
    """No mesh detects drawn faces, so scores that need them are missing with a cause."""
    given = Settings(workspace=workspace.root, stage2=settings())
    selection = chosen(workspace)
    result = evaluate_translator(given, selection, selection.val, undisturbed[0].model, "the val split", 4)
    means = {(row["system"], row["score"]): row["interval"]["mean"] for row in result.summary()["means"]}
    assert means["ground truth", "perceptual_lower"] == 0
    assert means["generated", "perceptual_lower"] > 0
    assert means["generated", "psnr_mouth"] > means["copy", "psnr_mouth"]
    assert np.isfinite(result.frechet["generated"]["frames"])
    assert len(result.rows) == 5
    with pytest.raises(TrainingError, match="no stage2 clip in the test split"):
        evaluate_translator(given, selection, [], undisturbed[0].model, "the test split", 4)
