"""The reading code of README and docs/python.md does what it says; and what the latter warns of is true."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import heterodub
from heterodub.schemas.reasons import Stage
from heterodub.schemas.tables import LABELS
from heterodub.tasks.releases import releases
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.labels import NewLabel, store_labels
from tests.tasks.training.speakers import speakers

ROOT = Path(__file__).parents[1]
SPEAKERS, FRAMES = 4, 12


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    """A release of four clips, one of which was decided anew since."""
    ws = speakers(tmp_path_factory.mktemp("readme") / "workspace", SPEAKERS, FRAMES)
    rows = tables.read(ws, "clips")
    changed = rows.slice(0, 1).set_column(
        rows.schema.get_field_index("policy"), rows.schema.field("policy"), [["another"]]
    )
    tables.replace_rows(ws, "clips", changed, "clip_id")
    return ws


def run(page: str, ws) -> dict:
    """Run the page's Python blocks as one program; what it leaves behind."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL))
    collected: dict = {}
    exec(code.replace("WORKSPACE", ws.root).replace('"schemas/', f'"{ROOT}/schemas/'), collected)
    return collected


def test_readme_example_reads_release_as_published(ws):
    collected = run("README.md", ws)
    assert collected["release"].id == releases.latest(ws).release_id
    assert "another" not in set(collected["frame"]["policy"])
    stored = {row["clip_id"]: row for row in tables.read(ws, "stage1").to_pylist()}
    sample = collected["sample"]
    np.testing.assert_array_equal(sample.landmarks.ravel(), np.float32(stored[sample.clip_id]["landmarks"]).ravel())
    assert sample.landmarks.shape == (FRAMES, 216, 2)
    assert sample.mel.shape == (FRAMES, 4, 80)
    assert collected["faces"][0].frames.shape == (FRAMES, 64, 64, 3)


def test_python_page_example_runs(ws):
    collected = run("docs/python.md", ws)
    assert list(collected["workspace"].clips()["policy"]).count("another") == 1
    assert collected["clip"].clip_id in collected["train"].clip_ids


def test_labels_are_read_as_a_frame(ws):
    opened = heterodub.open_workspace(ws.root)
    assert list(opened.labels().columns) == LABELS.names and opened.labels().empty
    clip, media = (tables.read(ws, "clips")[name][0].as_py() for name in ("clip_id", "media_id"))
    store_labels(ws, [NewLabel(clip, media, Stage.STAGE1, False, "noisy", "Ann")])
    (row,) = opened.labels().to_dict("records")
    assert (row["clip_id"], row["stage"], row["keep"], row["by"]) == (clip, "stage1", False, "Ann")


def test_plain_parquet_holds_superseded_rows(ws):
    """As the page warns: a clip comes twice, once as it was."""
    read = pd.read_parquet(ws.table_uri("clips"))
    assert len(read) > read["clip_id"].nunique() == SPEAKERS
