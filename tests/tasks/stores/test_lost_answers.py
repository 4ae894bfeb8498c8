"""Commits to an object store whose answers are lost: each is made once, and one that cannot be made is an error."""

import os
import re

import pytest

from heterodub.schemas.errors import WorkspaceError
from heterodub.tasks.stores import delta, tables
from heterodub.tasks.stores.workspace import Workspace
from tests.flows.faulty_store import CUT, CUT_AFTER, ERROR, ERROR_AFTER, FaultyStore
from tests.s3_server import s3_behind
from tests.tasks.stores.sample_store import write_part

from . import sample_rows as sample


class Scripted(FaultyStore):
    """Lets everything pass but the commits, which meet what stands in `script`, one after the other."""

    def __init__(self, target: str) -> None:
        self.script: list[str] = []
        super().__init__(target)

    def draw_for(self, method: str, path: str) -> str:
        commits = method == "PUT" and re.search(r"/_delta_log/\d+\.json", path)
        return self.script.pop(0) if commits and self.script else super().draw_for(method, path)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with s3_behind(Scripted, tmp_path_factory.mktemp("aws"), "answers") as (_, proxy):
        yield proxy


@pytest.fixture
def ws(store, request) -> Workspace:
    store.script = []
    return Workspace.open(f"s3://answers/{os.urandom(4).hex()}", create=True)


@pytest.mark.parametrize("fault", [CUT, CUT_AFTER, ERROR, ERROR_AFTER])
def test_rows_are_added_once_after_a_lost_answer(ws, store, fault):
    tables.append_rows(ws, "clips", sample.clips(sample.clip_row(0)))
    store.script = [fault, fault]
    version = tables.append_rows(ws, "clips", sample.clips(sample.clip_row(1)))
    assert store.script == [] or fault in (CUT_AFTER, ERROR_AFTER)
    assert version == tables.version(ws, "clips") == 2
    assert tables.size(ws, "clips").rows == 2


def test_unrecovered_store_is_an_error(ws, store, monkeypatch):
    tables.append_rows(ws, "clips", sample.clips(sample.clip_row(0)))
    monkeypatch.setattr(delta, "_STORE_FAILURES", 2)
    store.script = [CUT] * 60
    with pytest.raises(WorkspaceError, match=r"table clips of s3://answers/.* cannot be changed"):
        tables.append_rows(ws, "clips", sample.clips(sample.clip_row(1)))
    store.script = []
    assert tables.size(ws, "clips").rows == 1


def test_store_write_failure_is_a_run_error(store):
    """An OSError would be taken for one of the footage on its way to the driver."""
    bucket_gone = Workspace("s3://no-such-bucket/space")
    with pytest.raises(WorkspaceError, match="s3://no-such-bucket/space cannot be written to"):
        write_part(bucket_gone, "stage1", sample.media_id(1), sample.EXTRACTOR, sample.stage1(sample.stage1_row(1)))
