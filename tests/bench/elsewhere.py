"""Compare a model's predictions with those in an environment built from its logged requirements alone.

`python -m tests.bench.elsewhere [FOLDER]`: the models are logged and fetched, then for each a fresh environment is
built from its requirements.txt by pip, in which `mlflow.pyfunc.load_model("FETCHED FOLDER")` predicts.
Asks the package index for torch, so it takes minutes and is no part of the tests. FOLDER keeps the environments.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from heterodub.schemas.config.settings import TrackingSettings
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.kinds import KINDS, ModelKind
from heterodub.tasks.tracking.models import Version, export_model, log_model
from heterodub.tasks.tracking.runs import tracked_run
from heterodub.tasks.tracking.store import Tracking, open_tracking
from tests.model.stage2.test_files import saved
from tests.tasks.tracking.predictors import load_predictor
from tests.tasks.tracking.test_models import FRESH, make

_AS_HERE = {"landmark-generator": 1e-3, "landmark-translator": 1e-5}
"""Largest difference of predictions: pixels, and shares of full brightness."""


def main(folder: Path) -> None:
    """Print a row a model: what was installed, and how far its predictions lie from those made here."""
    (folder / "workspace").mkdir(parents=True)
    tracking = open_tracking(TrackingSettings(), Workspace.open(str(folder / "workspace"), create=True))
    make(folder / "landmark-generator")
    saved(folder / "landmark-translator")
    saved(folder / "landmark-translator-finetuned", tuned_on=("a clip",))
    with tracked_run(tracking, "elsewhere") as run:
        versions = [log_model(run, folder / kind.name, kind) for kind in KINDS.values()]
    apart = {version.name: _apart(tracking, version, folder / f"{version.name}-elsewhere") for version in versions}
    if any(apart[name] > most for name, most in _AS_HERE.items()):
        raise SystemExit(f"predictions differ: {apart}")


def _apart(tracking: Tracking, version: Version, folder: Path) -> float:
    """The largest difference between a prediction here and one in an environment of the model's own."""
    kind = version.kind
    folder.mkdir()
    export_model(tracking, version, fetched := folder / "fetched")
    here, given = _predicted_here(tracking, version, kind, folder)
    python = _environment(folder, fetched / "requirements.txt")
    np.savez(folder / "given.npz", **given)
    words = [fetched, folder / "given.npz", folder / "predicted.npy"]
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MLFLOW"))}
    output = subprocess.run(
        [python, "-I", "-c", FRESH, *map(str, words)], cwd=folder, env=surroundings, stdout=subprocess.PIPE, check=True
    )
    there = np.load(folder / "predicted.npy")
    difference = float(np.abs(there - here).max()) if there.shape == here.shape else float("inf")
    asked = " ".join((fetched / "requirements.txt").read_text().split())
    print(f"{kind.name}: {asked}; {_installed(python)} packages, shape {there.shape}, apart {difference:.2g}")
    ours = json.loads(output.stdout)["ours"].values()
    if any(Path(file).is_relative_to(Path(__file__).parents[2]) for file in ours):
        raise SystemExit(f"{kind.name} ran on this checkout's code: {sorted(ours)[0]}")
    return difference


def _predicted_here(tracking: Tracking, version: Version, kind: ModelKind, folder: Path) -> tuple[Any, dict[str, Any]]:
    (folder / "here").mkdir()
    predictor = load_predictor(tracking, version, folder / "here")
    given = predictor.input_example
    return predictor.predict(given), given


def _environment(folder: Path, requirements: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
    subprocess.run([python, "-m", "pip", "check"], check=True, stdout=subprocess.DEVNULL)
    return python


def _installed(python: Path) -> int:
    listed = subprocess.run([python, "-m", "pip", "freeze"], capture_output=True, text=True, check=True)
    return len(listed.stdout.splitlines())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]).absolute())
    else:
        with tempfile.TemporaryDirectory(prefix="heterodub-elsewhere-") as place:
            main(Path(place))
