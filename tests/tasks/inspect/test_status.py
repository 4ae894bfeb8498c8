from pathlib import Path

import pytest

from heterodub.schemas.errors import WorkspaceError
from heterodub.tasks.inspect.status import status
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.inspect import footage


def tree(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def test_status_counts_everything_and_writes_nothing(tmp_path: Path):
    footage.make(tmp_path)
    before = tree(tmp_path)
    result = status(footage.settings(tmp_path))
    assert result.files == {"measured": 4, "rejected": 1, "duplicate": 1, "quarantined": 1}
    assert result.clips == {"both": 1, "stage1": 1, "stage2": 1, "rejected": 2}
    assert result.extractors == {footage.EXTRACTOR: 7}
    assert result.policies == {footage.POLICY.hash: 5}
    assert result.policy.name == "trial"
    rows = {table.name: table.rows for table in result.tables}
    later = dict.fromkeys(("labels", "draws", "benchmarks", "promotions", "tombstones", "metrics", "near_pairs"), 0)
    later |= {"audited_files": 0, "person_corrections": 0, "embeddings": 5}
    assert rows == {"catalog": 7, "clips": 5, "stage1": 2, "stage2": 2, "releases": 1, "release_files": 6} | later
    (release,) = result.releases
    assert release.counts["stage1"]["train"]["clips"] == 2
    assert result.runs == ()
    assert release.notes == ("stage1 has only 2 train clips",)
    assert tree(tmp_path) == before


def test_empty_workspace_has_no_tables_and_gets_none(tmp_path: Path):
    Workspace.open(str(tmp_path), create=True)
    before = tree(tmp_path)
    result = status(footage.settings(tmp_path))
    assert {table.version for table in result.tables} == {None}
    assert sum(result.files.values()) == 0
    assert tree(tmp_path) == before


def test_no_workspace_is_an_error(tmp_path: Path):
    with pytest.raises(WorkspaceError, match="no workspace"):
        status(footage.settings(tmp_path / "nowhere"))
