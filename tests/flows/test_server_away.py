"""A Prefect server that goes away in the midst of an ingest, a training and a dub costs none of their work."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from heterodub.flows.dub import dub
from heterodub.flows.train import train
from tests.flows.conftest import Finished
from tests.flows.heads import contents, voice, write_head
from tests.served import ServerProgram, free_port
from tests.tasks.dubbing.conftest import write_wav
from tests.tasks.training.talkers import talkers

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]  # the server is away for minutes

AWAY_S = 300

SHORT = """
[dub]
warp_px = 64
preset = 'ultrafast'
measure = false
[stage1]
preset = 'tiny'
sync_steps = 20
[stage1.schedule]
max_steps = 60
eval_interval = 30
save_interval = 30
sample_interval = 1000
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[tuple[ServerProgram, str]]:
    """A standing server that can be stopped and started again, and its address."""
    port, folder = free_port(), tmp_path_factory.mktemp("server")
    api = f"http://127.0.0.1:{port}/api"
    surroundings = os.environ | {"PREFECT_HOME": str(folder / "home"), "PREFECT_SERVER_UI_ENABLED": "false"}
    words = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-services"]
    program = ServerProgram(folder, "server", words, surroundings, f"{api}/health")
    program.start()
    yield program, api
    program.stop()


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("settings") / "short.toml"
    path.write_text(SHORT)
    return path


@pytest.fixture(scope="module")
def speakers(tmp_path_factory) -> Path:
    """A workspace that was not trained on yet; copy it."""
    folder = tmp_path_factory.mktemp("talkers") / "workspace"
    talkers(folder, speakers=8, clips=2, frames=60)
    return folder


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Callable[[str], Path]:
    """A job; named by the folder of its output."""
    folder = tmp_path_factory.mktemp("dub")
    write_head(folder / "head.mp4", 0, 25)
    write_wav(folder / "speech.wav", voice(1, 1.0).samples)

    def write(name: str) -> Path:
        (folder / name).mkdir()
        job = f"{folder}/head.mp4,{folder}/speech.wav,{folder}/{name}/out.mp4"
        (folder / f"{name}.csv").write_text(f"video,speech,out\n{job}\n")
        return folder / f"{name}.csv"

    return write


class Command:
    """`heterodub WORDS`, and its outputs in files."""

    def __init__(self, folder: Path, api: str, *words: object) -> None:
        self.folder = folder
        self._log, self._result = folder / f"{words[0]}.log", folder / f"{words[0]}.json"
        command = [sys.executable, "-m", "heterodub", *map(str, words), "--json"]
        with self._log.open("w") as log, self._result.open("w") as result:
            self._process = subprocess.Popen(
                command, env=os.environ | {"PREFECT_API_URL": api}, stdout=result, stderr=log, start_new_session=True
            )

    def await_line(self, text: str) -> None:
        """Wait until the command has logged a text, and is not at its end yet."""
        while text not in self._log.read_text():
            assert self._process.poll() is None, self._log.read_text()
            time.sleep(0.05)

    def summary(self) -> dict:
        """Its result, once it ended well."""
        assert self._process.wait(900) == 0, self._log.read_text()
        return json.loads(self._result.read_text())

    def signal(self, number: int) -> None:
        """Send a signal to it and what it has started."""
        os.killpg(self._process.pid, number)


@pytest.fixture(scope="module")
def outlived(server, footage, config, short, speakers, manifest, tmp_path_factory) -> dict[str, Command]:
    """Three commands, whose server is killed once all are in their midst and comes back minutes later."""
    (program, api), folder = server, tmp_path_factory.mktemp("outlived")
    shutil.copytree(speakers, folder / "speakers")
    models = ("--generator", "builtin", "--translator", "warp")
    words = {
        "train": ("stage1", "-w", folder / "speakers", "--config", short),
        "dub": ("--manifest", manifest("outlived"), *models, "--config", short),
        "ingest": (footage, "-w", folder / "ws", "--config", config),
    }
    midst = {"train": "step=choose state=done", "dub": "step=read state=done", "ingest": "analyse"}
    commands = {}
    for name, more in words.items():
        commands[name] = Command(folder, api, name, *more)
        commands[name].await_line(midst[name])
        commands[name].signal(signal.SIGSTOP)  # so that it is not at its end before the others are in their midst
    program.stop(signal.SIGKILL)
    for command in commands.values():
        command.signal(signal.SIGCONT)
    time.sleep(AWAY_S)
    program.start()
    return commands


def test_ingest_outlives_its_server(outlived, finished: Finished):
    outlived["ingest"].summary()
    assert contents(outlived["ingest"].folder / "ws") == contents(finished.workspace)


def test_training_outlives_its_server(outlived, speakers, short, prefect_api, tmp_path):
    summary = outlived["train"].summary()
    shutil.copytree(speakers, tmp_path / "speakers")
    undisturbed = train(workspace=str(tmp_path / "speakers"), config=str(short))
    assert (summary["version"], summary["step"]) == (undisturbed["version"], undisturbed["step"]) == (1, 60)
    assert weights_of(summary) == weights_of(undisturbed)


def test_dub_outlives_its_server(outlived, manifest, short, prefect_api):
    summary = outlived["dub"].summary()
    undisturbed = dub(str(manifest("undisturbed")), "builtin", "warp", config=str(short))
    assert summary["dubbed"] == undisturbed["dubbed"] == 1
    assert films_of(summary) == films_of(undisturbed)


def weights_of(training: dict) -> dict[str, str]:
    """Hashes of the weights that a training chose."""
    return {path.name: digest(path) for path in Path(training["folder"]).rglob("*.safetensors")}


def films_of(dubbed: dict) -> list[str]:
    return [digest(Path(outcome["out"])) for outcome in dubbed["outcomes"]]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
