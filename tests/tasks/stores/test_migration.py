"""Migration of a workspace that the code of layout 6 made (tests/tasks/stores/old), and refusals of others."""

import shutil
import tarfile
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import write_deltalake
from typer.testing import CliRunner

from heterodub.flows.cli.main import app
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import WorkspaceError
from heterodub.schemas.policy import DEFAULT_POLICY
from heterodub.schemas.reasons import Stage
from heterodub.schemas.tables import LAYOUT_VERSION, TABLES
from heterodub.tasks.lineage.plan import find_scope
from heterodub.tasks.releases import releases
from heterodub.tasks.releases.publishing import publish
from heterodub.tasks.stores import migration, tables, tombstones
from heterodub.tasks.stores.active_policy import active_policy
from heterodub.tasks.stores.labels import read_labels
from heterodub.tasks.stores.migration import migrate, missing_columns
from heterodub.tasks.stores.workspace import MARKER, STANDBY, Workspace
from heterodub.tasks.training.clip_store import ClipSource, StoredClips
from tests.flows.heads import fingerprints
from tests.tasks.stores import sample_rows as sample

STORED = Path(__file__).parent / "old" / "layout-6.tar.gz"


@pytest.fixture
def root(tmp_path) -> Path:
    with tarfile.open(STORED) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "workspace"


def test_older_workspace_is_migrated_as_the_refusal_says(root):
    with pytest.raises(WorkspaceError, match=r"layout 6, .* layout \d+: `heterodub migrate -w .*--dry-run"):
        Workspace.open(str(root))
    before = fingerprints(root)
    planned = migrate(str(root), dry_run=True)
    assert fingerprints(root) == before
    done = migrate(str(root))
    assert done.changes == planned.changes and done.changes[-1].startswith(f"{MARKER}: layout {LAYOUT_VERSION}")
    ws = Workspace.open(str(root))
    release = releases.latest(ws)
    assert releases.identity_of(ws, release) == release.release_id
    assert sum(batch.num_rows for batch in releases.read_release(ws, release, Stage.STAGE1)) == 6
    assert len(read_labels(ws)) == 1 and tables.read(ws, "catalog").num_rows == 3
    assert migrate(str(root)).changes == ()


def test_clips_of_a_migrated_workspace_can_be_trained_on(root):
    """Their files are older than the column `senones`."""
    migrate(str(root))
    ws = Workspace.open(str(root))
    places = tables.read(ws, "stage1", ["clip_id", "media_id"]).to_pylist()
    stored = StoredClips(ws, Stage.STAGE1, tuple(tables.files_of(ws, "stage1")))
    clips = [stored.speech(ClipSource(**place)) for place in places]
    assert len(clips) == 6
    assert all(clip.senones is None and clip.features(80).shape == (4 * len(clip.tracked), 80) for clip in clips)


def test_workspace_of_layout_7_gets_an_empty_table_of_embeddings(root):
    migrate(str(root))
    shutil.rmtree(root / "embeddings")
    (root / MARKER).write_text('{"layout_version": 7}')
    planned = migrate(str(root), dry_run=True)
    assert any(change.startswith("table embeddings: new and empty") for change in planned.changes)
    assert any(f"heterodub route --policy {DEFAULT_POLICY}" in change for change in planned.changes)
    assert not (root / "embeddings").exists()
    assert migrate(str(root)).changes == planned.changes
    assert tables.size(Workspace.open(str(root)), "embeddings").rows == 0 and (root / "embeddings").is_dir()


def test_command_says_what_it_would_change_and_changed(root):
    call = partial(CliRunner().invoke, app)
    would, did, again = (call(["migrate", "-w", str(root), *more]).stdout for more in (["--dry-run"], [], []))
    assert would == did.replace("changed", "would change") and "layout 7" in did
    assert again.startswith("nothing to do")


def test_other_faces_of_migrated_clips_may_all_speak(root):
    migrate(str(root))
    shares = tables.read(Workspace.open(str(root)), "clips", ["faces_share", "undecided_share"])
    assert shares.num_rows == 6 and shares["faces_share"].null_count == 0
    assert shares["undecided_share"] == shares["faces_share"]


def test_migrated_workspace_can_be_published(root):
    """One of its clips shows one face alone; whose sound that of the others is, nobody measured then."""
    alone = sample.clip_id(0)
    _set_faces_share(root, alone, 0.0)
    migrate(str(root))
    ws = Workspace.open(str(root))
    causes = tables.read(ws, "clips", ["clip_id", "missing"]).to_pylist()
    assert {row["clip_id"]: dict(row["missing"])["speaking_margin"] for row in causes} == {
        row["clip_id"]: "only_face" if row["clip_id"] == alone else "older_measure" for row in causes
    }
    policy = active_policy(ws)
    assert policy and publish(ws, Settings(workspace=ws.root), policy).is_new


def _set_faces_share(root: Path, clip_id: str, share: float) -> None:
    """In a workspace that code of layout 6 made."""
    marker = root / MARKER
    before = marker.read_text()
    marker.write_text(f'{{"layout_version": {LAYOUT_VERSION}}}')
    changes = pa.table({"clip_id": [clip_id], "faces_share": [share]})
    tables.update_columns(Workspace.open(str(root)), "clips", changes)
    marker.write_text(before)


def test_migration_that_was_killed_is_finished_by_the_next(root, monkeypatch):
    def die(*_) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(migration, "_mark", die)
        migrate(str(root))
    with pytest.raises(WorkspaceError, match="migrate"):
        Workspace.open(str(root))
    migrate(str(root))
    assert tables.read(Workspace.open(str(root)), "clips").num_rows == 6


def test_columns_that_a_table_lacks_are_added(root):
    shutil.rmtree(root / "catalog")
    older = TABLES["catalog"].remove(TABLES["catalog"].get_field_index("streams"))
    for place in (root, root / STANDBY / "2-new"):
        write_deltalake(str(place / "catalog"), sample.catalog(sample.catalog_row(1)).select(older.names).cast(older))
    planned = migrate(str(root), dry_run=True)
    assert planned.changes[0] == "table catalog: a new column streams, null in its rows"
    assert "table catalog of line 2-new: a new column streams, null in its rows" in planned.changes
    migrate(str(root))
    ws = Workspace.open(str(root))
    assert missing_columns(ws, "catalog") == missing_columns(ws.of_line("2-new"), "catalog") == []
    (row,) = tables.read(ws, "catalog").to_pylist()
    (same,) = (row for batch in tables.batches(ws, "catalog") for row in batch.to_pylist())
    assert row == same == sample.catalog_row(1) | {"notes": row["notes"], "streams": None}
    tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(2, streams=[])))
    assert sorted(map(bool, tables.read(ws, "catalog")["streams"].is_null().to_pylist())) == [False, True]


@pytest.mark.parametrize(("layout", "why"), [(99, "newer one made it"), (3, "no step from layout 3")])
def test_layouts_that_cannot_be_migrated_are_refused(root, layout, why):
    (root / MARKER).write_text(f'{{"layout_version": {layout}}}')
    with pytest.raises(WorkspaceError, match=why):
        migrate(str(root))
    with pytest.raises(WorkspaceError, match="heterodub migrate"):
        Workspace.open(str(root))


def test_folder_that_is_no_workspace_is_refused(tmp_path):
    with pytest.raises(WorkspaceError, match="no workspace"):
        migrate(str(tmp_path))


@pytest.mark.parametrize(
    ("stated", "stored", "on_clips"),
    [
        (("CC0-1.0", "given"), ("CC0-1.0", "given"), ("CC0-1.0", "given")),
        (("cc-by-4.0", "Yes"), ("CC-BY-4.0", "given"), ("CC-BY-4.0", "given")),
        (("by letter", "signed form 12"), ("by letter", "signed form 12"), ("by letter", None)),
    ],
)
def test_clips_get_the_rights_of_their_files(root, stated, stored, on_clips):
    """Of a file with a consent, and of one without: in the catalog as layout 6 had it, where both were any text."""
    marker = root / MARKER
    before = marker.read_text()
    marker.write_text(f'{{"layout_version": {LAYOUT_VERSION}}}')
    ws = Workspace.open(str(root))
    uri, *_ = tables.read(ws, "catalog")["uri"].to_pylist()
    changes = {"uri": [uri], "licence": [stated[0]], "consent": [stated[1]], "state": ["measured"]}
    tables.update_columns(ws, "catalog", pa.table(changes), key="uri")
    tombstones.bar(ws, "licence", stated[0], ["m"], "as code of layout 6 did")
    marker.write_text(before)
    named = pc.field("uri") == uri
    (media,) = tables.read(ws, "catalog", ["media_id"], filter=named)["media_id"].to_pylist()
    planned = migrate(str(root), dry_run=True)
    changes = migrate(str(root)).changes
    assert changes == planned.changes and any("licence and consent of their files" in change for change in changes)
    assert any("consent of 1 file has no value" in change for change in changes) == (on_clips[1] is None)
    (row,) = tables.read(ws, "catalog", ["licence", "consent"], filter=named).to_pylist()
    assert (row["licence"], row["consent"]) == stored
    for clip in tables.read(ws, "clips", ["media_id", "licence", "consent"]).to_pylist():
        assert (clip["licence"], clip["consent"]) == (on_clips if clip["media_id"] == media else (None, None))
    assert tombstones.standing(ws).bars(None, None, stored[0])
    for name in {stated[0], stored[0]}:
        assert find_scope(ws, "licence", name).media == {media, "m"}
