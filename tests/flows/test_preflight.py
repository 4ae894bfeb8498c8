"""Arguments are checked before a server is started or contacted: here none could answer."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from heterodub.flows import evaluate, promote, route, takedown, train
from heterodub.flows.cli import promote as promote_commands
from heterodub.flows.cli.main import app
from heterodub.flows.ingest import ingest
from heterodub.schemas.errors import HeterodubError, SettingsError, SourceError
from tests.flows.test_import_budgets import HEAVY
from tests.tasks.inspect import footage
from tests.tasks.training.talkers import talkers

NOWHERE = "http://127.0.0.1:9/api"

TALKERS = ["-w", "talkers"]

UNTRAINED = ["--generator", "EMPTY", "--translator", "warp"]

BAD = {
    "a path that is not there": (["ingest", "/nowhere"], "no such file or folder"),
    "an empty folder": (["ingest", "EMPTY"], "there are no files in it"),
    "a manifest whose files are all missing": (["ingest", "GONE.csv"], "none of the 2 files it lists is there"),
    "a manifest without uri": (["ingest", "NAMELESS.csv"], "needs a column 'uri'"),
    "a corpus file with a typing error": (["ingest", "TYPO.toml"], "rooot"),
    "a policy that is not there": (["ingest", "FULL", "--policy", "/none.toml"], "policy file /none.toml"),
    "another policy than the standing one": (["ingest", "FULL", "--policy", "OTHER.toml"], "heterodub route"),
    "a mesh without its file": (["ingest", "FULL", "--config", "V2.toml"], "needs face_landmarker.task"),
    "a scheduler that does not answer": (["ingest", "FULL", "--dask", "tcp://127.0.0.1:9"], "no Dask scheduler"),
    "a scheduler without a port": (["route", "--policy", "OTHER.toml", "--dask", "tcp://here"], "no Dask scheduler"),
    "a policy of routing": (["route", "--policy", "TYPO.toml"], "policy file"),
    "no such release": (["train", "stage1", "--release", "r9"], "no release r9"),
    "no such release for a baseline": (["train", "baseline", "wav2lip", "--release", "r9"], "no release r9"),
    "no such clip": (["finetune", "zzz"], "no stage2 clips whose id begins with 'zzz'"),
    "nobody to judge on": (["evaluate", "stage1", "--split", "val"], "no stage1 clip in its val split"),
    "nobody to look at": (["train", "stage2"], "no stage2 clip in its val split"),
    "no such model": (["evaluate", "stage1", *TALKERS], "no landmark-generator is registered"),
    "a folder without a model": (["evaluate", "stage2", "--model", "EMPTY", *TALKERS], "holds no landmark-translator"),
    "a path to no model": (["evaluate", "stage1", "--model", "x/y", *TALKERS], "holds no landmark-generator"),
    "a fold that is none": (["evaluate", "stage2", "--folds", "3", "--fold", "4"], "fold 4 of 3"),
    "a fold without folds": (["evaluate", "stage2", "--fold", "1"], "only with `folds`"),
    "a model with folds": (["evaluate", "stage1", "--folds", "2", "--model", "1"], "no `model` can be named"),
    "no release for an ablation": (["ablate", "data", "--release", "r9"], "no release r9"),
    "no model for an ablation": (["ablate", "finetuning", *TALKERS], "no landmark-translator is registered"),
    "no time for a table": (["reproduce", "table1", "--minutes", "0"], "minutes = 0"),
    "a folder that cannot be made": (["reproduce", "table1", "-o", "GONE.csv/out"], "is a file, not a folder"),
    "a promotion policy": (["promote", "stage1", "--policy", "/none.toml"], "promotion policy /none.toml"),
    "no model to promote": (["promote", "stage2"], "no landmark-translator is registered"),
    "an override without a reason": (["promote", "--override"], "needs its reason"),
    "a reason without an override": (["promote", "--reason", "x"], "only an override has one"),
    "no model to roll back to": (["rollback", "--reason", "x"], "no landmark-generator is registered"),
    "a rollback without a reason": (["rollback", "--reason", " "], "a rollback needs a reason"),
    "nobody to take down": (["takedown", "--speaker", "nobody"], "nothing in the workspace is of speaker 'nobody'"),
    "no file to take down": (["takedown", "--file", "none.mp4", "--dry-run"], "none.mp4"),
    "a dubbing of nothing": (["dub", "gone.mp4", "gone.wav", "-o", "o.mp4", *UNTRAINED], "no such file"),
    "an acceptance policy": (
        ["dub", "gone.mp4", "gone.wav", "-o", "o.mp4", "--accept", "/none.toml", *UNTRAINED],
        "acceptance policy /none.toml",
    ),
    "a sample among other files": (["sample", "FULL"], "holds other files"),
    "a sample in place of a file": (["sample", "GONE.csv"], "is a file, not a folder"),
    "corpora that are not there": (["retrain", "/a", "FULL", "/b"], "/a: there is no such file or folder; /b: "),
}


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> Path:
    """A workspace with a release and no models, and things to be mistaken about."""
    folder = tmp_path_factory.mktemp("given")
    footage.make(folder / "ws")
    talkers(folder / "talkers", speakers=8, clips=1, frames=20)
    for name in ("EMPTY", "FULL"):
        (folder / name).mkdir()
    (folder / "FULL" / "a.mp4").write_bytes(b"a")
    (folder / "GONE.csv").write_text("uri\nnone/a.mp4\n/none/b.mp4\n")
    (folder / "NAMELESS.csv").write_text("url\na.mp4\n")
    (folder / "TYPO.toml").write_text("rooot = '.'\n")
    (folder / "V2.toml").write_text("backend = 'face_mesh_v2'\n")
    (folder / "OTHER.toml").write_text("name = 'other'\nversion = 9\n[stage1]\n[stage2]\n")
    return folder


@pytest.fixture(autouse=True)
def no_server(given, monkeypatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", NOWHERE)
    monkeypatch.delenv("HETERODUB_WEIGHTS__FACE_LANDMARKER_V2", raising=False)
    monkeypatch.chdir(given)


@pytest.mark.parametrize("case", BAD)
def test_preflight_names_a_mistake_before_any_start(given, case):
    words, result = BAD[case]
    ended = CliRunner().invoke(app, words if "-w" in words or words[0] == "sample" else [*words, "-w", "ws"])
    assert isinstance(ended.exception, HeterodubError) and ended.exit_code != 0, ended.output
    assert result in str(ended.exception) and "Prefect" not in str(ended.exception)


def test_preflight_refuses_impossible_workspaces_and_makes_none(given):
    foreign = CliRunner().invoke(app, ["ingest", "FULL", "-w", str(given)])
    assert "not a workspace" in str(foreign.exception)
    below_a_file = CliRunner().invoke(app, ["ingest", "FULL", "-w", str(given / "GONE.csv" / "ws")])
    assert "GONE.csv/ws: Not a directory" in str(below_a_file.exception)
    fine = CliRunner().invoke(app, ["ingest", "FULL", "-w", str(given / "new" / "ws")])
    assert isinstance(fine.exception, SettingsError) and "no Prefect server answers" in str(fine.exception)
    assert not (given / "new").exists()


@pytest.mark.parametrize(
    ("flow", "parameters", "error"),
    [
        (ingest, {"source": "EMPTY"}, SourceError),
        (route.route, {"policy": "/none.toml"}, SettingsError),
        (train.train, {"release": "r9"}, HeterodubError),
        (train.finetune, {"clip": "zzz"}, HeterodubError),
        (evaluate.evaluate, {"fold": 1, "stage": "stage2"}, SettingsError),
        (promote.promote, {"override": True}, SettingsError),
        (promote.rollback, {"reason": " "}, SettingsError),
        (
            takedown.takedown,
            {"kind": "speaker", "value": SecretStr("nobody"), "reason": SecretStr("x")},
            HeterodubError,
        ),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_deployed_flow_runs_the_same_preflight(given, flow, parameters, error, monkeypatch):
    """The flow's own function, without the server that would run it. Whatever comes after the check is not reached."""
    module: ModuleType = sys.modules[flow.fn.__module__]
    if flow is ingest:
        monkeypatch.setattr(module, "check_inputs", module.check_inputs.fn)
    with pytest.raises(error):
        flow.fn(**parameters, workspace=str(given / "ws"))


def test_preflight_failure_imports_nothing_heavy(given):
    """In a process of its own: neither Prefect nor a network is loaded for it."""
    asked = [words for words, _ in BAD.values() if words[0] in ("ingest", "train", "takedown", "dub")]
    script = (
        "import json, sys\nfrom typer.testing import CliRunner\nfrom heterodub.flows.cli.main import app\n"
        f"for words in {asked!r}:\n"
        f"    assert CliRunner().invoke(app, [*words, '-w', 'ws']).exit_code, words\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ)
    assert json.loads(ran.stdout) == []


def test_help_explains_stages():
    assert "landmark generator" in CliRunner().invoke(app, ["benchmark", "--help"], env={"COLUMNS": "120"}).stdout
    assert promote_commands.StageArgument
