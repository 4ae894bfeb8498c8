"""Data sets of a release: what they hold equals the stores, bit for bit, in one order, whatever happened since."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset

import heterodub
from heterodub.schemas.errors import NotFoundError, WorkspaceError
from heterodub.schemas.tables import STAGE1, STAGE2
from heterodub.tasks.stores import tables
from tests.tasks.training.face_release import BOX
from tests.tasks.training.speakers import speakers
from tests.tasks.training.talkers import publish

FRAMES = 10


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    """Five speakers, a clip each: three train, one val, one test; the second release lacks one of train."""
    ws = speakers(tmp_path_factory.mktemp("reading") / "workspace", 5, FRAMES)
    rows = tables.read(ws, "clips").sort_by("clip_id")
    first = rows.filter([split == "train" for split in rows["split"].to_pylist()]).slice(0, 1)
    gone = first.set_column(rows.schema.get_field_index("stage1"), rows.schema.field("stage1"), [[False]])
    tables.replace_rows(ws, "clips", gone, "clip_id")
    publish(ws)
    return ws


def stored(ws, table: str) -> dict[str, dict]:
    return {row["clip_id"]: row for row in tables.read(ws, table).to_pylist()}


def test_release_is_read_as_published(ws):
    workspace = heterodub.open_workspace(ws.root)
    first, second = workspace.releases()["release_id"]
    assert workspace.release().id == second != first
    assert len(workspace.release(first).dataset("stage1", "train")) == 3
    assert len(workspace.release().dataset("stage1", "train")) == 2
    assert len(workspace.release(first).dataset("stage1")) == len(workspace.clips()) == len(workspace.files()) == 5


def test_speech_equals_store(ws):
    dataset, rows = heterodub.open_workspace(ws.root).release().dataset("stage1", "train"), stored(ws, "stage1")
    assert dataset.clip_ids == sorted(dataset.clip_ids)
    for sample, clip_id in zip(dataset, dataset.clip_ids, strict=True):
        row = rows[clip_id]
        np.testing.assert_array_equal(sample.landmarks, np.float32(row["landmarks"]).reshape(FRAMES, 216, 2))
        np.testing.assert_array_equal(sample.mel.reshape(-1, 80), np.float32(row["mel"]))
        assert sample.mel.shape == (FRAMES, 4, 80)
        assert sample.tracked.tolist() == row["tracked"]
        assert (sample.clip_id, sample.landmarks.dtype, sample.mel.dtype) == (clip_id, np.float32, np.float32)


def test_faces_equal_store(ws):
    dataset, rows = heterodub.open_workspace(ws.root).release().dataset("stage2", "val"), stored(ws, "stage2")
    (sample,) = dataset
    row = rows[sample.clip_id]
    bgr = [cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR) for crop in row["crops"]]
    np.testing.assert_array_equal(sample.frames, np.stack(bgr)[..., ::-1])
    assert (sample.frames.shape, sample.frames.dtype) == ((FRAMES, 64, 64, 3), np.uint8)
    np.testing.assert_array_equal(sample.landmarks.reshape(FRAMES, -1), np.float32(row["landmarks"]))
    np.testing.assert_array_equal(sample.crop_boxes, np.float32([BOX] * FRAMES))
    placed = sample.crop_landmarks * (BOX[2] / 64) + np.float32(BOX[:2])
    np.testing.assert_allclose(placed, sample.landmarks, atol=1e-3)


def test_frames_are_in_the_order_of_the_data_set(ws):
    release = heterodub.open_workspace(ws.root).release()
    for stage, schema in (("stage1", STAGE1), ("stage2", STAGE2)):
        dataset = release.dataset(stage)
        assert dataset.to_arrow().schema.names == schema.names
        assert dataset.to_arrow(["frames", "clip_id"])["clip_id"].to_pylist() == dataset.clip_ids
        frame, labels = dataset.to_pandas(), dataset.clips()
        assert list(frame["clip_id"]) == list(labels["clip_id"]) == dataset.clip_ids
        assert list(frame["speaker"]) == list(labels["speaker"])
        np.testing.assert_array_equal(frame["landmarks"][0], dataset[0].landmarks)
    empty = release.dataset("stage1", "val")
    assert len(empty) == empty.to_arrow().num_rows == 1


def test_stream_is_divided_over_devices_and_workers(ws):
    dataset = heterodub.open_workspace(ws.root).release().dataset("stage1")
    stream = dataset.iterable(shuffle=True, seed=3)
    assert isinstance(stream, IterableDataset)
    orders = []
    for epoch in (0, 1, 0):
        stream.set_epoch(epoch)
        orders.append([sample.clip_id for sample in stream])
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == dataset.clip_ids
    shares = [dataset.iterable(shuffle=True, seed=3, rank=rank, devices=2) for rank in (0, 1)]
    assert sorted(sample.clip_id for share in shares for sample in share) == dataset.clip_ids
    assert [len(share) for share in shares] == [2, 2]
    loaded = list(DataLoader(stream, batch_size=None, num_workers=2, multiprocessing_context="spawn"))
    assert sorted(sample.clip_id for sample in loaded) == dataset.clip_ids
    assert isinstance(loaded[0].mel, torch.Tensor)


@pytest.mark.parametrize(
    "ask",
    [
        lambda workspace: workspace.release("r000000000000"),
        lambda workspace: workspace.release().dataset("stage3"),
        lambda workspace: workspace.release().dataset("stage1", "validation"),
    ],
)
def test_what_is_not_there_is_refused(ws, ask):
    with pytest.raises(NotFoundError):
        ask(heterodub.open_workspace(ws.root))


def test_folder_without_workspace_is_refused(tmp_path):
    with pytest.raises(WorkspaceError, match="no workspace"):
        heterodub.open_workspace(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_import_loads_nothing_heavy():
    """Logged models hold heterodub/__init__.py without the tasks, so its import must not need them."""
    code = "import sys, heterodub; print([n for n in sys.modules if n.partition('.')[0] in sys.argv[1:]])"
    heavy = ("numpy", "torch", "pandas", "pyarrow", "deltalake", "pydantic")
    assert subprocess.check_output([sys.executable, "-c", code, *heavy], text=True).strip() == "[]"
