"""Films of a real face, speeches, and models small enough for tests: an untrained generator and the landmark warp."""

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from heterodub.model.io import save_model
from heterodub.model.stage1.network import LandmarkGenerator
from heterodub.model.stage2.warp import WarpTranslator
from heterodub.schemas.cards import GeneratorCard
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.config.training import GeneratorArchitecture
from heterodub.tasks.dubbing.batch import Dubber, open_dubber
from heterodub.tasks.dubbing.models import Models
from heterodub.tasks.faces.mesh import open_mesh_v1
from tests.flows.heads import voice, write_head

SHAPE = GeneratorArchitecture(width=8, point_channels=4, decoder_channels=4, time_blocks=1)


@pytest.fixture(scope="session")
def backend():
    return open_mesh_v1()


@pytest.fixture(scope="session")
def settings() -> Settings:
    dub = {"warp_px": 64, "preset": "ultrafast", "references": 3, "chunk_frames": 4}
    return Settings(dub={**dub, "measure": False})  # measured in tests/tasks/evaluation


@pytest.fixture(scope="session")
def generator() -> LandmarkGenerator:
    """Not trained, but not at rest either: its mouth moves with the sound."""
    torch.manual_seed(1)
    made = LandmarkGenerator(SHAPE).eval()
    for head in (made.face, made.lips):
        torch.nn.init.normal_(head.out.weight, std=0.1)
    return made


@pytest.fixture(scope="session")
def models(generator, backend) -> Models:
    card = GeneratorCard(architecture=SHAPE, backend=backend.name, release="r-none", seed=0, steps=0)
    return Models(generator, card, WarpTranslator(64), ("landmark-generator of a test", "warp"))


@pytest.fixture(scope="session")
def generator_folder(generator, models, tmp_path_factory) -> Path:
    """The landmark generator in a folder. Do not write into it."""
    save_model(folder := tmp_path_factory.mktemp("generator"), generator, models.card)
    return folder


@pytest.fixture(scope="session")
def dubber(generator_folder, settings) -> Iterator[Dubber]:
    """A dubber whose child has opened `generator_folder` and the warp; opening them takes ten seconds."""
    with open_dubber(settings, str(generator_folder), "warp") as opened:
        yield opened


@pytest.fixture(scope="session")
def head(tmp_path_factory) -> Path:
    """A second of a face that sways, at 25 pictures a second, with sound."""
    return write_head(tmp_path_factory.mktemp("heads") / "head.mp4", 0, 25)


@pytest.fixture(scope="session")
def speech(tmp_path_factory) -> Path:
    """A second and a half of a voice-like sound."""
    return write_wav(tmp_path_factory.mktemp("speech") / "speech.wav", voice(1, 1.5).samples)


def write_wav(path: Path, samples_CN: np.ndarray, rate_hz: int = 16_000) -> Path:
    """16 bits a sample."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(samples_CN))
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((np.clip(samples_CN.T, -1, 1) * 32767).astype("<i2").tobytes())
    return path
