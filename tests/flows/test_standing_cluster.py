"""A whole ingest over workers that stand in folders of their own, and come and go while it runs."""

import pytest

from tests.dask_processes import ROOT, DaskProcesses, leave
from tests.flows.heads import contents
from tests.flows.test_kills import finish, start, wait_for

pytestmark = pytest.mark.long


@pytest.fixture
def standing(tmp_path):
    (tmp_path / "dask").mkdir()
    processes = DaskProcesses(tmp_path / "dask")
    yield processes
    processes.close()


def test_replaced_worker_gives_the_same_rows(standing, footage, config, finished, tmp_path):
    """The workspace is named as seen from the driver's folder, which is none of the workers'."""
    first = standing.worker("first")
    process = start(footage, config, "workspace", standing.address, cwd=tmp_path, PYTHONPATH=str(ROOT))
    wait_for(process, "analysed 2")
    leave(first)
    standing.worker("second")
    finish(process)
    actual, expected = contents(tmp_path / "workspace"), contents(finished.workspace)
    for table, rows in expected.items():
        assert actual[table] == rows, table
    assert list((tmp_path / "dask").rglob("*.parquet")) == []
