"""Finished dubs of a real face, good and broken, made once; and the models of the tests of dubbing."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from heterodub.model.io import load_generator
from heterodub.model.stage2.warp import WarpTranslator
from heterodub.schemas.acceptance import load_acceptance_policy
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.tasks.builtin.find import builtin_model
from heterodub.tasks.dubbing.dub import dub, plan_dub, render
from heterodub.tasks.dubbing.dub_inputs import open_inputs
from heterodub.tasks.dubbing.models import Models
from heterodub.tasks.evaluation.acceptance import measure
from heterodub.tasks.evaluation.verdict import judge
from tests.flows.heads import head, voice, write_head
from tests.tasks.dubbing.conftest import backend, write_wav  # noqa: F401 - a fixture
from tests.tasks.media.media_files import regular, write_media

SHOT_FRAMES = 16


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings(dub={"preset": "ultrafast", "references": 3})


@pytest.fixture(scope="session")
def models() -> Models:
    """The models that stand in where none is named: the generator that ships, and the warp."""
    shipped, card = load_generator(builtin_model("landmark-generator")[0])
    return Models(shipped, card, WarpTranslator(256), ("builtin", "warp"))


@pytest.fixture(scope="session")
def policy():
    return load_acceptance_policy()


@pytest.fixture(scope="session")
def judged(backend, settings, policy):  # noqa: F811
    """judged(job, models): the plan and the verdicts of a dub; `change` takes its inputs and plan before rendering."""

    def work(job: DubJob, using: Models, change=lambda inputs, plan: (inputs, plan)):
        with open_inputs(job, using, backend, settings, None) as inputs:
            plan = plan_dub(inputs)
            rendering, changed = change(inputs, plan)
            render(rendering, changed, Path(job.out))
            shots = measure(inputs, plan, Path(job.out))
        return SimpleNamespace(plan=plan, shots=shots, verdicts=[judge(shot.measures, policy) for shot in shots])

    return work


def write_shots(path: Path, shots: int, frames: int = SHOT_FRAMES) -> Path:
    """A film of a face in several shots, each other one mirrored and darker."""
    pictures = []
    for shot in range(shots):
        shown = head(shot, frames)
        pictures += [np.ascontiguousarray(picture[:, ::-1] // 2) for picture in shown] if shot % 2 else shown
    track = voice(1, shots * frames / 25)
    return write_media(path, regular(len(pictures)), track=track, size=(256, 256), pictures=pictures)


@pytest.fixture(scope="session")
def speech(tmp_path_factory) -> Path:
    """Three and a half seconds of a voice-like sound."""
    return write_wav(tmp_path_factory.mktemp("speech") / "speech.wav", voice(1, 3.5).samples)


@pytest.fixture(scope="session")
def talker(models, backend, settings, tmp_path_factory) -> Path:  # noqa: F811
    """Three seconds of a face whose mouth moves a lot: a dub of a photograph with a large gain."""
    lively = replace(models, card=models.card.model_copy(update={"gain": 6 * models.card.gain}))
    folder = tmp_path_factory.mktemp("talker")
    still = write_head(folder / "still.mp4", 0, 75)
    words = write_wav(folder / "words.wav", voice(5, 3).samples)
    dub(DubJob(video=str(still), speech=str(words), out=str(folder / "talker.mp4")), lively, backend, settings)
    return folder / "talker.mp4"
