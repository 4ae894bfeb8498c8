"""Every training and evaluation on a device that is not the CPU: nothing is left behind, and numbers are the CPU's."""

import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from heterodub.model.evaluation import cost
from heterodub.model.evaluation.cost import COSTS
from heterodub.model.perceptual import Lite0, open_vgg
from heterodub.model.stage2.translator import Translator
from heterodub.schemas.config.baselines import BASELINES, BaselineSettings
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.config.translation import Stage2Settings
from heterodub.schemas.errors import SettingsError
from heterodub.schemas.promotion import ModelRule
from heterodub.schemas.reasons import Stage
from heterodub.tasks.dubbing.jobs import ModelPaths
from heterodub.tasks.dubbing.models import finetune, open_models
from heterodub.tasks.evaluation import generator_scores, translator_scores
from heterodub.tasks.evaluation.finetuning import compare_finetuning
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.promotion import generator_evaluator, translator_evaluator
from heterodub.tasks.promotion.candidates import Candidates
from heterodub.tasks.releases import benchmarks
from heterodub.tasks.reproduction import systems
from heterodub.tasks.reproduction.footage import held_out
from heterodub.tasks.reproduction.systems import SYSTEMS, EvaluatedSystems
from heterodub.tasks.training.baselines import baseline_spec, paired
from heterodub.tasks.training.clip_selection import candidates, find_release, select
from heterodub.tasks.training.device import device_of
from heterodub.tasks.training.finetuning import finetuning_clip, start_of
from heterodub.tasks.training.run import no_samples, run_training
from heterodub.tasks.training.samples import BaselineSamples, TranslatorSamples
from heterodub.tasks.training.stage1 import generator_spec
from heterodub.tasks.training.stage2 import translator_spec
from tests.model.perceptual.test_vgg import weights
from tests.pretend_device import PRETEND, There, on_pretend_device
from tests.tasks.training.recorder import RecordingCallback, StoppedAt
from tests.tasks.training.speakers import speakers

pytestmark = pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter:UserWarning")  # it is, in truth

STEPS = {"max_steps": 3, "eval_interval": 3, "save_interval": 2, "sample_interval": 3}
PICTURES = {
    "preset": "tiny",
    "schedule": STEPS,
    "losses": {"disc_start_step": 1},
    "finetuning": {"seconds": 0.6, "steps": 2},
}
RULE = ModelRule(
    primary="", minimum_effect=0, references=4, least_clips=2, least_speakers=2, tolerances={"landmark_sync_z": 1.0}
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return speakers(tmp_path_factory.mktemp("speakers") / "w", 4, 36)


@pytest.fixture(scope="module")
def settings(workspace):
    return Settings(
        workspace=workspace.root,
        stage1=Stage1Settings(preset="tiny", schedule=STEPS, sync_steps=2),
        stage2=Stage2Settings(**PICTURES),
        baselines=BaselineSettings(preset="tiny", schedule=STEPS, syncnet_steps=1, disc_start_step=0),
    )


@pytest.fixture(scope="module")
def train(workspace, settings):
    """train(what, folder): trains one of ours or of the baselines; returns its result and its recorder."""
    speech, pictures = (select(workspace, find_release(workspace, None), stage) for stage in Stage)
    pairs = paired(pictures)

    def spec(what, draw):
        if what == "generator":
            return generator_spec(speech, settings.stage1)
        if what == "translator":
            samples = TranslatorSamples(settings.stage2.schedule) if draw else no_samples
            return translator_spec(pictures, settings.stage2, settings.weights, samples)
        samples = BaselineSamples(settings.baselines.schedule) if draw else no_samples
        return baseline_spec(what, pairs, settings.baselines, settings.weights, samples)

    return lambda what, folder, message, draw=False: (run_training(spec(what, draw), folder, message), message)


@pytest.fixture(scope="module")
def here(train, tmp_path_factory):
    """Everything trained on the CPU: results and recorders."""
    folder = tmp_path_factory.mktemp("here")
    return {what: train(what, folder / what, RecordingCallback()) for what in ("generator", "translator", *BASELINES)}


@pytest.fixture
def models(here):
    return {what: made.model for what, (made, _) in here.items()}


def test_pretend_device_refuses_what_an_accelerator_refuses():
    with on_pretend_device():
        there = torch.as_tensor(np.ones((2, 3), np.float32), device=PRETEND)
        assert isinstance(there, There)
        for wrong in (
            lambda: there + torch.ones(2, 3),
            lambda: there @ torch.ones(3, 2),
            lambda: there.numpy(),
            lambda: np.asarray(there),
            lambda: there.double(),
            lambda: torch.stack([there, torch.ones(2, 3)]),
            lambda: torch.nn.functional.conv1d(torch.ones(1, 2, 3), torch.ones(1, 2, 1, device=PRETEND)),
        ):
            for mode in (torch.enable_grad, torch.inference_mode):
                with pytest.raises((RuntimeError, TypeError)), mode():
                    wrong()
        assert np.array_equal((2 * there).cpu().numpy(), np.full((2, 3), 2.0))


@pytest.mark.parametrize("what", ["generator", "translator", *BASELINES])
def test_training_and_resumption_run_on_the_device(here, train, tmp_path, what):
    stopped, recorder = StoppedAt(3), RecordingCallback()
    with on_pretend_device():
        assert device_of("auto") == PRETEND
        with pytest.raises(KeyboardInterrupt):
            train(what, tmp_path / "t", stopped)
        train(what, tmp_path / "t", recorder, draw=True)
    assert recorder.began_at == 2
    assert stopped.losses | recorder.losses == pytest.approx(here[what][1].losses, rel=1e-4)
    assert alike(recorder.scores[-1], here[what][1].scores[-1])


def alike(one, other):
    """The same numbers, but for roundings."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return one == pytest.approx(other, rel=1e-3, abs=1e-4) if isinstance(one, float) else one == other


@pytest.fixture
def quick(monkeypatch):
    """Without what takes long and lies on no device: looking for faces again, and most turns of a stopwatch."""
    for module in (translator_scores, translator_evaluator, systems):
        monkeypatch.setattr(module, "finder", lambda *_: (None, {}))
    monkeypatch.setattr(cost, "latencies_ms", partial(cost.latencies_ms, turns=1))


def both(work):
    """Return the results of `work` on the CPU and on the pretend device, where it is done first: what it keeps for the
    next time is made there.
    """
    with on_pretend_device():
        there = work()
    return work(), there


def test_evaluation_of_a_generator(workspace, settings, models):
    selection = select(workspace, find_release(workspace, None), Stage.STAGE1)

    changed = settings.stage1.model_copy(update={"sync_steps": 3})  # a scorer that no other test has trained
    given = settings.model_copy(update={"stage1": changed})
    evaluate = partial(generator_scores.evaluate_generator, given, selection, selection.val)
    here, there = both(lambda: evaluate(models["generator"], "", 4).summary())
    assert alike(here, there)


def test_evaluation_of_a_translator(workspace, settings, models, quick):
    selection = select(workspace, find_release(workspace, None), Stage.STAGE2)
    evaluate = partial(translator_scores.evaluate_translator, settings, selection, selection.val)
    here, there = both(lambda: evaluate(models["translator"], "", 4).summary())
    assert alike(here, there)


def test_fine_tuning(workspace, settings, models, tmp_path):
    clip = candidates(workspace, find_release(workspace, None), Stage.STAGE2)[0].facts.clip_id
    selection = finetuning_clip(workspace, find_release(workspace, None), clip, seconds=0.8)
    changed, finetuning = start_of(settings, workspace, str(models["translator"]), clip)
    recorder = [RecordingCallback(), RecordingCallback()]
    spec = translator_spec(selection, changed, settings.weights, finetuning=finetuning)
    both(lambda: run_training(spec, tmp_path / str(len(recorder)), recorder.pop()))
    assert recorder == []


def test_finetuning_evaluation_runs_on_the_device(workspace, settings, models):
    selection = select(workspace, find_release(workspace, None), Stage.STAGE2)
    with on_pretend_device():
        compare_finetuning(settings, selection, selection.val, models["translator"], "", RecordingCallback())


def test_promotion_scores_and_renders_on_the_device(workspace, settings, models, quick):
    release = find_release(workspace, None)
    frozen = {stage: benchmarks.freeze(workspace, release, stage, "a test") for stage in Stage}
    for stage, model, module in (
        (Stage.STAGE1, "generator", generator_evaluator),
        (Stage.STAGE2, "translator", translator_evaluator),
    ):
        candidates = Candidates(workspace, settings, release, frozen[stage], RULE, {1: models[model]})
        clips = [clip.clip_id for clip in frozen[stage].clips]
        with on_pretend_device():
            (sheet,) = module.evaluate(candidates)
            assert module.render(candidates, clips).keys() == set(clips)
        assert sheet.costs.keys() == set(COSTS)
        assert {one.clip_id for one in sheet.clip_scores} == set(clips)


def test_reproduction_runs_on_the_device(workspace, settings, models, quick, tmp_path):
    footage = held_out(workspace, None, None, 1)
    made = {job: models[job.kind] for one in SYSTEMS for job in one.jobs}
    with on_pretend_device():
        bench = EvaluatedSystems(settings, footage, tmp_path)
        for one in SYSTEMS:
            assert bench.paired(one, made)
        assert bench.unpaired(SYSTEMS[0], made).interval.mean is not None


def test_dubbing_and_its_finetuning_run_on_the_device(workspace, settings, models, tmp_path):
    stored = select(workspace, find_release(workspace, None), Stage.STAGE2)
    clip = stored.stored.pictures(stored.train[0].place)
    pictures, landmarks = np.zeros((4, 64, 64, 3), np.uint8), np.float32(clip.landmarks[:4] % 64)
    with on_pretend_device():
        result = ModelPaths(models["generator"], models["translator"], ("one", "two"))
        opened = open_models(result, settings, SimpleNamespace(name=stored.backend))
        for one in (opened, finetune(opened, [clip], "0" * 64, 1.0, settings, ProgressSink())):
            painted(one.translator, pictures, landmarks)


def painted(translator: Translator, pictures, landmarks):
    known = translator.appearance(pictures, landmarks)
    assert translator.translate(known, pictures, landmarks, landmarks).shape == pictures.shape


def test_feature_networks(tmp_path):
    torch.save(weights((2, 2, 4, 4, 4)), tmp_path / "vgg19.pth")
    vgg, picture = open_vgg("VGG-19", "weights.vgg19", tmp_path / "vgg19.pth", {}), torch.rand(1, 3, 32, 32)
    for network in (Lite0(), vgg):
        here = network(picture)
        with on_pretend_device():
            there = network.to(PRETEND)(picture.to(PRETEND))
            for one, other in zip(here, there, strict=True):
                assert torch.allclose(one, other.cpu(), rtol=1e-3, atol=1e-4)


def test_missing_device_is_a_settings_error():
    assert device_of("cpu") == device_of("auto") == Fabric(accelerator="auto", devices=1).device == torch.device("cpu")
    with pytest.raises(SettingsError, match="device = cuda: networks cannot run there"):
        device_of("cuda")


LOOK = """
import sys
from pathlib import Path
from heterodub.tasks.dubbing import inputs, model_lookup
print(*{"torch", "mlflow", "scipy.signal", "onnxruntime"} & set(sys.modules))
from heterodub.tasks.dubbing import worker
from heterodub.tasks.training import device
from heterodub.model.io import load_generator, load_translator
load_generator(Path(sys.argv[1])), load_translator(Path(sys.argv[2]))
print(*{"lightning_fabric", "torch._dynamo"} & set(sys.modules))
"""


def test_dubbing_children_do_not_import_what_they_do_not_need(models):
    """Each of these takes a second or more, which every dubbing would pay."""
    call = [sys.executable, "-c", LOOK, str(models["generator"]), str(models["translator"])]
    assert subprocess.run(call, capture_output=True, text=True, check=True).stdout.split() == []
