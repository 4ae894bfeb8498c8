"""A new policy over 4,000 stored clips of a real workspace, against the same worked out row by row."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import ClipReason, Stage
from heterodub.tasks.ingestion.reroute import apply_reroute, changed_clips, describe, extraction_jobs, plan_reroute
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import active_policy
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.ingestion.routed_clips import CLIPS_IN_ALL, LOOSER, OLD, STRICTER, refusals


def expected(rows, by: Policy) -> dict[str, dict[str, list[str]]]:
    """Return the expected reasons, computed clip by clip."""
    answer = {}
    for row in rows:
        result = refusals(row, by)
        if "straddles_splits" in row["stage1_reasons"]:
            result["stage1"] = sorted([*result["stage1"], "straddles_splits"])
        answer[row["clip_id"]] = result
    return answer


def stored(workspace: Workspace) -> dict[str, dict[str, Any]]:
    columns = ["clip_id", "stage1", "stage2", "stage1_reasons", "stage2_reasons", "policy"]
    return {row["clip_id"]: row for row in tables.read(workspace, "clips", columns).to_pylist()}


def payload_ids(workspace: Workspace, table: str) -> set[str]:
    return set(tables.read(workspace, table, ["clip_id"])["clip_id"].to_pylist())


def versions(workspace: Workspace) -> dict[str, int]:
    return {name: tables.version(workspace, name) for name in ("catalog", "clips", "stage1", "stage2")}


@pytest.mark.parametrize("by", [STRICTER, LOOSER, OLD], ids=["stricter", "looser", "the same"])
def test_dry_run_equals_row_by_row_routing(workspace, rows, by):
    before = versions(workspace)
    plan = plan_reroute(workspace, by)
    result, truth = describe(plan), expected(rows, by)
    assert result["clips"] == CLIPS_IN_ALL
    for stage in ("stage1", "stage2"):
        was = np.array([row[stage] for row in rows])
        now = np.array([not truth[row["clip_id"]][stage] for row in rows])
        assert result[stage]["before"] == was.sum()
        assert result[stage]["after"] == now.sum()
        assert result[stage]["newly_admitted"] == (now & ~was).sum()
        assert result[stage]["no_longer_admitted"] == (was & ~now).sum()
        old = Counter(reason for row in rows for reason in row[f"{stage}_reasons"])
        new = Counter(reason for row in rows for reason in truth[row["clip_id"]][stage])
        changed = {name: {"before": old[name], "after": new[name]} for name in old | new if old[name] != new[name]}
        assert result[stage]["reasons"] == changed
    assert versions(workspace) == before
    assert (result["stage1"]["no_longer_admitted"] > 100) is (by is STRICTER)
    assert (result["stage1"]["newly_admitted"] > 100) is (by is LOOSER)
    assert result["stage2"]["newly_admitted"] == result["stage2"]["no_longer_admitted"] == 0


def test_clips_that_change_are_named_with_both_routes(workspace, rows):
    plan, truth = plan_reroute(workspace, STRICTER), expected(rows, STRICTER)
    by_id = {row["clip_id"]: row for row in rows}
    moved = changed_clips(plan)
    assert len(moved) == describe(plan)["stage1"]["no_longer_admitted"]
    for change in moved:
        clip = change["clip_id"]
        assert change["before"] == ("both" if by_id[clip]["stage2"] else "stage1")
        assert change["after"] == ("stage2" if not truth[clip]["stage2"] else "rejected")
    assert changed_clips(plan_reroute(workspace, OLD)) == []


def test_applying_without_new_clips_stores_decisions_and_drops_payload_and_is_done_once(workspace, rows):
    truth = expected(rows, STRICTER)
    held = payload_ids(workspace, "stage1"), payload_ids(workspace, "stage2")
    plan = plan_reroute(workspace, STRICTER)
    assert extraction_jobs(workspace, plan) == []
    applied = apply_reroute(None, workspace, plan, Settings(workspace=workspace.root), ProgressSink())
    assert (applied.decoded, dict(applied.failed)) == (0, {})
    now = stored(workspace)
    assert len(now) == CLIPS_IN_ALL
    for clip, row in now.items():
        assert (row["stage1_reasons"], row["stage2_reasons"]) == (truth[clip]["stage1"], truth[clip]["stage2"])
        assert (row["stage1"], row["stage2"]) == (not truth[clip]["stage1"], not truth[clip]["stage2"])
        assert row["policy"] == STRICTER.hash
    assert payload_ids(workspace, "stage1") == {clip for clip in held[0] if not truth[clip]["stage1"]} < held[0]
    assert payload_ids(workspace, "stage2") == held[1]
    assert active_policy(workspace) == STRICTER

    before = versions(workspace)
    again = plan_reroute(workspace, STRICTER)
    assert changed_clips(again) == []
    assert describe(again)["stage1"]["reasons"] == {}
    apply_reroute(None, workspace, again, Settings(workspace=workspace.root), ProgressSink())
    assert versions(workspace) == before


def test_split_refusals_survive_every_policy(workspace, rows):
    straddling = {row["clip_id"] for row in rows if ClipReason.STRADDLES_SPLITS in row["stage1_reasons"]}
    assert len(straddling) == CLIPS_IN_ALL // 50
    empty = Policy.model_validate({"name": "empty", "version": 1, "stage1": {}, "stage2": {}})
    plan = plan_reroute(workspace, empty)
    ids = np.array(plan.clips["clip_id"].to_pylist())
    assert set(ids[plan.refusals[Stage.STAGE1][ClipReason.STRADDLES_SPLITS]]) == straddling
    assert not plan.refusals[Stage.STAGE2][ClipReason.STRADDLES_SPLITS].any()
    assert not plan.after[Stage.STAGE1][np.isin(ids, list(straddling))].any()


def test_newly_admitted_clips_are_requested_per_file(workspace, rows):
    plan, truth = plan_reroute(workspace, LOOSER), expected(rows, LOOSER)
    wanted = {row["clip_id"] for row in rows if not row["stage1"] and not truth[row["clip_id"]]["stage1"]}
    jobs = extraction_jobs(workspace, plan)
    assert {clip for job in jobs for clip in job.admit} == wanted
    by_id = {row["clip_id"]: row for row in rows}
    assert len({job.media_id for job in jobs}) == len(jobs)
    for job in jobs:
        assert (job.size_bytes, job.offset_s, job.uri) == (77, 0.25, f"/{job.media_id}.mp4")
        assert {by_id[clip]["media_id"] for clip in job.admit} == {job.media_id}
        assert all(admission.stage1 and not admission.stage2 for admission in job.admit.values())
    again = extraction_jobs(workspace, plan_reroute(workspace, LOOSER))
    assert [job.suffix for job in again] == [job.suffix for job in jobs]


def test_clips_that_must_be_decoded_are_not_admitted_without_a_cluster(workspace):
    before = stored(workspace)
    with pytest.raises(ValueError, match="cluster"):
        apply_reroute(
            None, workspace, plan_reroute(workspace, LOOSER), Settings(workspace=workspace.root), ProgressSink()
        )
    assert stored(workspace) == before
    assert active_policy(workspace) == OLD


def test_empty_workspace_has_nothing_to_change(tmp_path):
    empty = Workspace.open(str(tmp_path / "empty"), create=True)
    plan = plan_reroute(empty, STRICTER)
    assert describe(plan)["clips"] == 0
    apply_reroute(None, empty, plan, Settings(workspace=empty.root), ProgressSink())
    assert active_policy(empty) == STRICTER
    assert tables.read(empty, "clips").num_rows == 0
    assert pc.sum(tables.read(empty, "stage1", ["frames"])["frames"]).as_py() is None
    assert Path(empty.root).is_dir()
