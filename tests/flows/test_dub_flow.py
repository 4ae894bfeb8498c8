"""Dubbing as a command and as a flow: exit codes, one line for what is wrong, and jobs that do not stop each other."""

import json
import subprocess

import pytest
import torch
from prefect.client.schemas.objects import StateType

from heterodub.flows.dub import dub
from heterodub.model.io import save_model
from heterodub.model.stage1.network import LandmarkGenerator
from heterodub.schemas.cards import GeneratorCard
from heterodub.schemas.config.training import GeneratorArchitecture
from heterodub.tasks.faces.mesh import open_mesh_v1
from tests.flows.commands import each_ended
from tests.flows.heads import voice, write_head
from tests.tasks.dubbing.conftest import write_wav


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a generator, a film of a face and another film whose sound is the speech."""
    folder = tmp_path_factory.mktemp("dub")
    torch.manual_seed(0)
    shape = GeneratorArchitecture(width=8, point_channels=4, decoder_channels=4, time_blocks=1)
    card = GeneratorCard(architecture=shape, backend=open_mesh_v1().name, release="r-none", seed=0, steps=0)
    save_model(folder / "generator", LandmarkGenerator(shape), card)
    write_head(folder / "head.mp4", 0, 12)
    write_head(folder / "other.mp4", 1, 25)
    (folder / "short.toml").write_text("[dub]\nwarp_px = 64\npreset = 'ultrafast'\nmeasure = false\n")
    (folder / "footage").mkdir()
    (folder / "footage" / "it CRASHES.mp4").write_bytes((folder / "head.mp4").read_bytes())
    videos = ("head.mp4", "none.mp4", "footage/it CRASHES.mp4", "head.mp4")
    jobs = [f"{video},other.mp4,{number}.mp4" for number, video in enumerate(videos)]
    (folder / "jobs.csv").write_text("\n".join(["video,speech,out", *jobs]))
    write_wav(folder / "speech.wav", voice(1, 0.4).samples)
    (folder / "bad.csv").write_text("video,speech,out\nspeech.wav,head.mp4,4.mp4\ngone.mp4,speech.wav,5.mp4\n")
    return folder


@pytest.mark.long
def test_dub_flow_reports_failed_jobs_and_does_the_rest(place, prefect_api, shim, monkeypatch):
    """One job's video is missing, another's kills the process that decodes it."""
    monkeypatch.setenv("LD_PRELOAD", str(shim))  # children are given it
    where = {"config": str(place / "short.toml"), "return_state": True}
    state = dub(str(place / "jobs.csv"), str(place / "generator"), "warp", **where)
    assert (state.type, state.name) == (StateType.COMPLETED, "Partial")
    result = state.result()
    assert (result["jobs"], result["dubbed"], result["failed"]) == (4, 2, 2)
    assert [one["error"] is None for one in result["outcomes"]] == [True, False, False, True]
    assert "SIGSEGV" in result["outcomes"][2]["error"]
    assert sorted(path.name for path in place.glob("*.mp4")) == ["0.mp4", "3.mp4", "head.mp4", "other.mp4"]
    assert (place / "0.mp4").read_bytes() == (place / "3.mp4").read_bytes()
    json.dumps(result)


def test_dub_command_dubs_one_video_and_prints_the_outcome(place, prefect_api, stdout_of):
    models = ("--generator", place / "generator", "--translator", "warp", "--config", place / "short.toml")
    words = ("dub", place / "head.mp4", "--speech-from", place / "other.mp4", "-o", place / "out.mp4", *models)
    summary = json.loads(stdout_of(*words, "--json"))["outcomes"][0]
    assert (summary["frames"], summary["translator"]) == (12, "warp")
    assert (place / "out.mp4").exists()


ERRORS = {
    "say what to dub": ("dub", "gone.mp4"),
    "no workspace at /nowhere": ("dub", "gone.mp4", "gone.wav", "-o", "out.mp4", "-w", "/nowhere"),
    "out.avi must end in .mp4": ("dub", "gone.mp4", "gone.wav", "-o", "out.avi", "-w", "/nowhere"),
    "did you swap VIDEO and SPEECH?": ("dub", "--manifest", "{place}/bad.csv", "--translator", "warp"),
    "give it alone": ("dub", "--manifest", "{place}/jobs.csv", "--preserve", "best"),
    "no workspace at /nowhere for scores": ("evaluate", "dub", "{place}/jobs.csv", "-w", "/nowhere"),
}


@pytest.fixture(scope="module")
def refused(place, prefect_api) -> dict[str, subprocess.CompletedProcess]:
    models = ("--generator", str(place / "generator"), "--config", str(place / "short.toml"))
    commands = [(*(word.format(place=place) for word in words), *models) for words in ERRORS.values()]
    return dict(zip(ERRORS, each_ended(commands, PREFECT_API_URL=prefect_api), strict=True))


@pytest.mark.parametrize("cause", ERRORS)
def test_dub_error_is_one_line_and_exit_code_1(cause, refused):
    ended = refused[cause]
    said = ended.stderr.decode()
    errors = [line for line in said.splitlines() if line.startswith("error:")]
    assert (ended.returncode, len(errors)) == (1, 1)
    assert cause.partition(" for scores")[0] in errors[0]
    assert "Traceback" not in said
    assert "starting a Prefect server" not in said
