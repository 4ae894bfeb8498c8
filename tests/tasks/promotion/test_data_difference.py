"""Difference of two releases, by corpus and reason."""

import pyarrow as pa

from heterodub.schemas.reasons import Stage
from heterodub.tasks.promotion.comparison_page import data_difference
from heterodub.tasks.releases import releases
from heterodub.tasks.stores import tables
from tests.tasks.stores.sample_rows import clip_id
from tests.tasks.training.talkers import add_media, publish, talkers


def test_added_and_removed_clips_are_counted_by_corpus_and_reason(tmp_path):
    ws = talkers(tmp_path / "ws", speakers=6, clips=1, frames=20)  # 0, 3 and 4 train, 1 and 5 val, 2 test
    before = releases.latest(ws).release_id
    add_media(ws, 7, 2, 20, corpus="new corpus")
    refused = {"clip_id": [clip_id(0)], "stage1": [False], "stage1_reasons": [["little_speech"]]}
    tables.update_columns(ws, "clips", pa.table(refused))
    tables.update_columns(ws, "clips", pa.table({"clip_id": [clip_id(1)], "split": ["test"]}))
    tables.delete_rows(ws, "clips", "clip_id", [clip_id(3)])
    after = publish(ws).release_id

    result = data_difference(ws, before, after, Stage.STAGE1)
    assert result.added == (("new corpus", "new footage", 2),)
    assert set(result.removed) == {
        ("default", "now refused: little_speech", 1),
        ("default", "now in another split", 1),
        ("default", "not in the workspace any more", 1),
    }
    assert result.kept == 2
    back = data_difference(ws, after, before, Stage.STAGE1)
    assert ("default", "was refused: little_speech", 1) in back.added
    assert ("default", "was in another split", 1) in back.added
    assert not data_difference(ws, after, after, Stage.STAGE1).added


def test_unreadable_releases_are_noted(tmp_path):
    ws = talkers(tmp_path / "ws", speakers=2, clips=1, frames=20)
    result = data_difference(ws, "r-none", releases.latest(ws).release_id, Stage.STAGE1)
    assert "no release r-none" in result.note and not result.added
