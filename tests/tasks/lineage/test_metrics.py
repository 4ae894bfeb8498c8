"""A corpus that is taken down leaves no rows of `metrics` behind, in no version."""

from pathlib import Path

import pyarrow.parquet as pq

from heterodub.schemas.config.settings import Settings
from heterodub.tasks.lineage.erase import _delete_rows, _erase
from heterodub.tasks.lineage.plan import Scope, TakedownPlan
from heterodub.tasks.monitoring.runs import runs
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.monitoring.made_runs import ingest, measured


def test_rows_about_a_corpus_go_with_it(tmp_path: Path):
    ws = Workspace.open(str(tmp_path / "ws"), create=True)
    clips = {"films of A. B.": (measured(10, 1), None), "web": (measured(10, 2), None)}
    for _ in range(2):
        ingest(Settings(workspace=ws.root), clips)
    scope = Scope("corpus", "films of A. B.", frozenset(), (), ())
    _delete_rows(ws, TakedownPlan(scope, (), {}, (), ()))
    _erase(ws, "metrics", "corpus", [scope.value])
    assert [[step.corpus for step in run.corpora("drift")] for run in runs(ws)] == [["web"], ["web"]]
    assert [run.state for run in runs(ws)] == ["done", "done"]
    left = [pq.read_table(file)["corpus"].to_pylist() for file in (Path(ws.root) / "metrics").glob("*.parquet")]
    assert {corpus for rows in left for corpus in rows} == {None, "web"}
