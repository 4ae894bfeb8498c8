import pytest

from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.reasons import Stage
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.tasks.inspect.list import CLIP_COLUMNS, FILE_COLUMNS, ListQuery, list_clips, list_files
from heterodub.tasks.inspect.routes import Route
from heterodub.tasks.stores.labels import NewLabel, store_labels
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.inspect import footage


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return footage.make(tmp_path_factory.mktemp("listing") / "ws")


def uris(ws: Workspace, **wanted: str) -> set[str]:
    return {row["uri"] for row in list_files(ws, ListQuery(**wanted)).rows}  # type: ignore[arg-type]


def test_every_file_has_a_row(ws: Workspace):
    actual = list_files(ws, ListQuery())
    assert {row["uri"] for row in actual.rows} == set(footage.URIS)
    assert actual.total == len(footage.URIS)
    assert all(tuple(row) == FILE_COLUMNS for row in actual.rows)


def test_file_counts_its_clips_by_route(ws: Workspace):
    row = next(row for row in list_files(ws, ListQuery()).rows if row["uri"] == footage.PLAIN)
    assert (row["clips"], row["both"], row["rejected"], row["stage1"], row["stage2"]) == (2, 1, 1, 0, 0)


def test_copy_claims_no_clips_of_the_original(ws: Workspace):
    (row,) = list_files(ws, ListQuery(state="duplicate")).rows
    assert row["uri"] == footage.COPY
    assert (row["clips"], row["both"], row["rejected"]) == (0, 0, 0)


def test_files_by_state(ws: Workspace):
    assert uris(ws, state="quarantined") == {footage.BROKEN}
    assert uris(ws, state="rejected") == {footage.COLOURED}


def test_files_by_route(ws: Workspace):
    assert uris(ws, route=Route.BOTH) == {footage.PLAIN}
    assert uris(ws, route=Route.STAGE1) == {footage.EVIL}
    assert uris(ws, route=Route.STAGE2) == {footage.NEWLINE}


def test_files_by_their_own_reason_and_by_that_of_their_clips(ws: Workspace):
    assert uris(ws, reason="no_face") == {footage.COLOURED}
    assert uris(ws, reason="out_of_sync") == {footage.LATIN}


def test_clips_hold_every_signal_and_missing_ones_are_none(ws: Workspace):
    rows = list_clips(ws, ListQuery(route=Route.STAGE2)).rows
    assert [tuple(row) for row in rows] == [CLIP_COLUMNS]
    assert set(SIGNAL_NAMES) <= set(rows[0])
    assert rows[0]["snr_db"] is None
    assert rows[0]["yaw_deg"] == 5.0


def test_clip_row_holds_the_reasons_of_each_stage(ws: Workspace):
    (row,) = list_clips(ws, ListQuery(reason="too_bright")).rows
    assert row["state"] == "rejected"
    assert set(row["stage1_reasons"]) == {"face_too_small", "noisy", "low_av_sync"}
    assert set(row["stage2_reasons"]) == {"face_too_small", "too_bright"}
    assert row["start_s"] == 1.6
    assert row["length_s"] == 1.2


def test_clips_by_state_and_route_together(ws: Workspace):
    assert list_clips(ws, ListQuery(state="admitted")).total == 3
    assert list_clips(ws, ListQuery(state="rejected")).total == 2
    assert list_clips(ws, ListQuery(state="rejected", route=Route.BOTH)).total == 0


def test_limit_cuts_rows_not_the_total(ws: Workspace):
    actual = list_clips(ws, ListQuery(limit=2))
    assert len(actual.rows) == 2
    assert actual.total == len(footage.CLIPS_MADE)


@pytest.mark.parametrize("wanted", [ListQuery(state="admitted"), ListQuery(reason="nonsense")])
def test_impossible_filters_are_refused(ws: Workspace, wanted: ListQuery):
    with pytest.raises(NotFoundError, match="known are"):
        list_files(ws, wanted)


def test_clips_have_no_file_reasons(ws: Workspace):
    with pytest.raises(NotFoundError, match="no reason 'no_face'"):
        list_clips(ws, ListQuery(reason="no_face"))


def test_clips_come_with_what_people_said(tmp_path):
    ws = footage.make(tmp_path / "ws")
    row = footage.clip_row(footage.CLIPS_MADE[0])
    store_labels(ws, [NewLabel(row["clip_id"], row["media_id"], Stage.STAGE2, False, "grey", "Ann")])
    labels = {one["clip_id"]: (one["stage1_label"], one["stage2_label"]) for one in list_clips(ws, ListQuery()).rows}
    assert labels.pop(row["clip_id"]) == (None, "refused by Ann: grey")
    assert set(labels.values()) == {(None, None)}
