import json
import os
import pickle
from pathlib import Path

import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import WorkspaceError
from heterodub.schemas.tables import LAYOUT_VERSION
from heterodub.tasks.inspect.report.write import write_trend
from heterodub.tasks.stores import workspace
from heterodub.tasks.stores.workspace import MARKER, Workspace
from tests.tasks.stores import sample_store


def test_new_folder_becomes_a_workspace_and_opens_again(tmp_path):
    made = Workspace.open(str(tmp_path / "new" / "one"), create=True)
    assert Workspace.open(made.root) == made
    assert json.loads((tmp_path / "new" / "one" / MARKER).read_text()) == {"layout_version": LAYOUT_VERSION}


@pytest.mark.parametrize("name", ["with space", "ümläut #1?", "quote'\"", "[glob]*"])
def test_odd_names_work(tmp_path, name):
    from heterodub.tasks.stores import tables
    from tests.tasks.stores.sample_rows import catalog, catalog_row

    ws = Workspace.open(str(tmp_path / name), create=True)
    tables.append_rows(ws, "catalog", catalog(catalog_row(1)))
    assert tables.read(ws, "catalog").num_rows == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_percent_sign_is_refused_because_delta_decodes_it(tmp_path):
    with pytest.raises(WorkspaceError, match="%"):
        Workspace.open(str(tmp_path / "a%20b"), create=True)


def test_missing_workspace_names_the_command_that_makes_one(tmp_path):
    with pytest.raises(WorkspaceError, match="heterodub ingest"):
        Workspace.open(str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("create", [False, True])
def test_foreign_folder_is_not_touched(tmp_path, create):
    (tmp_path / "thesis.doc").write_text("mine")
    with pytest.raises(WorkspaceError, match="not a workspace"):
        Workspace.open(str(tmp_path), create=create)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_workspace_that_another_run_makes_meanwhile_is_opened(tmp_path, monkeypatch):
    """Between the look for the marker and the look at the folder."""
    look = workspace._entries

    def made_before(ws):
        with monkeypatch.context() as patch:
            patch.setattr(workspace, "_entries", look)
            Workspace.open(ws.root, create=True)
        (tmp_path / "policy.json").write_text("{}")
        return look(ws)

    monkeypatch.setattr(workspace, "_entries", made_before)
    assert Workspace.open(str(tmp_path), create=True).root == str(tmp_path)


@pytest.mark.parametrize("marker", ["{}", "not json", "[1]"])
def test_damaged_marker_is_named(tmp_path, marker):
    (tmp_path / MARKER).write_text(marker)
    with pytest.raises(WorkspaceError, match="damaged"):
        Workspace.open(str(tmp_path))


def test_another_layout_is_refused_with_both_versions(tmp_path):
    (tmp_path / MARKER).write_text('{"layout_version": 99}')
    with pytest.raises(WorkspaceError, match=rf"layout 99.*layout {LAYOUT_VERSION}"):
        Workspace.open(str(tmp_path), create=True)


def test_root_that_is_a_file_is_a_project_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(WorkspaceError):
        Workspace.open(str(tmp_path / "file"), create=True)


def test_relative_roots_become_absolute_and_travel_between_processes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ws = Workspace.open("here", create=True)
    assert ws.root == str(tmp_path / "here")
    assert pickle.loads(pickle.dumps(ws)) == ws


def test_file_uri_is_a_local_path(tmp_path):
    assert Workspace.open((tmp_path / "a b").as_uri(), create=True).root == str(tmp_path / "a b")


def test_folders_and_scratch_are_made(tmp_path):
    ws = Workspace.open(str(tmp_path), create=True)
    assert ws.folder("docs") == str(tmp_path / "docs") and (tmp_path / "docs").is_dir()
    assert ws.scratch().is_dir()
    assert ws.table_uri("clips") == str(tmp_path / "clips")


def test_unknown_address_kind_is_a_project_error():
    with pytest.raises(WorkspaceError, match="a workspace is a folder, or begins with s3:"):
        Workspace.open("nonsense://bucket/folder", create=True)


def test_sweep_removes_only_old_scratch(tmp_path):
    ws = Workspace.open(str(tmp_path), create=True)
    old, new = ws.scratch() / "old.parquet", ws.scratch() / "new.parquet"
    old.touch(), new.touch()
    os.utime(old, (0, 0))
    assert ws.sweep_scratch() == 1
    assert new.exists() and not old.exists()


@pytest.mark.parametrize("root", ["{}/ws", "memory://{}/ws"], ids=["local", "remote"])
def test_scratch_is_never_a_link(tmp_path, monkeypatch, root):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ws = Workspace.open(root.format(tmp_path), create=True)
    place, operators = ws.scratch(), tmp_path / "operators"
    operators.mkdir()
    (operators / "thesis.txt").touch()
    os.utime(operators / "thesis.txt", (0, 0))
    place.rmdir()
    place.symlink_to(operators)
    with pytest.raises(WorkspaceError, match="not a folder of this user"):
        ws.sweep_scratch()
    assert (operators / "thesis.txt").exists()


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_file_modes_follow_the_umask(tmp_path, umask, mode):
    """The folder itself is the owner's until the owner says otherwise."""
    before = os.umask(umask)
    try:
        ws = Workspace.open(str(tmp_path / "new" / "ws"), create=True)
        sample_store.fill(ws, range(1))
        page = write_trend(Settings(workspace=ws.root))
    finally:
        os.umask(before)
    assert (tmp_path / "new" / "ws").stat().st_mode & 0o777 == 0o700
    files = [Path(page), *(path for path in Path(ws.root).rglob("*.parquet"))]
    assert len(files) > 3
    assert {path.stat().st_mode & 0o777 for path in files} == {mode}
