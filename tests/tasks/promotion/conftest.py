"""A release of made talkers, real generators trained on it, and a registry of each test's own to put them in."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from heterodub.model.io import load_generator, save_model
from heterodub.model.training.callbacks import Callback
from heterodub.schemas.cards import GENERATOR
from heterodub.schemas.config.settings import Settings, TrackingSettings
from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.reasons import Stage
from heterodub.tasks.releases import releases
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_selection import find_release, select
from heterodub.tasks.training.run import run_training
from heterodub.tasks.training.stage1 import generator_spec
from tests.tasks.tracking.conftest import with_tables
from tests.tasks.training.conftest import one_thread
from tests.tasks.training.talkers import crowd

__all__ = ["one_thread"]

HOW = {
    "good": {"schedule": {"max_steps": 100}},
    "other seed": {"schedule": {"max_steps": 60}, "seed": 1},
    "deaf": {"schedule": {"max_steps": 15}, "augmentation": {"drop_sound": 1.0}},
}

POLICY = """
name = "short"
version = 1
[resampling]
resamples = 1000
[models.landmark-generator]
primary = "nme_lips"
minimum_effect = 0.02
references = 8
least_clips = 12
least_speakers = 6
[models.landmark-generator.controls]
"copy" = 0.0
"unpaired audio" = 0.01
[models.landmark-generator.gain_tolerances]
"unpaired audio" = 0.04
[models.landmark-generator.tolerances]
mouth_opening_corr = 0.07
mouth_opening_std_ratio = 0.15
jitter = 0.2
[models.landmark-generator.costs]
parameters = 2.0
memory_mib = 2.0
"""
"""The default policy without latency and sync, which a busy machine and a scorer of 20 steps leave to chance, and
without the linear control: the lips of the made talkers follow the sound linearly, so nothing beats it."""


@pytest.fixture(scope="session")
def policy(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("policy") / "short.toml"
    path.write_text(POLICY)
    return path


@pytest.fixture(scope="session")
def talking(commons) -> Workspace:
    """A crowd of talkers. Copy it before changing it."""
    return Workspace.open(str(crowd(commons)))


@pytest.fixture(scope="session")
def trained(talking, commons) -> dict[str, Path]:
    """Folders of real generators: a good one, one of another seed, one trained without sound, and the good one with
    perturbed weights.
    """
    folder = commons.made_once("generators", partial(_train, talking))
    return {name: folder / name / "model" for name in HOW} | {"shaken": folder / "shaken"}


def _train(talking: Workspace, folder: Path) -> None:
    selection = select(talking, find_release(talking, None), Stage.STAGE1)
    for name, how in HOW.items():
        schedule = how["schedule"] | {
            "eval_interval": how["schedule"]["max_steps"],
            "save_interval": how["schedule"]["max_steps"],
        }
        fast = {"preset": "tiny", "data": {"batch_size": 8}, "optimiser": {"learning_rate": 6e-3}}
        settings = Stage1Settings(**fast | how | {"schedule": schedule})
        run_training(generator_spec(selection, settings), folder / name, Callback())
    generator, card = load_generator(folder / "good" / "model")
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter += 0.1 * parameter.std() * torch.randn_like(parameter) if parameter.numel() > 1 else 0.0
    save_model(folder / "shaken", generator, card)


@pytest.fixture
def ws(talking, tmp_path, empty_database) -> Workspace:
    """A copy of the talkers with an empty registry."""
    return with_tables(Workspace.open(str(shutil.copytree(talking.root, tmp_path / "ws"))), empty_database)


@pytest.fixture
def settings(ws, policy) -> Settings:
    """Settings for the embedded store."""
    return Settings(workspace=ws.root, promotion=policy, stage1=Stage1Settings(preset="tiny"))


@pytest.fixture
def on_server(settings, server, ws) -> Settings:
    """The same for a server on loopback, whose registry all tests share; no model is in it."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=server, registry_uri=server)
    if client.search_registered_models(f"name = '{GENERATOR}'"):
        client.delete_registered_model(GENERATOR)
    return settings.model_copy(update={"tracking": TrackingSettings(uri=server, experiment=f"of {ws.root}")})


@pytest.fixture
def again(ws) -> Callable[..., int]:
    """again(settings, 1) registers the files of a version once more, without logging them anew; the new version."""

    def call(settings: Settings, number: int) -> int:
        from heterodub.tasks.tracking.registry import named_version
        from heterodub.tasks.tracking.store import open_tracking

        tracking = open_tracking(settings.tracking, ws)
        one = named_version(tracking, GENERATOR, str(number))
        logged = Path(one.source).parent.name  # a server does not tell a version's model, but wants it
        made = tracking.client.create_model_version(
            one.name, one.source, one.run_id, tags=dict(one.tags), model_id=logged
        )
        return int(made.version)

    return call


@pytest.fixture
def register(ws, trained) -> Callable[..., int]:
    """register(settings, "good") puts a trained generator into the registry as a training does; its version."""
    return lambda settings, name: register_generator(ws, settings, trained[name])


def register_generator(ws: Workspace, settings: Settings, model: Path) -> int:
    """Put a generator's folder into the registry as a training does; its version."""
    from heterodub.tasks.tracking.kinds import LANDMARK_GENERATOR
    from heterodub.tasks.tracking.lineage import keep_lineage
    from heterodub.tasks.tracking.models import log_model
    from heterodub.tasks.tracking.runs import tracked_run
    from heterodub.tasks.tracking.store import open_tracking

    release = releases.latest(ws)
    selection = select(ws, release, Stage.STAGE1)
    with tracked_run(open_tracking(settings.tracking, ws), model.name) as run:
        run.data(ws, release, Stage.STAGE1)
        clips = (*selection.train, *selection.val)
        keep_lineage(run, [(clip.facts.clip_id, clip.place.media_id, clip.split) for clip in clips])
        return log_model(run, model, LANDMARK_GENERATOR).number
