"""The command `export`: what it prints, and how it refuses."""

import json

import pytest

from tests.tasks.training.speakers import speakers


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> str:
    return speakers(tmp_path_factory.mktemp("export") / "workspace", 3, 6).root


def test_export_writes_and_names_what_it_wrote(workspace, tmp_path, stdout_of):
    words = ("export", "newest", "--format", "webdataset", "--stage", "stage1", "-w", workspace)
    shown = stdout_of(*words, "-o", tmp_path / "first")
    assert "stage1    1 train, 1 val, 1 test" in shown
    assert str(tmp_path / "first") in shown
    summary = json.loads(stdout_of(*words, "--split", "val", "--json", "-o", tmp_path / "second"))
    assert summary["clips"] == {"stage1": {"val": 1}}
    assert (tmp_path / "second" / "stage1" / "val-00000.tar").is_file()


def test_export_that_lacks_raw_files_ends_with_1(workspace, tmp_path, stdout_of):
    words = ("export", "newest", "--format", "hf", "--media", "-o", tmp_path / "out", "-w", workspace)
    assert json.loads(stdout_of(*words, "--json", code=1))["state"] == "partial"


def test_unknown_release_is_refused_before_anything_is_written(workspace, tmp_path, stdout_of):
    stdout_of("export", "r000", "--format", "hf", "-o", tmp_path / "out", "-w", workspace, code=1)
    assert list(tmp_path.iterdir()) == []
