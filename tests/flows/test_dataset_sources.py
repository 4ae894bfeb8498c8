"""Films inside of shards and tables end in the rows that they have as files, and go round through exports."""

import io
import json
import shutil
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.config.settings import Settings, load_settings
from heterodub.schemas.rights import RIGHTS
from heterodub.tasks.exports.export import ExportRequest, export_release
from heterodub.tasks.inspect.report.snippets import snippets
from heterodub.tasks.media.paths import content_of
from heterodub.tasks.reading.workspace import WorkspaceReader
from heterodub.tasks.releases.publishing import assign
from heterodub.tasks.sources.open import source_files
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace
from tests.flows.heads import contents, portable
from tests.flows.plain_ingest import store
from tests.tasks.training.talkers import publish

LABELS = {"speaker": "Ada", "licence": "CC0", "consent": "given", "language": "en", "corpus": "letters"}
PUBLISHED = (
    "split",
    "split_group",
    "near_copy_of",
    "same_scene_as",
    "person",
    "person_found",
    "person_cause",
    "person_doubt",
)
ASSIGNED = (*PUBLISHED, "speaker", "corpus")
"""Columns that a source or the splits decide."""


def pack(folder: Path, films: list[Path], before: bytes = b"") -> None:
    """Write the first two films into a shard, behind `before`, and the others into a table."""
    with tarfile.open(folder / "shard.tar", "w") as tar:
        parts = [("0.txt", before)] if before else []
        for film in films[:2]:
            parts += [(f"spk/{film.name}", film.read_bytes()), (f"spk/{film.stem}.json", json.dumps(LABELS).encode())]
        for name, data in parts:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    rows = [{"video": {"bytes": film.read_bytes(), "path": film.name}} | LABELS for film in films[2:]]
    pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet")


@pytest.fixture(scope="module")
def films(footage) -> list[Path]:
    return sorted(footage.iterdir())[1:4]  # the first is longer


@pytest.fixture(scope="module")
def packed(films, config, cluster, tmp_path_factory) -> tuple[Path, Settings]:
    """A folder of a shard and a table, ingested."""
    (folder := tmp_path_factory.mktemp("packed") / "data").mkdir()
    pack(folder, films)
    settings = load_settings(config, workspace=str(folder.parent / "workspace"), run={"dask": cluster})
    store(folder, settings)
    assign(Workspace.open(settings.workspace), settings.splits)
    return folder, settings


@pytest.fixture(autouse=True)
def _server(prefect_api) -> None:
    """The steps leave artifacts."""


def rows_of(workspace: str | Path, table: str, names: set[str]) -> list[dict]:
    rows = portable(workspace)
    media = {row["media_id"] for row in rows["catalog"] if row["uri"] in names}
    return [
        {name: value for name, value in row.items() if name not in ASSIGNED}
        for row in rows[table]
        if row["media_id"] in media
    ]


def test_rows_equal_those_of_plain_files(packed, films, finished):
    _, settings = packed
    names = {film.name for film in films}
    for table in ("clips", "stage1", "stage2"):
        actual, plain = rows_of(settings.workspace, table, names), rows_of(finished.workspace, table, names)
        stated = {name: LABELS.get(name) for name in RIGHTS if table == "clips"}  # plain files state none
        assert actual == [row | stated for row in plain]
        assert len(actual) == 3
    files = contents(settings.workspace)["catalog"]
    assert [{name: row[name] for name in LABELS} for row in files] == [LABELS] * 3
    assert all("+file://" in row["uri"] for row in files)


def test_films_can_be_played_in_the_report(packed):
    _, settings = packed
    rows = contents(settings.workspace)
    by_uri = {row["uri"]: row for row in rows["catalog"]}
    assert len(snippets(rows["clips"], by_uri, settings, 1 << 24)) == 3


def test_shard_that_was_written_anew_costs_no_decoding(packed, films, tmp_path):
    folder, settings = packed
    workspace = shutil.copytree(settings.workspace, tmp_path / "workspace")
    moved = settings.model_copy(update={"workspace": str(workspace)})
    before = {row["clip_id"] for row in contents(workspace)["clips"]}
    try:
        pack(folder, films, before=b"another member in front")
        _, plan, tally = store(folder, moved)
        assert (len(plan.fresh), tally.files_done) == (4, 0)
        clips = contents(workspace)["clips"]
        assert {row["clip_id"] for row in clips} == before
        now = {raw.uri for raw in source_files(str(folder)) if raw.refusal is None}
        assert {row["uri"] for row in clips} == now
    finally:
        pack(folder, films)


@pytest.mark.parametrize("form", ["webdataset", "hf"])
def test_export_with_media_brings_files_and_labels_back(packed, form, tmp_path):
    _, settings = packed
    ws = Workspace.open(settings.workspace)
    release = WorkspaceReader(ws).release(publish(ws).release_id)
    export_release(release, ExportRequest(form, tmp_path / form, media=True), LimitSettings())
    before = {
        row["media_id"]: {name: row[name] for name in (*LABELS, "offset_s")}
        for row in tables.read(ws, "catalog").to_pylist()
    }
    after = {
        content_of(raw.uri): {name: getattr(raw, name) for name in before[content_of(raw.uri)]}
        for raw in source_files(str(tmp_path / form))
    }
    assert after == before


def test_export_ingested_elsewhere_gives_equal_clips(packed, tmp_path):
    _, settings = packed
    ws = Workspace.open(settings.workspace)
    release = WorkspaceReader(ws).release(publish(ws).release_id)
    export_release(release, ExportRequest("webdataset", tmp_path / "export", media=True), LimitSettings())
    elsewhere = settings.model_copy(update={"workspace": str(tmp_path / "workspace")})
    store(tmp_path / "export", elsewhere)
    before, after = contents(settings.workspace), contents(elsewhere.workspace)
    for table in ("clips", "stage1", "stage2"):
        for row in (*before[table], *after[table]):
            for name in ("uri", *PUBLISHED):
                row.pop(name, None)
        assert after[table] == before[table]
    assert {row["speaker"] for row in after["clips"]} == {"Ada"}
