"""Former findings of the fuzzer: each ends as a refusal now."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from heterodub.model.io import load_generator
from heterodub.model.stage1.inference import predict_clip
from heterodub.model.stage2.translator import require
from heterodub.model.training.checkpoints import LAST
from heterodub.schemas.cards import CARD
from heterodub.schemas.config.settings import load_settings
from heterodub.schemas.errors import (
    HeterodubError,
    ModelFileError,
    SettingsError,
    SourceError,
    TrainingError,
    WorkspaceError,
)
from heterodub.schemas.policy import load_policy
from heterodub.schemas.promotion import load_promotion_policy
from heterodub.tasks.dubbing.jobs import read_jobs
from heterodub.tasks.inspect.status import status
from heterodub.tasks.releases import releases
from heterodub.tasks.reproduction.study_scoring import read_key
from heterodub.tasks.reproduction.study_videos import read_videos
from heterodub.tasks.sources.corpus import load_corpus
from heterodub.tasks.stores import parts, tables
from heterodub.tasks.stores.active_policy import active_policy
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.kinds import generator_example
from tests.fuzz.model_targets import _save_generator, _train
from tests.fuzz.targets import _KEY
from tests.tasks.inspect import footage


@pytest.mark.parametrize("read", [load_settings, load_policy, load_promotion_policy, load_corpus])
@pytest.mark.parametrize("content", [b"a = " + b"[" * 5000, b"a = '\xff'", b"a = \x00"])
def test_malformed_and_deeply_nested_toml_is_refused(tmp_path, read, content):
    (tmp_path / "x.toml").write_bytes(content)
    with pytest.raises((SettingsError, SourceError), match=r"x\.toml|is not a known field"):
        read(tmp_path / "x.toml")


@pytest.mark.parametrize("named", ["a\0b.mp4", "s3://key:secret@bucket/a.mp4"])
@pytest.mark.parametrize(
    ("read", "lines"),
    [
        (read_jobs, "video,speech,out\n{},a.wav,out.mp4\n"),
        (read_jobs, "video,speech,out\na.mp4,a.wav,{}\n"),
        (read_videos, "clip,system,video,source\n1,ours,{},s.mp4\n1,theirs,b.mp4,s.mp4\n"),
    ],
)
def test_impossible_names_and_secret_addresses_are_refused(tmp_path, read, lines, named):
    (tmp_path / "x.csv").write_text(lines.format(named))
    with pytest.raises(SourceError, match="row 1") as caught:
        read(tmp_path / "x.csv")
    assert "secret" not in str(caught.value)


def test_binary_card_is_refused(tmp_path):
    _save_generator(tmp_path)
    (tmp_path / CARD).write_bytes(b"\xff" + (tmp_path / CARD).read_bytes())
    with pytest.raises(ModelFileError, match="holds no landmark generator"):
        load_generator(tmp_path)


@pytest.mark.parametrize("claim", [{"width": 4_000_000}, {"width": 64}, {"time_blocks": 1_000_000_000}])
def test_card_with_other_sizes_than_its_weights_is_refused(tmp_path, claim):
    """Nothing of that size is made: it would take all memory there is, or never end."""
    _save_generator(tmp_path)
    card = json.loads((tmp_path / CARD).read_text())
    card["architecture"] |= claim
    (tmp_path / CARD).write_text(json.dumps(card))
    with pytest.raises(ModelFileError, match=r"what its card says|time_blocks"):
        load_generator(tmp_path)


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("reference", np.zeros((0, 216, 2)), "reference: the shape"),
        ("reference", np.zeros((1, 215, 2)), "reference: the shape"),
        ("landmarks", np.zeros(()), "landmarks: the shape"),
        ("landmarks", np.zeros((0, 216, 2)), "landmarks: the shape"),
        ("landmarks", np.zeros((5, 216)), "landmarks: the shape"),
        ("landmarks", np.full((5, 216, 2), "x"), "landmarks: numbers"),
        ("mel", np.full((20, 80), None), "mel: numbers"),
        ("mel", np.full((20, 80), 1e300), "mel: a value is not finite"),
        ("reference", np.full((1, 216, 2), 1j), "reference: numbers"),
    ],
)
def test_arrays_of_no_clip_are_refused(tmp_path, name, values, says):
    _save_generator(tmp_path)
    with pytest.raises(ValueError, match=says):
        predict_clip(load_generator(tmp_path)[0], **(dict(generator_example()) | {name: values}))


def test_non_finite_landmarks_are_refused():
    with pytest.raises(ValueError, match="numbers of shape"):
        require(8, np.zeros((1, 8, 8, 3), np.uint8), np.full((1, 216, 2), "x"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return footage.make(tmp_path_factory.mktemp("fuzz") / "ws")


@pytest.fixture
def ws(made, tmp_path) -> Workspace:
    return Workspace.open(str(shutil.copytree(made.root, tmp_path / "ws")))


def _in_log(ws: Workspace, table: str, change) -> None:
    """Change what the newest entry of a log says of the first file that was added."""
    path = max(Path(ws.root, table, "_delta_log").glob("*.json"))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(next(line["add"] for line in lines if "add" in line))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_delta_log_naming_a_file_outside_is_refused(ws, tmp_path):
    """An untrusted workspace must not show or copy files elsewhere on this machine."""
    (file, *_) = tables.file_names(ws, "clips")
    (tmp_path / "elsewhere.parquet").write_bytes((tmp_path / "ws" / "clips" / file).read_bytes())
    _in_log(ws, "clips", lambda add: add.update(path="../../elsewhere.parquet"))
    with pytest.raises(WorkspaceError, match="no file of the table's folder"):
        tables.read(ws, "clips")
    with pytest.raises(WorkspaceError, match="no file of the table's folder"):
        status(footage.settings(tmp_path / "ws"))


def test_delta_log_without_row_counts_is_read(ws):
    _in_log(ws, "clips", lambda add: add.pop("stats"))
    with pytest.raises(WorkspaceError, match="lacks its size"):
        tables.size(ws, "clips")


def test_delta_log_without_payload_owner_is_refused(ws):
    _in_log(ws, "stage1", lambda add: add.update(stats='{"numRecords": 1}'))
    with pytest.raises(WorkspaceError, match="whose file"):
        parts.media_in_parts(ws, "stage1")


@pytest.mark.parametrize(
    "change",
    [
        {"items": {"a": {"clip": "1", "system": "ours"}}},
        {"items": {"a": {"clip": "1", "system": "ours"}, "b": {"clip": "2", "system": "theirs"}}},
        {"systems": ["ours", "theirs", "others"]},
        {"forms": [["a", "b", "c"]]},
    ],
)
def test_inconsistent_study_key_is_refused(tmp_path, change):
    (tmp_path / "key.json").write_text(json.dumps(_KEY | change))
    with pytest.raises(SourceError, match=r"key\.json"):
        read_key(tmp_path / "key.json")


@pytest.mark.parametrize("counts", ["", "[1]", "[" * 5000, "null"])
def test_release_with_malformed_counts_is_refused(ws, tmp_path, counts):
    row = tables.read(ws, "releases").to_pylist()[0] | {"counts": counts, "sequence": 9, "release_id": "x"}
    tables.append_rows(ws, "releases", pa.Table.from_pylist([row], tables.read(ws, "releases").schema))
    for ask in (lambda: status(footage.settings(tmp_path / "ws")), lambda: releases.latest(ws)):
        with pytest.raises(HeterodubError, match="column counts"):
            ask()


def test_malformed_active_policy_is_refused(ws):
    ws.filesystem().pipe_file(ws.path("policy.json"), b'{"name": 1}')
    with pytest.raises(WorkspaceError, match=r"policy\.json"):
        active_policy(ws)


def test_rows_to_be_deleted_from_a_damaged_file(ws, tmp_path):
    """Only the last column is damaged: the rows are found, and cannot be copied."""
    path = next((tmp_path / "ws" / "stage1").glob("*.parquet"))
    media = str(pq.read_table(path, columns=["media_id"])["media_id"][0])
    rows = pq.ParquetFile(path).metadata.row_group(0)
    column = rows.column(rows.num_columns - 1)
    with path.open("r+b") as file:
        file.seek(column.data_page_offset)
        file.write(bytes(column.total_compressed_size))
    with pytest.raises(WorkspaceError, match="cannot be read"):
        tables.delete_rows(ws, "stage1", "media_id", [media])


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: kept["state"].update(step="x"),
        lambda kept: kept["state"].update(step=-1),
        lambda kept: kept["module"]["roots"].update(network={}),
        lambda kept: kept["module"]["roots"]["optimiser"]["state"][0].update(exp_avg=None),
        lambda kept: kept.update(module=None),
    ],
)
def test_checkpoint_whose_values_are_not_of_this_training(tmp_path, change):
    _train(tmp_path, 2)
    kept = torch.load(tmp_path / LAST, weights_only=True)
    change(kept)
    torch.save(kept, tmp_path / LAST)
    with pytest.raises(TrainingError, match="delete it to start anew"):
        _train(tmp_path, 3)
