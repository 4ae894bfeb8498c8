"""Rows that must never be trained on, put straight into the tables: each stops the release and is named."""

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from heterodub.schemas.config.settings import load_settings
from heterodub.schemas.errors import AuditFailedError
from heterodub.schemas.tables import TABLES
from heterodub.tasks.releases import releases
from heterodub.tasks.releases.audit.audit import AuditResult
from heterodub.tasks.releases.publishing import publish
from heterodub.tasks.steps.ingest import choose_policy
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace
from tests.flows.heads import contents, people_lines
from tests.tasks.releases.audit.plain_audit import failures

Rows = dict[str, list[dict]]


def put(ws: Workspace, table: str, row: dict) -> None:
    tables.replace_rows(ws, table, pa.Table.from_pylist([row], schema=TABLES[table]), "clip_id")


def nan_landmark(ws: Workspace, rows: Rows) -> str:
    row = rows["stage1"][0]
    row["landmarks"][3][7] = math.nan
    put(ws, "stage1", row)
    return row["clip_id"]


def short_mel(ws: Workspace, rows: Rows) -> str:
    row = rows["stage1"][1]
    row["mel"].pop()
    put(ws, "stage1", row)
    return row["clip_id"]


def torn_picture(ws: Workspace, rows: Rows) -> str:
    row = rows["stage2"][1]
    row["crops"][5] = row["crops"][5][:20]
    put(ws, "stage2", row)
    return row["clip_id"]


def twice(ws: Workspace, rows: Rows) -> str:
    row = rows["clips"][2]
    tables.append_rows(ws, "clips", pa.Table.from_pylist([row], schema=TABLES["clips"]))
    return row["clip_id"]


def other_backend(ws: Workspace, rows: Rows) -> str:
    row = rows["clips"][3]
    put(ws, "clips", row | {"backend": "face_mesh_v2"})
    return row["clip_id"]


def impossible_measure(ws: Workspace, rows: Rows) -> str:
    row = rows["clips"][4]
    put(ws, "clips", row | {"face_share": 1.5})
    return row["clip_id"]


def admitted_without_payload(ws: Workspace, rows: Rows) -> str:
    clip = rows["stage2"][2]["clip_id"]
    tables.delete_rows(ws, "stage2", "clip_id", [clip])
    return clip


def file_forgotten(ws: Workspace, rows: Rows) -> str:
    clip = rows["clips"][5]
    tables.delete_rows(ws, "catalog", "media_id", [clip["media_id"]])
    return clip["clip_id"]


PLANTS: dict[str, Callable[[Workspace, Rows], str]] = {
    "landmarks": nan_landmark,
    "mel": short_mel,
    "pictures": torn_picture,
    "unique": twice,
    "backend": other_backend,
    "face_share": impossible_measure,
    "in_stage2": admitted_without_payload,
    "in_catalog": file_forgotten,
}


@pytest.fixture(scope="module")
def planted(finished, config, tmp_path_factory) -> tuple[AuditResult, dict[str, str]]:
    """The audit of a workspace into which all of them were put, and the clip of each: an audit takes seconds."""
    workspace = Path(shutil.copytree(finished.workspace, tmp_path_factory.mktemp("planted") / "workspace"))
    ws, settings = Workspace.open(str(workspace)), load_settings(config, workspace=str(workspace))
    policy, before, shown = choose_policy.fn(ws, settings.policy), releases.latest(ws), []
    assert not publish(ws, settings, policy, shown.append).is_new
    rows = contents(workspace)
    clips = {named: plant(ws, rows) for named, plant in PLANTS.items()}
    with pytest.raises(AuditFailedError):
        publish(ws, settings, policy, shown.append)
    assert releases.latest(ws) == before
    return shown[-1], clips


@pytest.mark.parametrize("named", PLANTS)
def test_audit_of_a_planted_row_stops_the_release(named, planted):
    result, clips = planted
    (failed, *_) = (one for one in result.failures if named in one.name and clips[named] in one.examples)
    with pytest.raises(AuditFailedError) as excinfo:
        replace(result, checks=(failed,)).require()
    assert named in str(excinfo.value)
    assert clips[named] in str(excinfo.value)


def test_speaker_is_never_in_two_splits(workspace, config):
    """Planted behind the back of the splits, which look at new clips alone; the audit sees it."""
    ws = Workspace.open(str(workspace))
    rows = contents(workspace)["clips"]
    speakers = [row["speaker"] for row in rows]
    torn = next(row for row in rows if speakers.count(row["speaker"]) > 1)
    other = "test" if torn["split"] != "test" else "train"
    put(ws, "clips", torn | {"split": other})
    assert {"splits_of_speaker", "splits_of_group"} <= {name.split()[0] for _, name in failures(ws)}


def test_failed_audit_is_one_line_and_fails_the_flow(heterodub, footage, workspace, config):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.sorting import FlowRunSort

    ws = Workspace.open(str(workspace))
    before = releases.latest(ws)
    clip = nan_landmark(ws, contents(workspace))
    ran = heterodub("ingest", footage, "-w", workspace, "--config", config, "--json")
    assert (ran.returncode, ran.stdout) == (1, "")
    lines = [line for line in people_lines(ran.stderr) if "error" in line.lower()]
    assert len(lines) == 1 and lines[0].startswith("error: nothing was published") and clip in lines[0], ran.stderr
    assert "Traceback" not in ran.stderr
    assert releases.latest(ws) == before
    with get_client(sync_client=True) as client:
        newest = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=50)  # others use the server, too
    (here,) = (run for run in newest if run.parameters.get("workspace") == str(workspace))
    assert here.state_name == "Failed"
