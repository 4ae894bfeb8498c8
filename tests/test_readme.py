"""The README's reading code does what it says; and what it warns of is true."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from heterodub.tasks.releases import releases
from heterodub.tasks.stores import tables
from tests.tasks.training.talkers import talkers

README = Path(__file__).parents[1] / "README.md"
SPEAKERS, CLIPS, FRAMES = 4, 1, 20


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    """A release of four clips, one of which was decided anew since."""
    ws = talkers(tmp_path_factory.mktemp("readme") / "workspace", speakers=SPEAKERS, clips=CLIPS, frames=FRAMES)
    rows = tables.read(ws, "clips")
    changed = rows.slice(0, 1).set_column(
        rows.schema.get_field_index("policy"), rows.schema.field("policy"), [["another"]]
    )
    tables.replace_rows(ws, "clips", changed, "clip_id")
    return ws


def test_reading_example_returns_current_rows_and_release(ws):
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    collected: dict = {}
    exec(code.replace("WORKSPACE", ws.root), collected)
    assert sorted(collected["clips"]["clip_id"]) == sorted(tables.read(ws, "clips")["clip_id"].to_pylist())
    assert list(collected["clips"]["policy"]).count("another") == 1
    assert collected["newest"]["release_id"] == releases.latest(ws).release_id
    stored = tables.read(ws, "stage1", filter=None).to_pylist()
    same = next(row for row in stored if row["clip_id"] == collected["row"]["clip_id"])
    np.testing.assert_array_equal(collected["landmarks"].ravel(), np.float32(same["landmarks"]).ravel())
    assert collected["landmarks"].shape == (FRAMES, 216, 2)


def test_plain_parquet_holds_superseded_rows(ws):
    """As the README warns: a clip comes twice, once as it was."""
    read = pd.read_parquet(ws.table_uri("clips"))
    assert len(read) > read["clip_id"].nunique() == SPEAKERS * CLIPS
