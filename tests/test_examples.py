"""The notebooks in examples/ run from end to end, on a small workspace.

Their cells are run in this process, one after the other: a kernel of its own would cost seconds for each.
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.training.speakers import speakers

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def ws(tmp_path_factory) -> Workspace:
    """A release of five clips of both stages."""
    return speakers(tmp_path_factory.mktemp("examples") / "workspace", 5, 30)


def run(name: str, ws: Workspace, tmp_path: Path, monkeypatch) -> dict:
    """Run a notebook's cells; what they leave behind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    notebook = json.loads((EXAMPLES / f"{name}.ipynb").read_text())
    assert (notebook["nbformat"], notebook["metadata"]["kernelspec"]["language"]) == (4, "python")
    left: dict = {}
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "outputs may show people, and are not kept"
            code = "".join(cell["source"]).replace("WORKSPACE", ws.root)
            exec(compile(code, f"{name}.ipynb, cell {number}", "exec"), left)
    plt.close("all")
    return left


def test_explore_shows_files_clips_and_faces(ws, tmp_path, monkeypatch):
    left = run("explore", ws, tmp_path, monkeypatch)
    assert len(left["files"]) == len(left["clips"]) == 5
    assert len(left["labels"]) == len(left["faces"]) == 3


def test_train_learns_more_than_its_control(ws, tmp_path, monkeypatch):
    left = run("train", ws, tmp_path, monkeypatch)
    assert sum(left["scores"]["network"]) < sum(left["scores"]["control"])


def test_policies_are_compared(ws, tmp_path, monkeypatch):
    left = run("policies", ws, tmp_path, monkeypatch)
    assert left["admitted"].loc["stage2"].to_dict() == {"now": 5, "lenient": 5, "strict": 0}
    assert left["admitted"].loc["stage1", "strict"] == 0
    assert len(left["lost"]) == 5
