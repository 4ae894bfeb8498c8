"""The paper's comparison as commands: a table by a real Prefect server, a study from films to scores."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heterodub.flows.cli.main import app
from heterodub.flows.reproduce import reproduce
from heterodub.schemas.study import QUESTIONS, StudyKey
from tests.tasks.reproduction.study.films import SYSTEMS, listing
from tests.tasks.training.speakers import speakers

pytestmark = pytest.mark.long

TINY = "[stage1]\npreset = 'tiny'\n[stage2]\npreset = 'tiny'\n[stage2.losses]\nperceptual = 0\n"


def test_table4_is_written_with_its_unmeasured_row(prefect_api, tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY)
    speakers(tmp_path / "w", 7)
    summary = reproduce(
        "table4", minutes=0.01, folds=3, workspace=str(tmp_path / "w"), config=str(tmp_path / "tiny.toml")
    )
    assert [Path(path).name for path in summary["files"]] == ["table4.md", "table4.csv", "table4.png"]
    assert Path(summary["files"][0]).parent == tmp_path / "w" / "reports" / "reproduction"
    text = Path(summary["files"][0]).read_text()
    assert text == summary["markdown"]
    assert "without face-recognition loss: not measured: the weight slot weights.vgg_face is empty" in text
    assert "| without gated convolution | " in text
    assert "*LRS2: 5.5806*" in text
    assert "fold 1 of 3 over speakers" in text


@pytest.fixture
def study(tmp_path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    made = CliRunner().invoke(app, ["study", "make", str(listing(folder, 20)), "-o", str(tmp_path / "s"), "--json"])
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["videos_a_rater"] == 9
    return tmp_path / "s"


def test_study_is_made_and_scored_by_commands(study, tmp_path):
    key = StudyKey.model_validate_json((study / "key.json").read_text())
    rows = [
        {"item": name, "grades": key.items[name].expected or dict.fromkeys(QUESTIONS, 3), "plays": 1, "seconds": 2}
        for name in key.forms[0]
    ]
    file = {"kind": "heterodub-study-answers", "study": key.study, "rater": 1, "form": 0, "finished": True}
    (tmp_path / "a.json").write_text(json.dumps(file | {"started_utc": "1", "saved_utc": "2", "answers": rows}))
    call = ["study", "score", str(study / "key.json"), str(tmp_path / "a.json"), "-o", str(tmp_path / "out")]
    shown = CliRunner().invoke(app, call)
    assert shown.exit_code == 0, shown.output
    assert f"| {SYSTEMS[0]} | 3.00 | 3.00 | 3.00 |" in shown.stdout
    assert (tmp_path / "out" / "table2.png").exists()
    summary = json.loads(CliRunner().invoke(app, [*call, "--json"]).stdout)
    assert (summary["raters"], summary["agreement"]["sync"]) == (1, None)
