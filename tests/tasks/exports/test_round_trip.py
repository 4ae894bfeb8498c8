"""Rows that the libraries of each format read from an export equal the stores, bit for bit."""

import json
from dataclasses import fields, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.contract import MEL_BANDS
from heterodub.schemas.errors import NotFoundError, WorkspaceError
from heterodub.schemas.policy import load_policy
from heterodub.schemas.reasons import Stage
from heterodub.schemas.rights import Rights, UseRights
from heterodub.schemas.tables import EMBEDDINGS
from heterodub.tasks.exports import shards
from heterodub.tasks.exports.card import write_card
from heterodub.tasks.exports.export import ExportRequest, check_export, export_release
from heterodub.tasks.exports.metadata import Contents
from heterodub.tasks.exports.rows import FACTS, export_rows
from heterodub.tasks.exports.shards import ParquetShards, TarShards, features
from heterodub.tasks.media.paths import fingerprint
from heterodub.tasks.reading.workspace import WorkspaceReader
from heterodub.tasks.releases import releases
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import set_policy
from tests.tasks.training.speakers import speakers

SPLITS = {"train": 3, "val": 1, "test": 1}


def require_equal(stored, arrays, crops=None):
    """Compare arrays and encoded crops of a clip with its stored row."""
    np.testing.assert_array_equal(np.asarray(arrays["landmarks"], np.float32), stored.landmarks)
    np.testing.assert_array_equal(np.asarray(arrays["tracked"], bool), stored.tracked)
    if crops is None:
        np.testing.assert_array_equal(np.asarray(arrays["mel"], np.float32).reshape(-1, MEL_BANDS), stored.mel)
    else:
        np.testing.assert_array_equal(np.asarray(arrays["crop_boxes"], np.float32), stored.boxes)
        assert tuple(crops) == stored.crops


@pytest.mark.parametrize("stage", Stage)
def test_webdataset_reads_what_is_stored(release, exported, stage):
    import webdataset

    for split, count in SPLITS.items():
        dataset = release.dataset(stage, split)
        shard = exported("webdataset") / stage / f"{split}-00000.tar"
        samples = list(webdataset.WebDataset(str(shard), shardshuffle=False).decode(only=["json", "npz"]))
        assert [sample["__key__"] for sample in samples] == dataset.clip_ids
        assert len(samples) == count
        for number, sample in enumerate(samples):
            crops = [sample[name] for name in sample if name.endswith(".png")]
            require_equal(dataset.stored(number), sample["npz"], crops if stage is Stage.STAGE2 else None)
            facts = sample["json"]
            assert (facts["release"], facts["split"]) == (release.id, split)
            assert facts["speaker"] == dataset.speakers[number]


@pytest.mark.parametrize("stage", Stage)
def test_hugging_face_reads_what_is_stored(release, exported, stage, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    loaded = datasets.load_dataset(str(exported("hf")), str(stage), cache_dir=str(tmp_path))
    assert {split: len(rows) for split, rows in loaded.items()} == SPLITS
    for split, rows in loaded.items():
        assert rows.features == datasets.Features.from_dict(features(stage, with_audio=False))
        assert set(rows["release"]) == {release.id}
        dataset = release.dataset(stage, split)
        assert list(rows["clip_id"]) == dataset.clip_ids
        raw = rows.cast_column("crops", datasets.List(datasets.Image(decode=False))) if stage is Stage.STAGE2 else rows
        for number, row in enumerate(raw):
            crops = [one["bytes"] for one in row["crops"]] if stage is Stage.STAGE2 else None
            require_equal(dataset.stored(number), row, crops)


def test_croissant_is_valid_and_reads_what_is_stored(release, exported):
    mlcroissant = pytest.importorskip("mlcroissant", reason="no mlcroissant: a part of it has no wheel to lock")
    described = mlcroissant.Dataset(jsonld=str(exported("croissant") / "croissant.json"))
    assert described.metadata.issues.errors == set()
    names = {record["splits/name"] for record in described.records("splits")}
    assert names == set(SPLITS)
    for stage in Stage:
        dataset = release.dataset(stage)
        found = {record[f"{stage}/clip_id"].decode(): record for record in described.records(str(stage))}
        assert sorted(found) == dataset.clip_ids
        for number, clip_id in enumerate(dataset.clip_ids):
            arrays = {name.partition("/")[2]: value for name, value in found[clip_id].items()}
            require_equal(
                dataset.stored(number), arrays, None if stage is Stage.STAGE1 else dataset.stored(number).crops
            )
            assert arrays["release"].decode() == release.id
            if stage is Stage.STAGE2:
                np.testing.assert_array_equal(np.stack(arrays["crops"]), dataset[number].frames)


def test_croissant_has_what_its_specification_requires(release, exported):
    """Also where mlcroissant is not installed; it checks more."""
    folder = exported("croissant")
    document = json.loads((folder / "croissant.json").read_text())
    assert {"@context", "@type", "conformsTo", "name", "description", "version", "license"} <= set(document)
    resources = {one["@id"]: one for one in document["distribution"]}
    files = {name: one for name, one in resources.items() if one["@type"] == "cr:FileObject"}
    assert set(files) == {str(path.relative_to(folder)) for path in folder.rglob("*.parquet")}
    for name, one in files.items():
        assert one["sha256"] == fingerprint(folder / name)
        assert one["contentSize"] == f"{(folder / name).stat().st_size} B"
    splits, *records = document["recordSet"]
    assert {row["splits/name"] for row in splits["data"]} == set(SPLITS)
    assert [one["@id"] for one in records] == [str(stage) for stage in Stage]
    for one in records:
        columns = set()
        for field in one["field"]:
            assert {"@type", "@id", "name", "dataType", "source"} <= set(field)
            pattern = resources[field["source"]["fileSet"]["@id"]]["includes"]
            columns.add(field["source"]["extract"]["column"])
        for path in folder.glob(pattern):
            assert set(pq.read_schema(path).names) == columns
        assert one["key"]["@id"] in {field["@id"] for field in one["field"]}


@pytest.mark.parametrize("form", ["webdataset", "hf", "croissant"])
def test_equal_releases_give_equal_files(release, exported, form, tmp_path):
    export_release(release, ExportRequest(form, tmp_path / "again"), LimitSettings())
    first = {
        path.relative_to(exported(form)): path.read_bytes() for path in exported(form).rglob("*") if path.is_file()
    }
    again = {path.relative_to(tmp_path / "again"): path.read_bytes() for path in (tmp_path / "again").rglob("*.*")}
    assert first == again
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_record_states_release_splits_and_licences(release, exported):
    record = json.loads((exported("webdataset") / "export.json").read_text())
    assert record["release"] == release.id
    assert record["clips"] == {"stage1": SPLITS, "stage2": SPLITS}
    assert record["licences"] == {"unstated": 10}
    files = {str(path.relative_to(exported("webdataset"))) for path in exported("webdataset").rglob("*.tar")}
    assert set(record["files"]) == files
    card = (exported("hf") / "README.md").read_text()
    assert release.id in card
    assert "| unstated | 10 |" in card
    assert "`mel`" in card
    assert "`audio`" not in card


def test_labels_are_plain_text_in_the_card(release, tmp_path):
    write_card(tmp_path, Contents(release.info, licences={"a | b\n<script>": 1}))
    assert "| a &#124; b &lt;script&gt; | 1 |" in (tmp_path / "README.md").read_text()


def test_export_says_nothing_of_the_machine(exported):
    """Addresses of raw files stay behind."""
    for path in exported("webdataset").rglob("*.*"):
        assert b"/footage/" not in path.read_bytes()


@pytest.mark.parametrize("kind", [TarShards, ParquetShards])
def test_shards_are_closed_when_full(release, tmp_path, kind, monkeypatch):
    monkeypatch.setattr(shards, "_GROUP_BYTES", 1)
    dataset = release.dataset("stage1", "train")
    written = kind(tmp_path, Stage.STAGE1, "train", False, shard_bytes=1)
    for row in export_rows(dataset, {}):
        written.add(row)
        assert set(row.facts) == set(FACTS)
    written.close()
    assert written.counts == [1, 1, 1]
    assert sorted(tmp_path.rglob("train-*")) == written.paths


def test_narrowed_export_holds_one_stage_and_split(release, tmp_path):
    summary = export_release(
        release, ExportRequest("hf", tmp_path / "few", stages=("stage2",), splits=("val",)), LimitSettings()
    )
    assert summary["clips"] == {"stage2": {"val": 1}}
    assert [path.name for path in (tmp_path / "few").rglob("*.parquet")] == ["val-00000.parquet"]


def test_folder_that_holds_something_is_refused(release, tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(WorkspaceError, match="holds something"):
        export_release(release, ExportRequest("hf", tmp_path), LimitSettings())
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_export_without_clips_is_refused(release, tmp_path):
    empty = replace(release, info=replace(release.info, counts={"stage1": {}, "stage2": {}}))
    with pytest.raises(NotFoundError, match="nothing to export"):
        check_export(empty, ExportRequest("hf", tmp_path / "none"))


def test_export_asks_the_rights_of_now_and_those_that_an_older_release_has_of_files_alone(tmp_path):
    ws = speakers(tmp_path / "workspace", 5, 8)
    media = tables.read(ws, "clips", ["media_id"])["media_id"].to_pylist()

    def state(consents: list[str | None]) -> None:
        rows = pa.table({"media_id": media, "consent": pa.array(consents, pa.string())})
        tables.update_columns(ws, "catalog", rows, "media_id")

    def left_out(name: str) -> tuple[int, str]:
        summary = export_release(WorkspaceReader(ws).release(), ExportRequest("hf", tmp_path / name), LimitSettings())
        return summary["clips_left_out"], summary["left_out_for"]

    last = releases.latest(ws)
    origin = releases.ReleaseProvenance(*(getattr(last, one.name) for one in fields(releases.ReleaseProvenance)))
    state(["yes", "no", None, None, None])  # as layout 6 had it, which had none on clips
    clips = tables.read(ws, "clips", ["clip_id"])
    tables.update_columns(ws, "clips", clips.append_column("purpose", pa.array(["any"] * 5)))
    assert releases.publish(ws, releases.current_versions(ws), origin, {"checks": 1}).changed
    state([None] * 5)
    assert left_out("then") == (1, "consent_not_permitted (1)")
    state([None, "given", "withdrawn: letter", None, None])
    assert left_out("now") == (2, "consent_not_permitted (2)")
    tables.delete_rows(ws, "catalog", "media_id", media[2:3])
    assert left_out("unknown by now") == (1, "consent_not_permitted (1)")


def test_export_leaves_out_what_the_rights_do_not_allow(tmp_path):
    ws = speakers(tmp_path / "workspace", 5, 8)
    clips = tables.read(ws, "clips", ["clip_id", "media_id", "split"]).to_pylist()
    licences = {row["clip_id"]: "House" if row["split"] == "train" else None for row in clips}
    changes = pa.table({"clip_id": [*licences], "licence": pa.array([*licences.values()], pa.string())})
    tables.update_columns(ws, "clips", changes)
    tables.update_columns(ws, "catalog", pa.table({
        "media_id": [row["media_id"] for row in clips], "licence": changes["licence"],
    }), "media_id")  # fmt: skip
    last = releases.latest(ws)
    origin = releases.ReleaseProvenance(*(getattr(last, one.name) for one in fields(releases.ReleaseProvenance)))
    new = releases.publish(ws, releases.current_versions(ws), origin, {"checks": 1})
    assert new.changed and new.release.licences == ("House", "unstated")
    reader = WorkspaceReader(ws).release()
    for allowed, left_out in ((["unstated"], 3), (["House"], 2)):
        set_policy(ws, load_policy().model_copy(update={"rights": Rights(export=UseRights(licences=allowed))}))
        folder = tmp_path / allowed[0]
        summary = export_release(reader, ExportRequest("hf", folder), LimitSettings())
        assert (summary["clips_left_out"], summary["left_out_for"]) == (left_out, f"licence_not_permitted ({left_out})")
        assert summary["licences"] == {allowed[0]: 2 * (5 - left_out)}
        written = [pq.read_table(path, columns=["licence"])["licence"] for path in folder.rglob("*.parquet")]
        assert {str(one) for column in written for one in column.to_pylist()} == {
            allowed[0].replace("unstated", "None")
        }
    set_policy(ws, load_policy().model_copy(update={"rights": Rights(export=UseRights(licences=["Other"]))}))
    with pytest.raises(NotFoundError, match=r"allow no clip .* licence_not_permitted"):
        export_release(reader, ExportRequest("hf", tmp_path / "none"), LimitSettings())
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("form", ["hf", "webdataset"])
def test_exports_leave_embeddings_out(tmp_path, form):
    """They are biometric data of people, which who reads a data set is not to recognise."""
    ws = speakers(tmp_path / "workspace", 3, 8)
    clips = tables.read(ws, "clips", ["clip_id", "media_id", "backend", "frames"]).to_pylist()
    mark = {"face": [0.1234567] * 128, "face_frames": [1], "face_version": "dlib", "voice_s": 0.0}
    rows = [clip | mark | {"missing": [("voice", "silent")]} for clip in clips]
    tables.append_rows(ws, "embeddings", pa.Table.from_pylist(rows, schema=EMBEDDINGS))
    folder = tmp_path / form
    export_release(WorkspaceReader(ws).release(), ExportRequest(form, folder), LimitSettings())
    for path in (one for one in folder.rglob("*") if one.is_file()):
        assert b"dlib" not in path.read_bytes() and b"embedding" not in path.read_bytes()
        if path.suffix == ".parquet":
            assert {"face", "face_frames", "voice"}.isdisjoint(pq.read_schema(path).names)
