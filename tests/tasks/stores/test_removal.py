"""Deletions stay below the own folder; no link leads out of it."""

import pytest

from heterodub.schemas.errors import WorkspaceError
from heterodub.tasks.stores.removal import remove, remove_below
from heterodub.tasks.stores.workspace import Workspace


@pytest.fixture
def theirs(tmp_path):
    """A foreign folder."""
    (tmp_path / "theirs" / "below").mkdir(parents=True)
    (tmp_path / "theirs" / "thesis.txt").write_text("years")
    return tmp_path / "theirs"


def test_files_and_folders_are_removed_recursively(tmp_path, theirs):
    own = tmp_path / "own"
    (own / "a" / "b").mkdir(parents=True)
    (own / "a" / "link").symlink_to(theirs)
    (own / "file").touch()
    remove_below(own, own / "file")
    remove_below(own, own / "a")
    assert list(own.iterdir()) == []
    assert (theirs / "thesis.txt").read_text() == "years"
    with pytest.raises(FileNotFoundError):
        remove_below(own, own / "a")


@pytest.mark.parametrize(
    "way", ["link", "link/below", "file", "../theirs", "../theirs/thesis.txt", ".", "..", "within/..", "within/link"]
)
def test_nothing_outside_is_removed(tmp_path, theirs, way):
    own = tmp_path / "own"
    (own / "within").mkdir(parents=True)
    (own / "link").symlink_to(theirs)
    (own / "file").symlink_to(theirs / "thesis.txt")
    (own / "within" / "link").symlink_to(own)
    with pytest.raises(WorkspaceError, match="is not deleted from here"):
        remove_below(own, own / way)
    assert (theirs / "thesis.txt").exists() and (theirs / "below").is_dir() and (own / "within").is_dir()


def test_table_that_lies_on_another_disk_loses_its_own_files(tmp_path, theirs):
    ws = Workspace.open(str(tmp_path / "ws"), create=True)
    (tmp_path / "ws" / "stage2").symlink_to(theirs)
    remove(ws, "stage2", "thesis.txt")
    assert not (theirs / "thesis.txt").exists()
    with pytest.raises(WorkspaceError, match="leads to"):
        remove(ws, "stage2")


def test_remote_files_are_removed_by_name(tmp_path):
    ws = Workspace(f"memory://{tmp_path.name}")
    for name in ("reports/a.html", "reports/in/b.html", "kept"):
        ws.filesystem().pipe_file(ws.path(name), b"1")
    remove(ws, "reports")
    assert ws.filesystem().find(ws.path()) == [ws.path("kept")]
