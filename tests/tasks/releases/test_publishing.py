"""Publishing of a release: skipped where nothing changed, audit pages, and vacuum of old versions."""

from pathlib import Path

import pyarrow as pa
import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import AuditFailedError
from heterodub.schemas.policy import load_policy
from heterodub.schemas.reasons import Stage
from heterodub.tasks.ingestion.reroute import apply_reroute, plan_reroute
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.releases import releases
from heterodub.tasks.releases.audit.audit import audit
from heterodub.tasks.releases.publishing import audit_pages, publish
from heterodub.tasks.stores import merging, tables, tombstones, vacuum
from heterodub.tasks.stores.active_policy import set_policy
from heterodub.tasks.stores.batches import KnownMedia, commit_batch, drop_media
from heterodub.tasks.stores.labels import NewLabel, store_labels
from heterodub.tasks.stores.parts import commit_parts
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import batch_of, fill, filled_workspace, taken_out_before, written_before


def test_audits_of_a_remote_workspace_at_once_keep_out_of_each_others_pages(tmp_path: Path):
    ws = Workspace(f"memory://{tmp_path.name}")
    with audit_pages(ws) as one, audit_pages(ws) as other:
        assert one != other
        for number, folder in enumerate((one, other)):
            (folder / "validations").mkdir()
            (folder / "audit.html").write_text("which one")
            (folder / "validations" / f"{number}.html").touch()
    result = {path.removeprefix(f"/{tmp_path.name}/") for path in ws.filesystem().find(ws.path())}
    assert result == {"audit/audit.html", "audit/validations/0.html", "audit/validations/1.html"}
    assert not one.exists() and not other.exists()


def test_later_audit_s_page_takes_the_place_of_the_earlier_one(tmp_path: Path):
    ws = Workspace(f"memory://{tmp_path.name}")
    for text in ("first", "second"):
        with audit_pages(ws) as folder:
            (folder / "audit.html").write_text(text)
    assert ws.filesystem().cat_file(ws.path("audit", "audit.html")) == b"second"


def test_those_of_a_local_workspace_are_made_in_place(tmp_path: Path):
    ws = Workspace.open(str(tmp_path / "ws"), create=True)
    with audit_pages(ws) as folder:
        assert folder == tmp_path / "ws" / "audit"


def test_release_is_stable_and_old_versions_are_vacuumed(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(merging, "MERGE_ABOVE_FILES", 2)
    ws = filled_workspace(tmp_path, range(3))
    tables.compact(ws, "clips", above=1)
    published = publish(ws, Settings(), load_policy())
    versions, (held,) = releases.current_versions(ws), tables.file_names(ws, "clips")
    assert published.is_new and releases.latest(ws).versions == versions
    assert [len(tables.files_of(ws, stage)) for stage in ("stage1", "stage2")] == [1, 1]
    assert len(_parquet(ws)) == 5  # the last with the people; whoever began to read a minute ago may go on

    away = Path(ws.path("clips", held)).rename(tmp_path / held)  # whoever looked for near-copies now would miss it
    again = publish(ws, Settings(), load_policy())
    assert (again.release_id, again.is_new, releases.current_versions(ws)) == (published.release_id, False, versions)
    away.rename(ws.path("clips", held))

    for table in ("catalog", "clips"):
        written_before(ws, table, days=9)
        taken_out_before(ws, table, days=9)
    fill(ws, [99])
    tables.compact(ws, "clips", above=1)
    assert publish(ws, Settings(), load_policy()).is_new
    kept = {file.name for row in releases.every(ws) for file in releases.table_files(ws, row, "clips")}
    assert held in kept < _parquet(ws) and len(_parquet(ws)) == 4  # two are of today
    assert tables.read(ws, "clips", version=versions["clips"]).num_rows == 6


def test_concurrent_half_written_batch_passes_the_audit(tmp_path: Path, monkeypatch):
    ws = filled_workspace(tmp_path, range(3))
    batch, shown = batch_of(ws, 7), []
    commit_parts(ws, "stage1", batch.stage1)

    def looked_at(*arguments):
        result = audit(*arguments)
        if not shown:
            commit_batch(ws, batch, KnownMedia(ws))
        shown.append(result.passed)
        return result

    monkeypatch.setattr("heterodub.tasks.releases.audit.audit.audit", looked_at)
    collected: list[bool] = []
    assert publish(ws, Settings(), load_policy(), lambda result: collected.append(result.passed)).is_new
    assert (shown, collected) == ([False, True], [True])
    assert tables.read(ws, "clips", version=releases.latest(ws).versions["clips"]).num_rows == 8


def test_footage_that_is_taken_down_after_the_audit_is_not_published(tmp_path: Path, monkeypatch):
    ws, shown = filled_workspace(tmp_path, range(4)), []
    first = releases.publish(ws, releases.current_versions(ws), releases.ReleaseProvenance(*["x"] * 5), {}).release

    def looked_at(*arguments):
        result = audit(*arguments)
        tombstones.bar(ws, "file", "it", [sample.media_id(1)], "asked")
        shown.append(result.passed)
        if len(shown) == 3:  # the takedown's last step comes after this audit
            tables.delete_rows(ws, "catalog", "media_id", [sample.media_id(1)])
            vacuum.erase(ws, "catalog")
        return result

    monkeypatch.setattr("heterodub.tasks.releases.audit.audit.audit", looked_at)
    published = publish(ws, Settings(), load_policy())  # its takedown was killed before it deleted rows
    assert (published.release_id, published.is_new, shown) == (first.release_id, False, [True, True])
    assert "do the takedown again" in published.notes[0]
    assert releases.every(ws) == [first]
    drop_media(ws, [sample.media_id(1)])
    assert publish(ws, Settings(), load_policy()).is_new and len(shown) == 4


def test_rows_without_a_new_release_are_not_merged(tmp_path: Path, monkeypatch):
    """Else the tables would be of other versions than the last release, and each later ingest would audit them."""
    ws = filled_workspace(tmp_path, range(3))
    assert publish(ws, Settings(), load_policy()).is_new
    monkeypatch.setattr(merging, "MERGE_ABOVE_FILES", 2)
    tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(9, state="rejected", reason="no_face")))
    before = tables.version(ws, "stage1")
    assert not publish(ws, Settings(), load_policy()).is_new
    assert tables.version(ws, "stage1") == before
    monkeypatch.setattr("heterodub.tasks.releases.audit.audit.audit", None)  # not once more for the same rows
    assert not publish(ws, Settings(), load_policy()).is_new


def test_damage_without_a_writer_fails_the_audit(tmp_path: Path, monkeypatch):
    ws = filled_workspace(tmp_path, range(3))
    commit_parts(ws, "stage1", batch_of(ws, 7).stage1)
    audits = []
    monkeypatch.setattr(
        "heterodub.tasks.releases.audit.audit.audit", lambda *arguments: audits.append(1) or audit(*arguments)
    )
    with pytest.raises(AuditFailedError, match="stage1"):
        publish(ws, Settings(), load_policy())
    assert audits == [1]


def _parquet(ws: Workspace) -> set[str]:
    return {path.name for path in Path(ws.path("clips")).glob("*.parquet")}


def test_barred_clips_are_published_by_no_way(tmp_path: Path):
    """Not by a label, a route or rows that somebody edits: an edit is refused, then `route` puts it right."""
    ws, policy = filled_workspace(tmp_path, range(3)), load_policy()
    set_policy(ws, policy)
    first = publish(ws, Settings(), policy)
    clip, media = (tables.read(ws, "clips", [name])[name].to_pylist()[0] for name in ("clip_id", "media_id"))
    changes = {"clip_id": [clip], "consent": ["refused: by phone"]}
    tables.update_columns(ws, "clips", pa.table(changes))
    store_labels(ws, [NewLabel(clip, media, stage, True, "wanted", "Ann") for stage in Stage])
    with pytest.raises(AuditFailedError, match=r"admits 1 clip against .*consent_not_permitted; .*'refused: by phone'"):
        publish(ws, Settings(), policy)
    assert releases.latest(ws).release_id == first.release_id
    apply_reroute(None, ws, plan_reroute(ws, policy), Settings(workspace=ws.root), ProgressSink())
    assert publish(ws, Settings(), policy).is_new
    published = releases.read_table(ws, releases.latest(ws), "clips", ["clip_id", "stage1", "stage2"]).to_pylist()
    assert [row for row in published if row["clip_id"] == clip] == [{"clip_id": clip, "stage1": False, "stage2": False}]
    assert clip not in tables.read(ws, "stage1", ["clip_id"])["clip_id"].to_pylist()
