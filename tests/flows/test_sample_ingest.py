"""The acceptance test: the whole embedded sample through the real command, compared with its truth file by file; and
a baseline, which needs picture and sound of the same clip, trained on it.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from heterodub.flows.train import train_baseline
from heterodub.model.io import load_baseline
from heterodub.schemas.config.settings import Settings
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.synthetic.truth import Agreement, compare
from heterodub.tasks.tracking.kinds import BASELINE_KINDS, baseline_example
from heterodub.tasks.tracking.lineage import lineage_of, models_trained_on
from heterodub.tasks.tracking.registry import named_version
from heterodub.tasks.tracking.store import open_tracking
from tests.flows.heads import contents, fingerprints
from tests.tasks.tracking.predictors import load_predictor

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def ended(sample, workspace, heterodub) -> tuple[Agreement, dict, bool]:
    """Ingest the sample; return its agreement with the truth, the summary, and True if the footage is unchanged."""
    before = fingerprints(sample)
    ran = heterodub("ingest", sample / "corpus.toml", "-w", workspace, "--json")
    assert ran.returncode == 0, ran.stderr
    return compare(sample, str(workspace)), json.loads(ran.stdout), fingerprints(sample) == before


def test_every_sample_file_is_routed_as_expected(ended):
    agreement, summary, _ = ended
    assert summary["files"] == agreement.files
    assert agreement.disagreements == ()


def test_sample_is_released_with_all_splits_and_left_as_it_was(ended):
    _, summary, untouched = ended
    assert summary["release"] and summary["release_is_new"]
    assert not [note for note in summary["notes"] if "no test clips" in note or "no val clips" in note]
    assert summary["quarantined"] == 0
    assert untouched


@pytest.mark.long
def test_baseline_is_trained_logged_and_reloaded(ended, workspace, tmp_path):
    summary = train_baseline("atvgnet", workspace=str(workspace), preset="tiny", steps=4)
    assert (summary["model"], summary["version"], summary["step"]) == ("atvgnet", 1, 4)
    ws = Workspace.open(str(workspace))
    tracking = open_tracking(Settings().tracking, ws)
    version = named_version(tracking, BASELINE_KINDS["atvgnet"].name, None)
    learned_from = lineage_of(tracking, version)
    both = {row["clip_id"] for row in contents(workspace)["clips"] if row["stage1"] and row["stage2"]}
    assert learned_from and {row["clip_id"] for row in learned_from} <= both
    touched = models_trained_on(tracking, ws, {learned_from[0]["media_id"]})
    assert [one.version for one in touched] == [version]  # in a takedown
    run = tracking.client.get_run(summary["run"])
    assert {"loss/landmarks", "val/perceptual_lower", "val/psnr_mouth"} - set(run.data.metrics) <= {"loss/landmarks"}
    assert {one.path for one in tracking.client.list_artifacts(summary["run"], "val")} >= {"val/faces_000004.png"}
    given = baseline_example(64)
    translator, _ = load_baseline(Path(summary["folder"]))
    known = given["reference_pictures"], given["reference_landmarks"]
    expected = translator.generate(given["pictures"], given["mel"], *known)
    made = load_predictor(tracking, version, tmp_path / "fetched").predict(given)
    assert np.array_equal(made, expected)
