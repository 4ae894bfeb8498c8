"""The acceptance test: the embedded sample through the real command, compared with its truth file by file; and a
baseline, which needs picture and sound of the same clip, trained on it.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from heterodub.flows.train import train_baseline
from heterodub.model.io import load_baseline
from heterodub.schemas.config.settings import Settings
from heterodub.tasks.releases import releases
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.synthetic.kinds import ROWS
from heterodub.tasks.synthetic.truth import Agreement, compare, write_table
from heterodub.tasks.tracking.kinds import BASELINE_KINDS, baseline_example
from heterodub.tasks.tracking.lineage import lineage_of, models_trained_on
from heterodub.tasks.tracking.registry import named_version
from heterodub.tasks.tracking.store import open_tracking
from tests.flows.heads import contents, fingerprints
from tests.tasks.tracking.predictors import load_predictor

pytestmark = pytest.mark.slow


ALONE = ("odd_name", "variable_frame_rate", "rotated", "several_shots", "gif")
"""Kinds whose outcome another film has too, and whose way to it is one of their own."""


class Ended(NamedTuple):
    """An ingest of a sample; `is_new`: it published its release; `untouched`: the footage is what it was before."""

    workspace: Path
    agreement: Agreement
    summary: dict
    is_new: bool
    untouched: bool


def part_of(sample: Path, folder: Path) -> Path:
    """A film for each outcome, and those above: without further containers, which the decoder's tests open."""
    first = {(row.state, row.stage1, row.stage2, row.reasons): row for row in reversed(ROWS)}
    rows = [row for row in ROWS if row in first.values() or row.kind in ALONE]
    (folder / "media").mkdir(parents=True)
    for row in rows:
        shutil.copy(sample / "media" / row.file, folder / "media")
    shutil.copy(sample / "corpus.toml", folder)
    write_table(folder, rows)
    return folder


def ingested(heterodub, made: Path, workspace: Path, *options) -> tuple[Agreement, dict, bool]:
    """Run the command; its agreement with the truth, its summary, and whether the footage is what it was before."""
    before = fingerprints(made)
    ran = heterodub("ingest", made / "corpus.toml", "-w", workspace, *options, "--json")
    assert ran.returncode == 0, ran.stderr
    return compare(made, str(workspace)), json.loads(ran.stdout), fingerprints(made) == before


def of_demo(heterodub, demo: Path, place: Path) -> Ended:
    """The demo's ingest of the whole sample, and the command that finds nothing new in a copy of its workspace."""
    made, workspace = demo / "sample", Path(shutil.copytree(demo / "workspace", place / "workspace"))
    (release,) = releases.every(Workspace.open(str(workspace)))
    agreement, summary, untouched = ingested(heterodub, made, workspace, "--config", demo / "heterodub.toml")
    is_new = summary["release"] == release.release_id and not summary["release_is_new"]
    rows = contents(workspace)["catalog"]
    hashed = {Path(row["uri"]): row["media_id"] for row in rows if row["state"] == "measured"}
    as_read = all(hashlib.sha256(path.read_bytes()).hexdigest() == media_id for path, media_id in hashed.items())
    return Ended(workspace, agreement, summary, is_new, untouched and as_read)


@pytest.fixture(
    scope="module", params=["part", pytest.param("whole", marks=pytest.mark.long)]
)  # minutes; CI's demo too
def ended(sample, tested_demo, tmp_path_factory, heterodub, request) -> Ended:
    place = tmp_path_factory.mktemp(request.param)
    if tested_demo:
        return of_demo(heterodub, tested_demo, place)
    made = sample if request.param == "whole" else part_of(sample, place / "sample")
    agreement, summary, untouched = ingested(heterodub, made, place / "workspace")
    return Ended(place / "workspace", agreement, summary, summary["release_is_new"], untouched)


def test_every_sample_file_is_routed_as_expected(ended):
    assert ended.summary["files"] == ended.agreement.files > 20
    assert ended.agreement.disagreements == ()


def test_sample_is_released_with_all_splits_and_left_as_it_was(ended):
    summary = ended.summary
    assert summary["release"] and ended.is_new
    assert not [note for note in summary["notes"] if "no test clips" in note or "no val clips" in note]
    assert summary["quarantined"] == 0
    assert ended.untouched


@pytest.mark.long
@pytest.mark.parametrize("ended", ["part"], indirect=True)
def test_baseline_is_trained_logged_and_reloaded(ended, tmp_path):
    workspace = ended.workspace
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
