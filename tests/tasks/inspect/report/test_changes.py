"""Clips that moved between two sides: numbers are those of the plan, reasons those that differ, limits both."""

from pathlib import Path

import pyarrow as pa
import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.policy import Policy, load_policy
from heterodub.schemas.tables import CLIPS
from heterodub.schemas.toml import parse_model
from heterodub.tasks.ingestion.reroute import apply_reroute, changed_clips, describe, plan_reroute
from heterodub.tasks.inspect.report import route_changes
from heterodub.tasks.inspect.report.changes_page import gather_changes
from heterodub.tasks.inspect.report.reason_changes import ReasonChange
from heterodub.tasks.inspect.report.route_changes import (
    GONE,
    NEW,
    OVERRULED,
    changes_by_policy,
    changes_since,
    describe_changes,
)
from heterodub.tasks.inspect.report.write import write_changes
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.releases import releases
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import KEPT, kept_policy
from heterodub.tasks.stores.workspace import Workspace
from tests.browser import PHONE, needs_browser, opened, overflow, until
from tests.tasks.inspect import footage

OTHER = parse_model(
    Policy,
    """
name = "other"
version = 4
[stage1]
min_face_height_px = 10
min_av_sync_score = 4.5
[stage2]
min_face_height_px = 70
""",
    "test",
)
PLAIN, POOR, EVIL, SILENT, LATIN = map(footage.clip_id, footage.CLIPS_MADE)
LATER = footage.Clip(footage.PLAIN, {"av_sync_score": 9.0}, 80)


@pytest.fixture(scope="module")
def ws(tmp_path_factory) -> Workspace:
    return footage.make(tmp_path_factory.mktemp("changes") / "ws")


def test_numbers_are_those_of_the_dry_run(ws):
    changes, plan = changes_by_policy(ws, OTHER, footage.POLICY), plan_reroute(ws, OTHER)
    summary, planned = describe_changes(changes), describe(plan)
    assert summary["before"]["clips"] == planned["clips"] == 5
    for stage in ("stage1", "stage2"):
        counts = summary[stage]
        assert (counts["only_after"], counts["only_before"]) == (
            planned[stage]["newly_admitted"],
            planned[stage]["no_longer_admitted"],
        )
        assert counts["both"] == planned[stage]["before"] - counts["only_before"]
        assert counts["reasons"] == planned[stage]["reasons"]
    moved = {clip.clip_id: (clip.before, clip.after) for clip in changes.moved}
    assert moved == {clip["clip_id"]: (clip["before"], clip["after"]) for clip in changed_clips(plan)}
    assert len(moved) == 2


def test_policy_of_the_standing_name_and_version_is_named_by_its_hash(ws):
    namesake = OTHER.model_copy(update={"name": footage.POLICY.name, "version": footage.POLICY.version})
    assert changes_by_policy(ws, namesake, footage.POLICY).after.label == f"policy trial 3 ({namesake.hash})"
    assert changes_by_policy(ws, OTHER, footage.POLICY).after.label == "policy other 4"


def test_reasons_that_changed_bear_value_and_both_limits(ws):
    moved = {clip.clip_id: clip for clip in changes_by_policy(ws, OTHER, footage.POLICY).moved}
    assert moved[EVIL].changes == {
        "stage1": (ReasonChange("low_av_sync", True, "av_sync_score", "", 4.0, 4.0, "\u2265 2", "\u2265 4.5"),)
    }
    assert moved[LATIN].changes == {
        "stage2": (
            ReasonChange("face_too_small", False, "face_height_px", "px", 90.0, 90.0, "\u2265 100", "\u2265 70"),
        )
    }


def test_limit_that_one_side_lacks_is_said_so(ws):
    none = parse_model(Policy, 'name = "none"\nversion = 1\n[stage1]\n[stage2]\n', "test")
    moved = {clip.clip_id: clip for clip in changes_by_policy(ws, none, footage.POLICY).moved}
    changes = {change.reason: change for change in moved[POOR].changes["stage1"]}
    assert {(one.limit_before, one.limit_after) for one in changes.values()} == {
        ("\u2265 40", "no limit"), ("\u2265 10", "no limit"), ("\u2265 2", "no limit"),
    }  # fmt: skip
    assert all(not one.refuses_after for one in changes.values())
    assert (moved[POOR].before, moved[POOR].after) == ("rejected", "both")


def test_clip_that_moves_without_a_reason_is_said_so(tmp_path):
    """As where a person overrules the limits: every moved clip has a row, whatever decided it."""
    ws = footage.make(tmp_path / "ws")
    release = releases.named(ws, None)
    decided = {"clip_id": [EVIL], "stage1": [False]}
    tables.update_columns(ws, "clips", pa.table(decided))
    (clip,) = changes_since(ws, release, footage.POLICY).moved
    assert clip.changes == {"stage1": (ReasonChange(OVERRULED, refuses_after=True),)}


@pytest.mark.parametrize("against", ["policy", "release"])
def test_clips_dropped_while_routes_are_compared_are_still_described(tmp_path, monkeypatch, against):
    ws = footage.make(tmp_path / "ws")
    release = releases.named(ws, None)
    tables.update_columns(ws, "clips", pa.table({"clip_id": [EVIL], "stage1": [False]}))
    tables.append_rows(ws, "clips", pa.Table.from_pylist([footage.clip_row(LATER, footage.POLICY)], schema=CLIPS))
    rows_of = route_changes._rows

    def drop_first(*arguments):
        tables.delete_rows(ws, "clips", "clip_id", [EVIL, LATIN, footage.clip_id(LATER)])
        return rows_of(*arguments)

    monkeypatch.setattr(route_changes, "_rows", drop_first)
    changes = (
        changes_by_policy(ws, OTHER, footage.POLICY)
        if against == "policy"
        else changes_since(ws, release, footage.POLICY)
    )
    moved = {LATIN} if against == "policy" else {EVIL, footage.clip_id(LATER)}
    assert moved <= {clip.clip_id for clip in changes.moved}
    assert all(clip.row["clip_id"] == clip.clip_id for clip in changes.moved)
    pictured = gather_changes(Settings(workspace=ws.root), changes)
    assert moved <= {row.clip.clip_id for row in pictured.rows}


@pytest.fixture(scope="module")
def later(tmp_path_factory) -> tuple[Workspace, str]:
    """A workspace that was routed anew since its release, with a clip more and one less; and the release."""
    ws = footage.make(tmp_path_factory.mktemp("later") / "ws")
    release = releases.named(ws, None).release_id
    stricter = OTHER.model_copy(update={"stage2": OTHER.stage2.model_copy(update={"min_face_height_px": 100.0})})
    apply_reroute(None, ws, plan_reroute(ws, stricter), Settings(workspace=ws.root), ProgressSink())
    tables.delete_rows(ws, "clips", "clip_id", [PLAIN])
    tables.append_rows(ws, "clips", pa.Table.from_pylist([footage.clip_row(LATER, stricter)], schema=CLIPS))
    return ws, release


def test_changes_since_a_release_name_what_came_and_went(later):
    ws, release = later
    standing = kept_policy(ws, OTHER.hash)
    assert standing is None  # never in force
    changes = changes_since(ws, releases.find(ws, release), footage.POLICY)
    moved = {clip.clip_id: clip for clip in changes.moved}
    new = next(clip for clip in moved.values() if clip.before is None)
    assert (new.after, new.row["start_frame"]) == ("both", 80)
    assert (moved[PLAIN].before, moved[PLAIN].after) == ("both", None)
    assert [change.reason for change in new.changes["stage1"]] == [NEW]
    assert [change.reason for change in moved[PLAIN].changes["stage2"]] == [GONE]
    assert (moved[EVIL].before, moved[EVIL].after) == ("stage1", "rejected")
    assert (changes.new, changes.gone) == (1, 1)
    stage1, stage2 = changes.stages["stage1"], changes.stages["stage2"]
    assert (stage1.both, stage1.only_before, stage1.only_after) == (0, 2, 1)
    assert (stage2.both, stage2.only_before, stage2.only_after) == (1, 1, 1)


def test_limits_of_a_release_are_those_of_its_policy(later):
    ws, release = later
    changes = changes_since(ws, releases.find(ws, release), OTHER)
    assert changes.before.policy == footage.POLICY
    (change,) = next(clip for clip in changes.moved if clip.clip_id == EVIL).changes["stage1"]
    assert (change.limit_before, change.limit_after) == ("\u2265 2", "\u2265 4.5")


def test_policy_that_is_not_kept_or_damaged_is_none(later):
    ws, release = later
    kept = Path(ws.path(f"{KEPT}/{footage.POLICY.hash}.json"))
    text = kept.read_text()
    try:
        for damaged in ("{", text.replace('"version": 3', '"version": 4')):
            kept.write_text(damaged)
            assert kept_policy(ws, footage.POLICY.hash) is None
        assert kept_policy(ws, "../policy") is None
        changes = changes_since(ws, releases.find(ws, release), OTHER)
        (change,) = next(clip for clip in changes.moved if clip.clip_id == EVIL).changes["stage1"]
        assert change.limit_before == "not kept"
    finally:
        kept.write_text(text)


def test_page_shows_what_came_and_went(later):
    ws, release = later
    text = Path(write_changes(Settings(workspace=ws.root), release)["page"]).read_text()
    assert f"only in release {release}" in text
    assert "the clip was not there before" in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_unknown_release_is_refused(ws):
    with pytest.raises(NotFoundError, match="r0"):
        write_changes(Settings(workspace=ws.root), "r0")


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """Of a film of three clips, against a policy that admits all of them where there is sound."""
    folder = tmp_path_factory.mktemp("page")
    (policy := folder / "lax.toml").write_text('name = "lax"\nversion = 1\n[stage1]\n[stage2]\nmin_sharpness = 0.9\n')
    return Path(write_changes(footage.playable(folder), str(policy))["page"])


@needs_browser
def test_moved_clip_can_be_seen_heard_and_looked_into_by_keyboard(page):
    with opened(page) as tab:
        for summary in tab.locator("details.clip:not([open]) > summary").all():
            summary.click()
        until(tab, "[...document.querySelectorAll('details.clip[open] video')].every((film) => film.readyState >= 2)")
        assert tab.locator("details.clip[open] video").count() == 3
        assert tab.locator(".thumb").count() > tab.locator(".thumb.none").count() == 0
        row = tab.locator("tr[data-clip]").first
        row.focus()
        tab.keyboard.press("Enter")
        assert "sharpness" in tab.locator("tr.below").first.text_content()
        tab.keyboard.press("Enter")
        assert tab.locator("tr.below").count() == 0


@needs_browser
def test_page_counts_as_the_dry_run_does(page):
    """In its table of stages, its list, and the two numbers of its head."""
    plan = plan_reroute(Workspace.open(str(page.parents[1])), load_policy(page.parents[2] / "lax.toml"))
    planned = describe(plan)
    with opened(page) as tab:
        rows = [row.locator("td").all_text_contents() for row in tab.locator("#stages tbody tr").all()]
        heads = tab.locator(".facts b").all_text_contents()
        listed = {
            (row.get_attribute("data-clip"), row.get_attribute("data-stage"), row.get_attribute("data-way"))
            for row in tab.locator("#moved tr[data-clip]").all()
        }
    for (both, before, after), head, stage in zip(rows, heads[1:], ("stage1", "stage2"), strict=True):
        counts = planned[stage]
        assert (int(before), int(after)) == (counts["no_longer_admitted"], counts["newly_admitted"])
        assert int(both) == counts["before"] - counts["no_longer_admitted"]
        assert head == f"+{after} \u2212{before}"
        ways = [way for _, of_stage, way in listed if of_stage == stage]
        assert (ways.count("longer"), ways.count("newly")) == (int(before), int(after))
    moved = {clip["clip_id"] for clip in changed_clips(plan)}
    assert {clip for clip, _, _ in listed} == moved
    assert heads[0] == str(len(moved))


@needs_browser
def test_list_of_the_moved_filters_and_leaves_as_csv(page, tmp_path):
    with opened(page) as tab:
        assert tab.text_content("#moved output") == "4 of 4"
        tab.select_option("#moved select[data-key=way]", "newly")
        assert tab.text_content("#moved output") == "1 of 4"
        assert "noisy" in tab.locator("#moved tr[data-clip]:not([hidden])").text_content()
        tab.select_option("#moved select[data-key=way]", "")
        tab.select_option("#moved select[data-key=why]", "stage2:blurred")
        assert tab.text_content("#moved output") == "3 of 4"
        with tab.expect_download() as coming:
            tab.click("#moved .csv")
        coming.value.save_as(tmp_path / "moved.csv")
        head, *lines = (tmp_path / "moved.csv").read_text().splitlines()
        assert "reason" in head and len(lines) == 3
        assert all("blurred sharpness" in line and "no limit" in line and "\u2265 0.9" in line for line in lines)


@needs_browser
def test_phone_holds_the_page(page):
    with opened(page, PHONE) as tab:
        assert overflow(tab) <= 0
        box = tab.locator("#moved tbody td.pinned").first.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE[0]
