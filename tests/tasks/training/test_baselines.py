"""Training baselines on a release: on clips good for both stages alone, resumed exactly, within their time."""

import numpy as np
import pytest

from heterodub.model.io import load_baseline
from heterodub.model.stage1.features import scale_mel
from heterodub.model.training.sampler import WindowSampler
from heterodub.schemas.config.baselines import BaselineSettings
from heterodub.schemas.config.settings import WeightSettings
from heterodub.schemas.errors import TrainingError, WeightsMissingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.training.baselines import baseline_spec, paired, read_av_eval_clips
from heterodub.tasks.training.clip_selection import find_release, select
from heterodub.tasks.training.datasets import BaselineReader, ClipDataset
from heterodub.tasks.training.run import no_samples, run_training
from heterodub.tasks.training.samples import BaselineSamples
from tests.model.talking import talk
from tests.tasks.training.face_release import face_release
from tests.tasks.training.recorder import RecordingCallback, StoppedAt
from tests.tasks.training.speakers import speakers

PACE = {"max_steps": 6, "eval_interval": 3, "save_interval": 2, "sample_interval": 6}


@pytest.fixture(scope="module")
def selection(tmp_path_factory):
    workspace = speakers(tmp_path_factory.mktemp("speakers") / "w", 4, 30)
    return paired(select(workspace, find_release(workspace, None), Stage.STAGE2))


def settings(**changes) -> BaselineSettings:
    return BaselineSettings(preset="tiny", **{"schedule": PACE, "syncnet_steps": 2, "disc_start_step": 1} | changes)


def trained(selection, folder, listener=None, name="wav2lip", samples=no_samples, **changes):
    spec = baseline_spec(name, selection, settings(**changes), WeightSettings(), samples)
    return run_training(spec, folder, listener or RecordingCallback())


@pytest.fixture(scope="module")
def undisturbed(selection, tmp_path_factory):
    recorder = RecordingCallback()
    samples = BaselineSamples(settings().schedule)
    return trained(selection, tmp_path_factory.mktemp("undisturbed") / "t", recorder, samples=samples), recorder


def test_training_reports_every_step(undisturbed):
    made, result = undisturbed
    assert result.end == (6, "done")
    assert {"loss", "perceptual_lower", "perceptual_heldout_lower", "psnr_mouth", "expert/val_right"} <= set(
        result.scores[0]
    )
    assert set(result.files) == {"val/faces_000003.png", "val/faces_000006.png", "val/faces_000006.mp4"}
    assert (made.card.kind, made.card.release) == ("wav2lip", made.card.release)


def test_resumed_training_equals_an_undisturbed_one(selection, undisturbed, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        trained(selection, tmp_path / "t", StoppedAt(5))
    recorder = RecordingCallback()
    resumed = trained(selection, tmp_path / "t", recorder)
    assert recorder.began_at == 4
    assert recorder.losses == {step: loss for step, loss in undisturbed[1].losses.items() if step > 4}
    again = load_baseline(resumed.model)[0].network.state_dict()
    for name, value in load_baseline(undisturbed[0].model)[0].network.state_dict().items():
        assert np.array_equal(value, again[name]), name


@pytest.mark.parametrize("name", ["lipgan", "atvgnet", "makeittalk"])
def test_time_limit_ends_with_a_usable_baseline(selection, tmp_path, name):
    recorder = RecordingCallback()
    made = trained(selection, tmp_path / "t", recorder, name, schedule=PACE | {"minutes": 1e-6})
    assert (made.fitted.step, made.card.steps) == (1, 1)
    assert recorder.end[1].startswith("time is up")
    again = RecordingCallback()
    trained(selection, tmp_path / "t", again, name, schedule=PACE | {"minutes": 1e-6})
    assert (again.began_at, again.losses) == (1, {})
    translator, card = load_baseline(made.model)
    eval_clip = read_av_eval_clips(selection, selection.val, translator.side_px)[0]
    assert eval_clip.generate(translator).shape == eval_clip.eval_window.crops.shape
    assert bool(card.perception) == (name == "makeittalk")


def test_time_limit_during_syncnet_training_is_an_error(selection, tmp_path):
    with pytest.raises(TrainingError, match="wav2lip has 1 steps, of which its expert needs 2"):
        trained(selection, tmp_path / "t", schedule=PACE | {"minutes": 1e-6})
    with pytest.raises(TrainingError, match="wav2lip has 6 steps, of which its expert needs 6"):
        trained(selection, tmp_path / "u", syncnet_steps=6)


def test_training_uses_only_clips_of_both_stages(tmp_path):
    workspace = face_release(tmp_path / "w")  # good for stage 2 alone
    chosen = select(workspace, find_release(workspace, None), Stage.STAGE2)
    with pytest.raises(TrainingError, match=r"no clip in its train split that is good for both stages \(of 2 stage2"):
        paired(chosen)


def test_missing_weights_stop_training_before_the_first_step(selection, tmp_path):
    with pytest.raises(WeightsMissingError, match=r"weights\.vgg19"):
        trained(selection, tmp_path / "t", name="makeittalk", perception="vgg19")


def test_crops_and_mel_of_a_batch_are_aligned(selection):
    plan = WindowSampler([clip.facts for clip in selection.train], settings().data, 0)
    batch = ClipDataset(BaselineReader(selection.both, settings()), selection.places, plan)[0]
    window = plan.batch(0)[0]
    number = int(plan.clips[window.clip].speaker.split()[-1])
    mel = talk(30, number)[2]
    low = 4 * window.start - 10
    columns = [scale_mel(mel[column]) for column in range(max(0, low), low + 20)]
    assert np.allclose(batch.spoken_NLMK[0, 0, :, -len(columns) :].T, np.stack(columns))
