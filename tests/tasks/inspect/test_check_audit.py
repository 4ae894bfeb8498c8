"""The full audit of `doctor`: what only a look into old files finds."""

import os
from pathlib import Path

import pyarrow.parquet as pq

from heterodub.schemas.config.settings import Settings
from heterodub.tasks.inspect.check_audit import check_audit
from heterodub.tasks.inspect.findings import Health
from heterodub.tasks.releases import releases
from heterodub.tasks.releases.audit.audit import audit
from heterodub.tasks.releases.releases import current_versions
from heterodub.tasks.stores import tables
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import fill, new_workspace


def test_damage_that_leaves_size_and_time_is_found_by_a_full_audit_alone(tmp_path):
    ws = new_workspace(tmp_path)
    settings = Settings(workspace=ws.root)
    fill(ws, range(2))
    assert audit(ws, current_versions(ws), tmp_path / "docs").passed
    (good,) = check_audit(settings)
    assert good.health is Health.OK and "met by 18 rows" in good.detail
    path = Path(ws.path("stage1", tables.file_names(ws, "stage1")[0]))
    facts, data = path.stat(), bytearray(path.read_bytes())
    column = next(c for c in map(pq.read_metadata(path).row_group(0).column, range(8)) if "mel" in c.path_in_schema)
    data[column.data_page_offset : column.data_page_offset + 64] = bytes(64)
    path.write_bytes(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert audit(ws, current_versions(ws), tmp_path / "docs").passed
    (found,) = check_audit(settings)
    assert found.health is Health.PROBLEM and "cannot be read" in found.detail and found.remedy


def test_full_audit_of_an_empty_workspace_is_well(tmp_path):
    (found,) = check_audit(Settings(workspace=new_workspace(tmp_path).root))
    assert found.health is Health.OK


def test_full_audit_of_a_line_that_other_settings_made_asks_nothing_of_its_clips(tmp_path):
    ws = new_workspace(tmp_path)
    fill(ws, range(2))
    origin = releases.ReleaseProvenance(sample.BACKEND, sample.EXTRACTOR, "policy", "settings", "0.1.0")
    longer = Settings(workspace=ws.root, clips={"min_s": 8, "max_s": 20})
    assert "fail" in check_audit(longer)[0].detail
    releases.publish(ws, releases.current_versions(ws), origin, {"passed": True})
    (found,) = check_audit(longer)
    assert found.health is Health.OK
