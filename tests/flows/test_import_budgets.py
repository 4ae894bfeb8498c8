"""Libraries that a command must not load: each costs every call of it time."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.tasks.inspect import footage as listed

ROOT = Path(__file__).parents[2]

TRAINING = ("torch", "lightning_fabric", "mlflow", "matplotlib", "skimage")
ANALYSIS = ("distributed", "dask", "onnxruntime", "librosa", "scenedetect", "scipy", "decord")
ELSEWHERE = ("great_expectations", "heterodub.tasks.releases.audit", "heterodub.tasks.synthetic", "prefect.server")
HEAVY = (*TRAINING, *ANALYSIS, *ELSEWHERE, "prefect")
PICTURES = ("cv2", "av")
ANYTHING = (*HEAVY, *PICTURES, "pandas", "pyarrow", "numpy", "rich", "fsspec", "urllib.request")
SLOW_TO_ASK = (*HEAVY, *PICTURES, "pandas", "urllib.request")

BUDGETS: dict[str, tuple[str, ...]] = {
    "--help": (*ANYTHING, "pydantic"),
    "--version": (*ANYTHING, "pydantic"),
    "ingest --help": ANYTHING,
    "evaluate stage1 --help": ANYTHING,
    "status": SLOW_TO_ASK,
    "list": SLOW_TO_ASK,
    "list --clips": SLOW_TO_ASK,
    "history": SLOW_TO_ASK,
    "label list": SLOW_TO_ASK,
    "label score": SLOW_TO_ASK,
    "label import nowhere.csv": SLOW_TO_ASK,
    "label add 0000 --stage stage1 --keep --reason r --by a": (*HEAVY, *PICTURES),
    "label draw 1": HEAVY,
    "explain broken.mp4": (*HEAVY, *PICTURES),
    "doctor": tuple(name for name in HEAVY if name != "decord"),  # whose presence it checks
    "report": HEAVY,
    "report --trend": HEAVY,
    "trace plain.mp4": (*HEAVY, *PICTURES),
    "benchmark": HEAVY,
    "takedown --speaker s1 --dry-run": (*HEAVY, *PICTURES),
    "ingest nowhere": SLOW_TO_ASK,
    "init nowhere": SLOW_TO_ASK,
    "train stage1 --release none": HEAVY,
    "verify nowhere.mp4": (*HEAVY, *PICTURES, "c2pa"),
}
"""Modules that a command leaves alone, whatever it answers."""

RUN = """
import json, os, sys
from heterodub.flows.cli.main import main

for number, (names, words) in enumerate(json.loads(sys.stdin.read())):
    if not (child := os.fork()):
        os.dup2(os.open(f"{sys.argv[1]}/{number}", os.O_WRONLY | os.O_CREAT), 2)
        sys.argv = ["heterodub", *words]
        try:
            main()
        finally:
            print("loaded", json.dumps([name for name in names if name in sys.modules]), file=sys.stderr, flush=True)
            os._exit(0)
    os.waitpid(child, 0)
"""
"""Runs each command in a process forked from one that has loaded what all of them load."""


def loaded(folder: Path, commands: Sequence[tuple[Sequence[str], Sequence[str]]], **more: str) -> list[list[str]]:
    """Those of the modules that are loaded when a command ends, for each pair of modules and command."""
    running = [sys.executable, "-c", RUN, str(folder)]
    subprocess.run(
        running, cwd=ROOT, input=json.dumps(commands), stdout=subprocess.DEVNULL, text=True, env=os.environ | more
    ).check_returncode()
    result = []
    for number in range(len(commands)):
        errors = (folder / str(number)).read_text()
        last = errors.splitlines()[-1]
        assert last.startswith("loaded "), errors
        assert "Traceback" not in errors
        result.append(json.loads(last.removeprefix("loaded ")))
    return result


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return listed.make(tmp_path_factory.mktemp("budgets") / "ws").root


@pytest.fixture(scope="module")
def over_budget(root: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Modules that each command loads and must not."""
    commands = []
    for command, names in BUDGETS.items():
        where = () if command.startswith(("init", "--version")) or "--help" in command else ("-w", root)
        commands.append((names, (*command.split(), *where)))
    ends = loaded(tmp_path_factory.mktemp("loaded"), commands, PREFECT_API_URL="http://127.0.0.1:1/api")
    return dict(zip(BUDGETS, ends, strict=True))


@pytest.mark.parametrize("command", BUDGETS)
def test_command_keeps_to_its_import_budget(over_budget: dict[str, list[str]], command: str):
    assert over_budget[command] == []


def test_ingest_with_nothing_new_keeps_to_its_import_budget(footage, config, workspace, prefect_api, tmp_path):
    names = (*TRAINING, *ANALYSIS, *ELSEWHERE, *PICTURES)
    words = ("ingest", str(footage), "-w", str(workspace), "--config", str(config))
    assert loaded(tmp_path, [((*names, "prefect"), words)], PREFECT_API_URL=prefect_api) == [["prefect"]]


def test_loaded_names_what_a_command_loads(root: str, tmp_path: Path):
    assert loaded(tmp_path, [(("rich", "torch"), ("status", "-w", root))]) == [["rich"]]
