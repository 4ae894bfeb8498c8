"""Audits that look into new files alone: the verdicts of a full audit, whatever happens to new and to old rows."""

import random
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from heterodub.schemas.config.settings import ClipSettings
from heterodub.schemas.errors import NotFoundError, WorkspaceError
from heterodub.schemas.expectations import suites
from heterodub.schemas.tables import NEAR_PAIRS
from heterodub.tasks.releases.audit import audited_files, payload
from heterodub.tasks.releases.audit.audit import audit
from heterodub.tasks.releases.audit.audited_files import checks_ids, keep_merged
from heterodub.tasks.releases.audit.work import AuditWork
from heterodub.tasks.releases.releases import current_versions
from heterodub.tasks.stores import merging, tables
from heterodub.tasks.stores.batches import KnownMedia, commit_batch, drop_media
from heterodub.tasks.stores.delta import TableChange, transact
from heterodub.tasks.stores.parts import commit_parts
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.releases.audit import plain_audit
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import batch_of, fill, new_workspace, write_part

_SUITES = suites(ClipSettings())
_CHECKS = checks_ids(_SUITES)
_PAYLOAD = {"stage1": (sample.stage1, sample.stage1_row), "stage2": (sample.stage2, sample.stage2_row)}


def look(ws, full=False, checks=_CHECKS, is_killed=False):
    """Failures by an audit as Great Expectations would find them in its frames, and the rows that were looked into."""
    versions = current_versions(ws)
    files = {suite.table: tables.files_of(ws, suite.table, versions.get(suite.table)) for suite in _SUITES}
    work = AuditWork(ws, files, checks, full)
    looked_into, broken, passed = work.fresh_rows, {}, []
    for suite in _SUITES:
        alone = {}
        for frame in work.fresh_frames(suite.table):
            for name, rows in plain_audit.broken_in(frame, suite.part(across=False)).items():
                alone[name] = alone.get(name, set()) | rows
        passed += [] if alone else [suite.table]
        broken |= alone
    for suite in _SUITES:
        if (across := suite.part(across=True)).expectations:
            broken |= plain_audit.broken_in(work.contradictions[suite.table], across)
    if not is_killed:
        work.keep(passed)
    return broken, looked_into


@pytest.fixture(scope="module")
def passed(tmp_path_factory):
    """Four sound files, which an audit has looked into. Copy it, with the times of its files."""
    fill(ws := new_workspace(tmp_path_factory.mktemp("passed")), range(4))
    assert look(ws) == ({}, {"catalog": 4, "clips": 8, "stage1": 8, "stage2": 8, "embeddings": 8})
    return ws.root


@pytest.fixture
def ws(passed, tmp_path):
    return Workspace.open(str(shutil.copytree(passed, tmp_path / "workspace")))


NOTHING = {"catalog": 0, "clips": 0, "stage1": 0, "stage2": 0, "embeddings": 0}


def test_files_that_passed_are_not_opened_again(ws, monkeypatch):
    fill(ws, [7])
    monkeypatch.setattr(payload, "stream_file", only(payload.stream_file, sample.media_id(7)))
    monkeypatch.setattr("heterodub.tasks.releases.audit.across.read_files", no_payload)
    assert look(ws) == ({}, {"catalog": 1, "clips": 2, "stage1": 2, "stage2": 2, "embeddings": 2})
    assert look(ws) == ({}, NOTHING)


def only(read, media):
    def guarded(ws, table, file, columns):
        assert file.bounds["media_id"] == (media, media)
        return read(ws, table, file, columns)

    return guarded


def no_payload(ws, table, *rest):
    from heterodub.tasks.stores.parquet import read_files

    assert table in ("catalog", "clips")
    return read_files(ws, table, *rest)


def test_audit_that_was_killed_before_it_kept_its_result_is_done_again(ws):
    fill(ws, [7])
    assert (
        look(ws, is_killed=True)
        == look(ws)
        == ({}, {"catalog": 1, "clips": 2, "stage1": 2, "stage2": 2, "embeddings": 2})
    )


def test_other_checks_look_into_every_file(ws, monkeypatch):
    monkeypatch.setattr(audited_files, "COUNTS_VERSION", audited_files.COUNTS_VERSION + 1)
    assert look(ws, checks=checks_ids(_SUITES))[1]["stage1"] == 8


def test_other_settings_of_clips_look_into_clips_alone(ws):
    assert look(ws, checks=checks_ids(suites(ClipSettings(max_s=3))))[1] == NOTHING | {"clips": 8}


def test_full_audit_looks_into_every_file(ws):
    assert look(ws, full=True) == ({}, {"catalog": 4, "clips": 8, "stage1": 8, "stage2": 8, "embeddings": 8})


def test_audits_at_once_keep_both_results(ws):
    fill(ws, [7])
    files = {suite.table: tables.files_of(ws, suite.table) for suite in _SUITES}
    one, other = (AuditWork(ws, files, _CHECKS, False) for _ in range(2))
    for work in (one, other):
        for table in files:
            list(work.fresh_frames(table))
    for work in (one, other):
        work.keep(files)
    assert look(ws) == ({}, NOTHING)


def test_stale_results_are_deleted(ws, monkeypatch):
    monkeypatch.setattr(audited_files, "_SPARE_ROWS", 0)
    for _ in range(3):
        drop_media(ws, [sample.media_id(number) for number in range(4)])
        fill(ws, range(4))
        look(ws)
    files = sum(len(tables.files_of(ws, suite.table)) for suite in _SUITES)
    assert len(audited_files.passed_files(ws)) <= 3 * files


def test_merged_files_are_those_of_their_parts(ws, monkeypatch):
    monkeypatch.setattr(merging, "MERGE_ABOVE_FILES", 2)
    for table in _PAYLOAD:
        merging.merge_parts(
            ws,
            table,
            tables.version(ws, table),
            lambda merged, table=table: keep_merged(ws, table, _CHECKS[table], merged),
        )
        assert len(tables.files_of(ws, table)) == 1
    assert look(ws) == ({}, NOTHING)


def test_merge_of_a_part_that_did_not_pass_is_looked_into(ws, monkeypatch):
    monkeypatch.setattr(merging, "MERGE_ABOVE_FILES", 2)
    fill(ws, [7])
    merging.merge_parts(
        ws, "stage1", tables.version(ws, "stage1"), lambda merged: keep_merged(ws, "stage1", _CHECKS["stage1"], merged)
    )
    assert look(ws)[1]["stage1"] == 10


def _file(ws, table, media):
    return next(file for file in tables.files_of(ws, table) if file.may_hold("media_id", [sample.media_id(media)]))


def test_old_file_that_is_gone_cut_short_or_replaced_is_noticed(ws):
    path = Path(ws.path("stage1", _file(ws, "stage1", 2).name))
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(WorkspaceError, match="cannot be read"):
        look(ws)
    path.unlink()
    with pytest.raises(NotFoundError, match="are gone"):
        look(ws)
    path.write_bytes(whole)
    assert look(ws) == ({}, NOTHING | {"stage1": 2})


def test_old_file_that_was_replaced_by_another_is_audited(ws):
    file = _file(ws, "stage1", 2)
    bad = sample.stage1(*(sample.stage1_row(2, number, landmarks=_NAN) for number in range(2)))
    other = write_part(ws, "stage1", sample.media_id(2), sample.EXTRACTOR, bad, "other")
    shutil.move(ws.path("stage1", other.name), ws.path("stage1", file.name))
    assert look(ws)[0] == {("stage1", "no bad_landmarks"): {sample.clip_id(2), sample.clip_id(2, 1)}}


def test_audit_says_what_it_looked_into(ws, tmp_path):
    fill(ws, [7])
    result = audit(ws, current_versions(ws), tmp_path / "docs")
    assert result.passed and result.rows == {"catalog": 5, "clips": 10, "stage1": 10, "stage2": 10, "embeddings": 10}
    assert "catalog 5 (1), clips 10 (2), stage1 10 (2), stage2 10 (2)" in result.page.read_text()
    assert look(ws) == ({}, NOTHING)


_NAN = np.full((sample.FRAMES, 432), np.nan, np.float32).tolist()


# Ways in which new and old rows change, sound and not. Each gets the media there are, and a generator of chance.


def _new(ws, media, chance):
    fill(ws, [max(media) + 1])


def _again(ws, media, chance):
    commit_batch(ws, batch_of(ws, chance.choice(media)), KnownMedia(ws))


def _half(ws, media, chance):
    commit_parts(ws, chance.choice(["stage1", "stage2"]), batch_of(ws, max(media) + 1).stage1)


def _taken_down(ws, media, chance):
    gone = sample.media_id(chance.choice(media))
    drop_media(ws, [gone])
    tables.delete_rows(ws, "catalog", "media_id", [gone])


def _changed(ws, media, chance):
    one, other = chance.choice(media), chance.choice(media)
    changes = {
        "frames": 40,
        "backend": "fan",
        "extractor": "0",
        "split": chance.choice(["test", "dev", None]),
        "speaker": f"speaker {other}",
        "split_group": f"speaker {other}",
        "stage1": False,
        "stage2_reasons": ["noisy"],
        "snr_db": float("nan"),
        "media_id": sample.media_id(other),
    }
    name = chance.choice([*changes, "speaker", "speaker", "split_group"])
    kind = sample.CLIPS.field(name).type
    rows = pa.table({"clip_id": [sample.clip_id(one, chance.randrange(2))], name: pa.array([changes[name]], kind)})
    tables.update_columns(ws, "clips", rows)


def _bad_payload(ws, media, chance):
    table, one = chance.choice(list(_PAYLOAD)), chance.choice(media)
    gather, row = _PAYLOAD[table]
    change = chance.choice([{"landmarks": _NAN}, {"frames": 31}, {"backend": "fan"}, {"clip_id": "lone"}, {}])
    rows = gather(row(one, chance.randrange(2), **change))
    part = write_part(ws, table, sample.media_id(one), sample.EXTRACTOR, rows, f"x{chance.randrange(10**6)}")
    commit_parts(ws, table, [part])


def _lost_payload(ws, media, chance):
    table = chance.choice(list(_PAYLOAD))
    transact(ws, table, lambda before: TableChange(remove=(chance.choice(before.files),)) if before.files else None)


def _lost_rows(ws, media, chance):
    table, key = chance.choice([("clips", "clip_id"), ("catalog", "uri")])
    one = chance.choice(media)
    tables.delete_rows(ws, table, key, [sample.clip_id(one) if table == "clips" else f"/footage/{one}.mp4"])


def _twice(ws, media, chance):
    one = chance.choice(media)
    rows = {"clips": sample.clips(sample.clip_row(one)), "catalog": sample.catalog(sample.catalog_row(one))}
    table = chance.choice(list(rows))
    tables.append_rows(ws, table, rows[table])


def _near(ws, media, chance):
    flags = {"picture": True, "sound": False, "motion": False, "copy": False, "media_id": "", "other_media_id": ""}
    ends = {name: sample.clip_id(chance.choice(media)) for name in ("clip_id", "other_id")}
    tables.append_rows(ws, "near_pairs", pa.Table.from_pylist([ends | flags], NEAR_PAIRS))


def _compacted(ws, media, chance):
    tables.compact(ws, chance.choice(["clips", "catalog"]), above=1)


def _merged(ws, media, chance):
    table = chance.choice(list(_PAYLOAD))
    merging.merge_parts(
        ws, table, tables.version(ws, table), lambda merged: keep_merged(ws, table, _CHECKS[table], merged)
    )


def _all_again(ws, media, chance):
    """Every row as it should be, which repairs the workspace."""
    for table in ("catalog", "clips", "stage1", "stage2", "near_pairs"):
        transact(ws, table, lambda before: TableChange(remove=before.files))
    fill(ws, media)


_STEPS = [
    *(_new, _new, _again, _half, _taken_down, _changed, _changed, _bad_payload, _bad_payload, _lost_payload),
    *(_lost_rows, _twice, _near, _compacted, _merged, _all_again, _all_again, _all_again),
]


@pytest.mark.parametrize("seed", [2, *(pytest.param(seed, marks=pytest.mark.long) for seed in (0, 1, 3))])
def test_incremental_verdicts_are_those_of_a_plain_audit_of_everything(tmp_path, monkeypatch, seed):
    monkeypatch.setattr(merging, "MERGE_ABOVE_FILES", 2)
    chance, ws, verdicts = random.Random(seed), new_workspace(tmp_path), []
    fill(ws, range(3))
    for _ in range(12):
        for _ in range(chance.choice([1, 1, 2])):
            media = sorted({int(uri[9:-4]) for uri in tables.read(ws, "catalog", ["uri"])["uri"].to_pylist()} | {0})
            step = chance.choice(_STEPS)
            step(ws, media, chance)
        found, expected = look(ws)[0], plain_audit.failures(ws)
        assert found == expected, step.__name__
        verdicts.append(not found)
    assert {True, False} <= set(verdicts)
