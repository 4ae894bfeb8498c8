"""Dubbing as a command and as a flow: exit codes, one line for what is wrong, and jobs that do not stop each other."""

import json

import pytest
import torch
from prefect.client.schemas.objects import StateType

from heterodub.flows.dub import dub
from heterodub.model.io import save_model
from heterodub.model.stage1.network import LandmarkGenerator
from heterodub.schemas.cards import GeneratorCard
from heterodub.schemas.config.training import GeneratorArchitecture
from heterodub.tasks.faces.mesh import open_mesh_v1
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
    (folder / "short.toml").write_text("[dub]\nwarp_px = 64\npreset = 'ultrafast'\n")
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


def test_dub_command_dubs_one_video_and_prints_the_outcome(place, heterodub):
    models = ("--generator", place / "generator", "--translator", "warp", "--config", place / "short.toml")
    words = ("dub", place / "head.mp4", "--speech-from", place / "other.mp4", "-o", place / "out.mp4", *models)
    ended = heterodub(*words, "--json")
    assert ended.returncode == 0, ended.stderr
    summary = json.loads(ended.stdout)["outcomes"][0]
    assert (summary["frames"], summary["translator"]) == (12, "warp")
    assert (place / "out.mp4").exists()


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (("dub", "gone.mp4"), "say what to dub"),
        (("dub", "gone.mp4", "gone.wav", "-o", "out.mp4", "-w", "/nowhere"), "no workspace at /nowhere"),
        (("dub", "gone.mp4", "gone.wav", "-o", "out.avi", "-w", "/nowhere"), "out.avi must end in .mp4"),
        (("dub", "--manifest", "{place}/bad.csv", "--translator", "warp"), "did you swap VIDEO and SPEECH?"),
        (("evaluate", "dub", "{place}/jobs.csv", "-w", "/nowhere"), "no workspace at /nowhere"),
    ],
)
def test_dub_error_is_one_line_and_exit_code_1(words, cause, place, heterodub):
    words = [word.format(place=place) for word in words]
    ended = heterodub(*words, "--generator", place / "generator", "--config", place / "short.toml")
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error:")]
    assert (ended.returncode, len(errors)) == (1, 1)
    assert cause in errors[0]
    assert "Traceback" not in ended.stderr
    assert "starting a Prefect server" not in ended.stderr
