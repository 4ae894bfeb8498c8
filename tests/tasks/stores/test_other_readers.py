"""The tables are read by other libraries, as docs/python.md says, with the same rows and numbers."""

import json

import duckdb
import numpy as np
import polars
import pytest
from deltalake import DeltaTable
from pyarrow import parquet

from heterodub.schemas.contract import LANDMARK_POINTS
from heterodub.schemas.tables import TABLES
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import filled_workspace

FILLED = ("catalog", "clips", "stage1", "stage2")


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return filled_workspace(tmp_path_factory.mktemp("readers"), range(3))


def landmarks(rows: list) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, LANDMARK_POINTS, 2)


@pytest.mark.parametrize("table", FILLED)
def test_polars_reads_every_column(ws: Workspace, table: str):
    frame = polars.read_delta(ws.path(table))
    assert frame.columns == TABLES[table].names and frame.height == (3 if table == "catalog" else 6)


@pytest.mark.parametrize("table", FILLED)
def test_duckdb_reads_every_column(ws: Workspace, table: str):
    answer = duckdb.from_arrow(DeltaTable(ws.path(table)).to_pyarrow_dataset())  # delta_scan is a download
    assert answer.columns == TABLES[table].names and len(answer.fetchall()) == (3 if table == "catalog" else 6)


def test_numbers_are_the_stored_ones(ws: Workspace):
    expected = landmarks(sample.stage1_row(1)["landmarks"])
    frame = polars.read_delta(ws.path("stage1")).filter(polars.col("clip_id") == sample.clip_id(1))
    assert np.array_equal(landmarks(frame["landmarks"].to_list()[0]), expected)
    rows = duckdb.from_arrow(DeltaTable(ws.path("stage1")).to_pyarrow_dataset())
    ((stored,),) = rows.filter(f"clip_id = '{sample.clip_id(1)}'").project("landmarks").fetchall()
    assert np.array_equal(landmarks(stored), expected)
    cells = DeltaTable(ws.path("stage1")).to_pandas().set_index("clip_id")["landmarks"]
    assert np.array_equal(landmarks(np.vstack(cells[sample.clip_id(1)])), expected)


@pytest.mark.parametrize("table", ["clips", "stage1", "stage2"])
def test_files_tell_the_frame_rate_of_what_they_count_in_frames(ws: Workspace, table: str):
    schema = parquet.read_schema(DeltaTable(ws.path(table)).file_uris()[0])
    assert schema.metadata[b"frames_per_second"] == b"25"
    assert schema.field("frames").metadata[b"unit"] == b"frames"


@pytest.mark.parametrize("table", ["stage1", "stage2"])
def test_files_tell_unit_and_order_of_the_landmarks(ws: Workspace, table: str):
    schema = parquet.read_schema(DeltaTable(ws.path(table)).file_uris()[0])
    order = json.loads(schema.metadata[b"landmark_order"])
    assert (sum(order.values()), next(iter(order.items()))) == (LANDMARK_POINTS, ("outline", 40))
    assert schema.field("landmarks").metadata[b"unit"] == b"px"
