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
}
"""Modules that a command leaves alone, whatever it answers."""

RUN = """
import json, sys
from heterodub.flows.cli.main import main
names = json.loads(sys.argv.pop(1))
try:
    main()
finally:
    print("loaded", json.dumps([name for name in names if name in sys.modules]), file=sys.stderr)
"""


def loaded(names: Sequence[str], *words: str, **more: str) -> list[str]:
    """Those of the modules that are loaded when the command ends."""
    command = [sys.executable, "-c", RUN, json.dumps(names), *words]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | more)
    last = ran.stderr.splitlines()[-1]
    assert last.startswith("loaded "), ran.stderr
    assert "Traceback" not in ran.stderr
    return json.loads(last.removeprefix("loaded "))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return listed.make(tmp_path_factory.mktemp("budgets") / "ws").root


@pytest.mark.parametrize("command", BUDGETS)
def test_command_keeps_to_its_import_budget(root: str, command: str):
    where = () if command.startswith(("init", "--version")) or "--help" in command else ("-w", root)
    assert loaded(BUDGETS[command], *command.split(), *where, PREFECT_API_URL="http://127.0.0.1:1/api") == []


def test_ingest_with_nothing_new_keeps_to_its_import_budget(footage, config, workspace, prefect_api):
    names = (*TRAINING, *ANALYSIS, *ELSEWHERE, *PICTURES)
    words = ("ingest", str(footage), "-w", str(workspace), "--config", str(config))
    assert loaded((*names, "prefect"), *words, PREFECT_API_URL=prefect_api) == ["prefect"]


def test_loaded_names_what_a_command_loads(root: str):
    assert loaded(("rich", "torch"), "status", "-w", root) == ["rich"]
