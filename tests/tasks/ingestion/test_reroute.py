"""A new policy over 20,000 stored clips of a real workspace, against the same worked out row by row."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.contract import LANDMARK_POINTS, MEL_BANDS, MEL_COLUMNS_PER_FRAME
from heterodub.schemas.policy import Policy, load_policy
from heterodub.schemas.reasons import UNUSABLE, ClipReason, Stage
from heterodub.schemas.signals import BY_NAME, SIGNAL_NAMES
from heterodub.schemas.tables import CATALOG, CLIPS, STAGE1, STAGE2
from heterodub.tasks.ingestion.reroute import apply_reroute, changed_clips, describe, extraction_jobs, plan_reroute
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import active_policy, set_policy
from heterodub.tasks.stores.labels import NewLabel, store_labels
from heterodub.tasks.stores.parts import commit_parts
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.stores.sample_store import write_part

CLIPS_IN_ALL, CLIPS_OF_A_FILE = 20_000, 100
EXTRACTOR, BACKEND = "1-face_mesh_v1-0badcafe", "face_mesh_v1"
OLD = load_policy()
_TYPICAL = {"px": 200.0, "deg": 5.0, "1/s": 25.0, "dBFS": -20.0, "dB": 20.0, "Hz": 7000.0, "MOS": 3.5, "frames": 1.0}
_GOOD = {
    "faces_share": 0.0,
    "landmark_jitter": 0.01,
    "frozen_share": 0.0,
    "interlace": 0.0,
    "clipping_share": 0.0,
    "dark_share": 0.0,
}
_GOOD |= {
    "bright_share": 0.0,
    "face_share": 0.95,
    "mesh_score": 0.95,
    "mouth_visibility": 0.95,
    "speech_s": 4.0,
    "av_sync_score": 5.0,
}
_VARIED = ("snr_db", "sharpness", "face_height_px", "av_sync_score", "mouth_motion", "speech_s", "level_dbfs")


def policy(**stage1: float) -> Policy:
    base = OLD.model_dump()
    return Policy.model_validate(base | {"version": 2, "stage1": base["stage1"] | stage1})


STRICTER = policy(min_snr_db=18.0, min_av_sync_score=3.0)
LOOSER = policy(min_snr_db=2.0)


def measured(rng: np.random.Generator) -> dict[str, float | None]:
    values: dict[str, float | None] = {name: _TYPICAL.get(BY_NAME[name].unit, 0.5) for name in SIGNAL_NAMES} | _GOOD
    for name in _VARIED:
        if rng.random() < 0.05:
            values[name] = None
        elif rng.random() < 0.4:
            values[name] = (values[name] or 0.0) * float(rng.uniform(0.1, 1.5))
    return values


def refusals(values: dict[str, Any], by: Policy) -> dict[str, list[str]]:
    """Reasons of each stage to refuse a clip, sorted; worked out rule by rule without the code under test."""
    result: dict[str, set[str]] = {"stage1": set(), "stage2": set()}
    for rule in by.rules():
        value = values[rule.signal]
        if value is None:
            reason = rule.missing_reason
        elif rule.direction == "min":
            reason = rule.reason if value < rule.limit else None
        else:
            reason = rule.reason if (abs(value) if rule.direction == "max_abs" else value) > rule.limit else None
        if reason is not None:
            result[rule.stage].add(str(reason))
    return {stage: sorted(names) for stage, names in result.items()}


def clip_row(number: int, rng: np.random.Generator) -> dict[str, Any]:
    values = measured(rng)
    result = refusals(values, OLD)
    reasons = {1: result["stage1"], 2: result["stage2"]}
    if number % 50 == 0:
        reasons[1] = sorted([*reasons[1], "straddles_splits"])
    media = f"{number // CLIPS_OF_A_FILE:064x}"
    row = dict.fromkeys(CLIPS.names) | values
    row |= {"clip_id": f"{number:024x}", "media_id": media, "uri": f"/{media}.mp4", "corpus": "c", "speaker": "s"}
    row |= {"extractor": EXTRACTOR, "backend": BACKEND, "shot": 0, "track": 0, "start_frame": 0, "frames": 1}
    row |= {
        "width": 640,
        "height": 480,
        "missing": [],
        "picture_hash": bytes(40),
        "sound_hash": b"",
        "face_motion": b"",
        "policy": OLD.hash,
    }
    row |= {
        "stage1_reasons": reasons[1],
        "stage2_reasons": reasons[2],
        "stage1": not reasons[1],
        "stage2": not reasons[2],
    }
    return row


def payload(row: dict[str, Any], schema: pa.Schema) -> dict[str, Any]:
    stored = {name: row[name] for name in ("clip_id", "media_id", "backend", "frames")}
    stored |= {"landmarks": [[0.0] * (2 * LANDMARK_POINTS)], "tracked": [True], "sound_shift_frames": 0}
    stored |= {"mel": [[0.0] * MEL_BANDS] * MEL_COLUMNS_PER_FRAME, "crop_px": 16, "crop_boxes": [[0.0, 0.0, 1.0]]}
    return {name: (stored | {"crops": [b"jpeg"]})[name] for name in schema.names}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    rng = np.random.default_rng(11)
    return [clip_row(number, rng) for number in range(CLIPS_IN_ALL)]


@pytest.fixture
def workspace(tmp_path, filled) -> Workspace:
    """A copy of the filled workspace, to be changed."""
    return Workspace.open(str(shutil.copytree(filled.root, tmp_path / "workspace")))


@pytest.fixture(scope="module")
def filled(tmp_path_factory, rows) -> Workspace:
    """All clips, with payload for those of the first three files."""
    made = Workspace.open(str(tmp_path_factory.mktemp("filled") / "workspace"), create=True)
    tables.append_rows(made, "clips", pa.Table.from_pylist(rows, schema=CLIPS))
    catalog = []
    for media in sorted({row["media_id"] for row in rows}):
        entry = dict.fromkeys(CATALOG.names) | {"uri": f"/{media}.mp4", "media_id": media, "stamp": "1", "corpus": "c"}
        entry |= {"size_bytes": 77, "offset_s": 0.25, "extractor": EXTRACTOR, "state": "measured", "clips": 100}
        catalog.append(entry | {"media_s": 1.0, "dropped_s": 0.0})
    tables.append_rows(made, "catalog", pa.Table.from_pylist(catalog, schema=CATALOG))
    for table, schema in (("stage1", STAGE1), ("stage2", STAGE2)):
        parts = []
        for first in range(0, 3 * CLIPS_OF_A_FILE, CLIPS_OF_A_FILE):
            wanted = [payload(row, schema) for row in rows[first : first + CLIPS_OF_A_FILE] if row[table]]
            part = write_part(
                made, table, wanted[0]["media_id"], EXTRACTOR, pa.Table.from_pylist(wanted, schema=schema)
            )
            parts.append(part)
        commit_parts(made, table, parts)
    set_policy(made, OLD)
    return made


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


def say(workspace: Workspace, rows: list[dict[str, Any]], stage: Stage, keep: bool | None) -> None:
    media = {row["clip_id"]: row["media_id"] for row in rows}
    store_labels(workspace, [NewLabel(clip, media[clip], stage, keep, "heard", "Ann") for clip in media])


def test_labels_overrule_every_policy_both_ways_until_they_are_removed(workspace, rows):
    noisy = [row for row in rows if row["stage1_reasons"] == ["noisy"]][:5]
    good = [row for row in rows if row["stage1"] and row["stage2"]][:7]
    say(workspace, noisy, Stage.STAGE1, True)
    say(workspace, good, Stage.STAGE2, False)
    ids = [row["clip_id"] for row in rows]
    kept, refused = (np.isin(ids, [row["clip_id"] for row in some]) for some in (noisy, good))
    for by in (OLD, STRICTER, LOOSER):
        plan = plan_reroute(workspace, by)
        assert plan.after[Stage.STAGE1][kept].all() and not plan.after[Stage.STAGE2][refused].any()
        assert plan.refusals[Stage.STAGE2][ClipReason.REFUSED_BY_PERSON].sum() == len(good)
    assert describe(plan_reroute(workspace, OLD))["labels"] == {
        "stage1": {"kept": 5, "refused": 0}, "stage2": {"kept": 0, "refused": 7},
    }  # fmt: skip
    assert describe(plan_reroute(workspace, OLD))["stage2"]["reasons"] == {
        "refused_by_person": {"before": 0, "after": 7}
    }
    say(workspace, noisy, Stage.STAGE1, None)
    say(workspace, good, Stage.STAGE2, None)
    assert changed_clips(plan_reroute(workspace, OLD)) == []


def test_labels_do_not_overrule_what_cannot_be_used(workspace, rows):
    straddling = [row for row in rows if ClipReason.STRADDLES_SPLITS in row["stage1_reasons"]][:3]
    silent = [row for row in rows if row["level_dbfs"] is None][:3]
    say(workspace, [*straddling, *silent], Stage.STAGE1, True)
    plan = plan_reroute(workspace, OLD)
    ids = np.array([row["clip_id"] for row in rows])
    for some, reason in ((straddling, ClipReason.STRADDLES_SPLITS), (silent, ClipReason.NO_SOUND)):
        mask = np.isin(ids, [row["clip_id"] for row in some])
        assert mask.sum() == 3 and not plan.after[Stage.STAGE1][mask].any()
        assert plan.refusals[Stage.STAGE1][reason][mask].all()
        others = [held for code, held in plan.refusals[Stage.STAGE1].items() if code not in UNUSABLE]
        assert not np.logical_or.reduce(others)[mask].any()


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
