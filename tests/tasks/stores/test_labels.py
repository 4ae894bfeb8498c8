from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from heterodub.schemas.errors import WorkspaceError
from heterodub.schemas.reasons import Stage
from heterodub.schemas.tables import LABELS
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.labels import NewLabel, label_rows, labels_by_media, read_labels, store_labels
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.stores.sample_store import new_workspace


@pytest.fixture
def ws(tmp_path) -> Workspace:
    return new_workspace(tmp_path)


def label(clip: str, stage: Stage = Stage.STAGE1, keep: bool | None = True, by: str = "Ann") -> NewLabel:
    return NewLabel(clip, f"media of {clip}", stage, keep, "seen", by)


def test_newest_label_of_clip_and_stage_stands(ws):
    store_labels(ws, [label("a"), label("a", Stage.STAGE2), label("b")])
    store_labels(ws, [label("a", keep=False, by="Bob")])
    labels = read_labels(ws)
    assert {key: (one.keep, one.by) for key, one in labels.items()} == {
        ("a", Stage.STAGE1): (False, "Bob"),
        ("a", Stage.STAGE2): (True, "Ann"),
        ("b", Stage.STAGE1): (True, "Ann"),
    }
    assert labels["a", Stage.STAGE1].text == "refused by Bob: seen"
    assert [row["sequence"] for row in label_rows(ws)] == [1, 2, 3, 4]


def test_removed_label_does_not_stand_and_stays_in_the_history(ws):
    store_labels(ws, [label("a"), label("b")])
    store_labels(ws, [label("a", keep=None)])
    assert [clip for clip, _ in read_labels(ws)] == ["b"]
    assert [row["keep"] for row in label_rows(ws)] == [True, True, None]


def test_older_version_is_read_as_it_was(ws):
    version = store_labels(ws, [label("a")])
    store_labels(ws, [label("a", keep=False)])
    assert read_labels(ws, version)["a", Stage.STAGE1].keep
    assert not read_labels(ws)["a", Stage.STAGE1].keep


def test_labels_stored_at_the_same_time_are_all_kept(ws):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda clip: store_labels(ws, [label(clip)]), "abcd"))
    assert sorted(row["sequence"] for row in label_rows(ws)) == [1, 2, 3, 4]
    assert labels_by_media(read_labels(ws))["media of c"] == {"c": {Stage.STAGE1: True}}


def test_asking_creates_no_table(ws):
    assert read_labels(ws) == {}
    assert tables.size(ws, "labels").version is None


def test_table_with_an_unknown_stage_is_damaged(ws):
    store_labels(ws, [label("a")])
    rows = tables.read(ws, "labels").to_pylist()
    changed = pa.Table.from_pylist([row | {"stage": "stage3"} for row in rows], schema=LABELS)
    tables.replace_rows(ws, "labels", changed, "clip_id")
    with pytest.raises(WorkspaceError, match="stage3"):
        read_labels(ws)
