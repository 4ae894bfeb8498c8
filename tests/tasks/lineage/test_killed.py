"""A takedown that was killed is a problem until another one has finished it; then nothing is left on the disk."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import AuditFailedError, NotFoundError, WorkspaceError
from heterodub.schemas.policy import load_policy
from heterodub.schemas.reasons import Stage
from heterodub.schemas.tables import DRAWS, NEAR_PAIRS
from heterodub.tasks.inspect.check_workspace import check_workspace
from heterodub.tasks.inspect.findings import Finding, Health
from heterodub.tasks.lineage.erase import take_down
from heterodub.tasks.lineage.plan import find_scope, plan_takedown
from heterodub.tasks.releases import erasure, releases
from heterodub.tasks.releases.release_files import replace_files
from heterodub.tasks.stores import merging, tables, tombstones
from heterodub.tasks.stores.active_policy import set_policy
from heterodub.tasks.stores.batches import drop_media
from heterodub.tasks.stores.labels import NewLabel, label_rows, store_labels
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.samples import sound_place
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import batch_of, fill, new_workspace

GONE = sample.media_id(1)

KILLED = """
import os, signal, sys
from heterodub.schemas.config.settings import Settings
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.lineage import erase
from heterodub.tasks.lineage.plan import find_scope, plan_takedown

def killed(root, step, media):
    ws, work = Workspace.open(root), getattr(erase, step)

    def dies(*given):
        work(*given)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(erase, step, dies)
    plan = plan_takedown(ws, None, find_scope(ws, "file", media))
    erase.take_down(ws, Settings(workspace=root), None, plan, "asked")

folder, media, *steps = sys.argv[1:]
for step in steps:
    if not (child := os.fork()):
        killed(os.path.join(folder, step), step, media)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
"""A takedown of the workspace FOLDER/STEP for each step, killed after it; one process has loaded all that they need."""

STEPS = ("_prints", "mark_releases", "_delete_rows", "_take_out_of_releases", "_delete_pages", "_erase")


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Path:
    """Three files, of each a clip with a label, in two releases. No policy stands: a takedown publishes nothing, which
    would take long.
    """
    ws = new_workspace(tmp_path_factory.mktemp("filled"))
    fill(ws, range(3))
    for media in range(3):
        clip, media_id = sample.clip_id(media), sample.media_id(media)
        store_labels(ws, [NewLabel(clip, media_id, Stage.STAGE1, True, f"it is {media_id}", "Ann", "d")])
        row = {"draw": "d", "frame": "f", "created_utc": "x", "policy": "p", "stratum": "s", "population": 1}
        rows = [row | {"frame_clips": 3, "clip_id": clip, "media_id": media_id}]
        tables.append_rows(ws, "draws", pa.Table.from_pylist(rows, schema=DRAWS))
        tables.append_rows(ws, "near_pairs", near_pair(media, (media + 1) % 3))
    release(ws)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merging, "MERGE_ABOVE_FILES", 1)
        merging.merge_parts(ws, "stage2", tables.version(ws, "stage2"))
    tables.update_columns(ws, "clips", pa.table({"clip_id": [sample.clip_id(1)], "speaker": ["Eve"]}))
    release(ws)
    Path(ws.folder("reports"), "page.html").write_text("somebody's face")
    return Path(ws.root)


@pytest.fixture
def ws(filled, tmp_path) -> Workspace:
    """A copy, to be changed."""
    return Workspace.open(str(shutil.copytree(filled, tmp_path / "workspace")))


@pytest.fixture(scope="module")
def interrupted(filled, tmp_path_factory) -> Path:
    """A workspace for each step, whose takedown was killed after it."""
    folder = tmp_path_factory.mktemp("interrupted")
    for step in STEPS:
        shutil.copytree(filled, folder / step)
    words = [sys.executable, "-c", KILLED, str(folder), GONE, *STEPS]
    ended = subprocess.run(words, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True, check=True)
    assert list(map(int, ended.stdout.split())) == [-signal.SIGKILL] * len(STEPS)
    return folder


def near_pair(media: int, other: int) -> pa.Table:
    row = {"clip_id": sample.clip_id(media), "media_id": sample.media_id(media)}
    row |= {"other_id": sample.clip_id(other), "other_media_id": sample.media_id(other)}
    flags = {"picture": True, "sound": False, "motion": False, "copy": False}
    return pa.Table.from_pylist([row | flags], schema=NEAR_PAIRS)


def release(ws: Workspace) -> None:
    releases.publish(ws, releases.current_versions(ws), releases.ReleaseProvenance(*["x"] * 5), {})


def problems(ws: Workspace) -> list[Finding]:
    return [one for one in check_workspace(Settings(workspace=ws.root)) if one.health is Health.PROBLEM]


def take(ws: Workspace, media: str) -> dict:
    plan = plan_takedown(ws, None, find_scope(ws, "file", media))
    return take_down(ws, Settings(workspace=ws.root), None, plan, "asked")


@pytest.mark.parametrize("step", STEPS)
def test_interrupted_takedown_is_reported_until_finished(interrupted, step):
    ws = Workspace.open(str(interrupted / step))
    findings = problems(ws)
    begun = step != "_prints"  # before that nothing was done
    assert {one.what for one in findings} == ({"takedowns"} if begun else set())
    if begun:
        assert "not finished" in findings[0].detail and "do the takedown again, or any other" in findings[0].remedy
    result = take(ws, sample.media_id(2))
    assert len(result["finished"]) == begun
    if not begun:
        take(ws, GONE)
    assert problems(ws) == []
    assert not [path for path in Path(ws.root).rglob("*.parquet") if path.parent.name != "tombstones" and _holds(path)]
    assert not Path(ws.root, "reports").exists()
    for one in releases.every(ws):
        assert held_by(ws, one) == {sample.media_id(0)} and len(one.takedowns) == 2


def held_by(ws: Workspace, one: releases.Release) -> set[str]:
    """Media of a release, which all its tables agree on."""
    clips = set(releases.read_table(ws, one, "clips", ["media_id"])["media_id"].to_pylist())
    for table in ("catalog", "labels"):
        assert set(releases.read_table(ws, one, table, ["media_id"])["media_id"].to_pylist()) == clips
    for stage in Stage:
        rows = list(releases.read_release(ws, one, stage))
        assert {media for batch in rows for media in batch["media_id"].to_pylist()} == clips
    return clips


def test_takedown_erases_embeddings_and_the_files_that_held_them(ws):
    take(ws, GONE)
    kept = [pq.read_table(path, columns=["media_id"]) for path in Path(ws.path("embeddings")).glob("*.parquet")]
    assert GONE not in pa.concat_tables(kept)["media_id"].to_pylist()
    assert tables.size(ws, "embeddings").rows == 4


def test_takedown_leaves_the_rest_of_older_releases_as_it_was(ws):
    first, second = releases.every(ws)
    others = pc.field("media_id") != GONE
    tables.update_columns(
        ws, "clips", pa.table({"clip_id": [sample.clip_id(0)], "speaker": ["Eve"]})
    )  # what they hold is not what is stored now
    before = [releases.read_table(ws, one, "clips", filter=others) for one in (first, second)]
    rows = [batch.to_pylist() for batch in releases.read_release(ws, first, Stage.STAGE2)]
    take(ws, GONE)
    takedown = tombstones.takedown_id("file", GONE)
    for one, clips in zip(releases.every(ws), before, strict=True):
        assert releases.read_table(ws, one, "clips").sort_by("clip_id").equals(clips.sort_by("clip_id"))
        assert one.takedowns == (takedown,)
    first = releases.find(ws, first.release_id)
    left = [row for batch in rows for row in batch if row["media_id"] != GONE]
    assert [row for batch in releases.read_release(ws, first, Stage.STAGE2) for row in batch.to_pylist()] == left
    with pytest.raises(NotFoundError, match="taken down"):
        sound_place(ws, first, sample.clip_id(1))
    assert problems(ws) == []


def test_takedown_reaches_what_only_an_older_release_holds(ws):
    """Footage whose file was deleted or replaced since: its rows are in no newest version."""
    drop_media(ws, [GONE])
    (uri,) = tables.read(ws, "catalog", ["uri"], filter=pc.field("media_id") == GONE)["uri"].to_pylist()
    tables.delete_rows(ws, "catalog", "uri", [uri])
    before = [held_by_clips(ws, one) for one in releases.every(ws)]
    assert all(GONE in media for media in before)
    take(ws, uri)
    assert [held_by_clips(ws, one) for one in releases.every(ws)] == [media - {GONE} for media in before]
    assert not [path for path in Path(ws.root).rglob("*.parquet") if path.parent.name != "tombstones" and _holds(path)]


def held_by_clips(ws: Workspace, one: releases.Release) -> set[str]:
    return set(releases.read_table(ws, one, "clips", ["media_id"])["media_id"].to_pylist())


@pytest.mark.parametrize("is_cut", [False, True])
@pytest.mark.parametrize(("table", "media"), [("clips", 1), ("catalog", 0), ("stage1", 0), ("stage1", 1)])
def test_takedown_goes_on_past_a_lost_or_truncated_file_of_an_older_release(ws, table, media, is_cut):
    if table != "clips":
        drop_media(ws, [sample.media_id(media)])
        (uri,) = tables.read(ws, "catalog", ["uri"], filter=pc.field("media_id") == sample.media_id(media))["uri"]
        tables.delete_rows(ws, "catalog", "uri", [uri.as_py()])
    of_it, newest = [sample.media_id(media)], tables.file_names(ws, table)
    listed = [file for one in releases.every(ws) for file in releases.table_files(ws, one, table)]
    lost = next(file.name for file in listed if file.may_hold("media_id", of_it) and file.name not in newest)
    if is_cut:
        os.truncate(ws.path(table, lost), 100)
    else:
        Path(ws.path(table, lost)).unlink()
    take(ws, GONE)
    for one in releases.every(ws):
        if lost in {file.name for file in releases.table_files(ws, one, table)}:
            with pytest.raises((NotFoundError, WorkspaceError)):
                releases.read_table(ws, one, table)
        else:
            assert GONE not in set(releases.read_table(ws, one, table, ["media_id"])["media_id"].to_pylist())
    named = any(lost in {file.name for file in releases.table_files(ws, one, table)} for one in releases.every(ws))
    assert named == (media != 1)  # a file of nothing but what was taken down is missed by nobody
    if is_cut and Path(ws.path(table, lost)).exists():  # nothing of what was taken down can be in it
        assert media == 0
        Path(ws.path(table, lost)).unlink()
    assert kept(ws) == set()


def test_takedowns_at_once_keep_what_each_replaced(ws, monkeypatch):
    """Another one replaces the same files of releases when this one is about to."""
    other, replaced = sample.media_id(2), []

    def meanwhile(ws, table, changes):
        if table not in replaced:
            replaced.append(table)
            erasure.take_out(ws, table, [other])
        replace_files(ws, table, changes)

    monkeypatch.setattr(erasure, "replace_files", meanwhile)
    take(ws, GONE)
    assert "clips" in replaced
    for one in releases.every(ws):
        assert held_by_clips(ws, one) == {sample.media_id(0)}
    assert kept(ws) == set()
    take(ws, other)
    assert problems(ws) == []
    for one in releases.every(ws):
        assert held_by(ws, one) == {sample.media_id(0)}


def test_takedown_erases_what_people_said_of_it_and_nothing_else(ws):
    assert {GONE} < {row["media_id"] for row in label_rows(ws)}
    planned = plan_takedown(ws, None, find_scope(ws, "file", GONE)).summary()
    assert [one["text"] for one in planned["labels"]] == [f"kept by Ann: it is {GONE}"]
    take(ws, GONE)
    left = {sample.media_id(0), sample.media_id(2)}
    assert {row["media_id"] for row in label_rows(ws)} == left
    assert set(tables.read(ws, "draws", ["media_id"])["media_id"].to_pylist()) == left


def kept(ws: Workspace) -> set[str]:
    """Tables with files on the disk that hold what was taken down, but for the lists of lost files."""
    paths = Path(ws.root).rglob("*.parquet")
    return {path.parent.name for path in paths if _holds(path)} - {"tombstones", "release_files"}


def _holds(path: Path) -> bool:
    import pyarrow.parquet as pq

    return GONE in path.name or GONE in str(pq.read_table(path).to_pydict())


@pytest.mark.parametrize("table", ["stage1", "near_pairs", "embeddings"])
def test_taken_down_bytes_on_disk_are_a_problem(ws, table):
    """Whatever the tombstones say: an old version's file that came back from a copy, or that was never erased."""
    kept = {path: path.read_bytes() for path in Path(ws.root, table).glob("*.parquet") if _holds(path)}
    assert kept
    take(ws, GONE)
    assert problems(ws) == []
    for path, data in kept.items():
        path.write_bytes(data)
        (finding,) = problems(ws)
        assert f"{table}/{path.name}" in finding.detail
        take(ws, GONE)
        assert not path.exists() and problems(ws) == []


@pytest.mark.parametrize("pair", [(0, 1), (1, 2)])
def test_pair_that_names_taken_down_footage_is_a_problem(ws, pair):
    take(ws, GONE)
    tables.append_rows(ws, "near_pairs", near_pair(*pair))  # by another publication, begun before
    assert [one.what for one in problems(ws)] == ["takedowns"]
    take(ws, GONE)
    assert problems(ws) == []


def test_takedown_whose_audit_fails_leaves_nothing_of_the_footage(ws, monkeypatch):
    def fails(*given):
        raise AuditFailedError("nothing was published")

    monkeypatch.setattr("heterodub.tasks.releases.audit.audit.audit", fails)
    set_policy(ws, load_policy())
    with pytest.raises(AuditFailedError):
        take(ws, GONE)
    pairs = tables.read(ws, "near_pairs", ["media_id", "other_media_id"]).to_pylist()
    assert all(GONE not in row.values() for row in pairs)
    assert kept(ws) == set()
    assert len(tombstones.unfinished(ws)) == 1
    monkeypatch.setattr("heterodub.tasks.lineage.erase.active_policy", lambda ws: None)  # publishing would take long
    take(ws, GONE)
    assert problems(ws) == []


def test_repeated_takedown_closes_its_attempts(ws):
    takedown = tombstones.bar(ws, "file", GONE, [], "asked", (), tombstones.attempt(True))
    assert [one.with_models for one in tombstones.unfinished(ws)] == [True]
    tombstones.finish(ws, takedown, False)
    assert tombstones.unfinished(ws) != []  # its models are still there
    tombstones.finish(ws, takedown, True)
    assert tombstones.unfinished(ws) == []


@pytest.mark.parametrize("size", [0, 40])
@pytest.mark.parametrize("table", ["clips", "catalog", "releases"])
def test_newest_commit_that_is_empty_or_cut_short_is_a_problem(ws, table, size):
    release(ws)
    newest = max(Path(ws.root, table, "_delta_log").glob("*.json"))
    os.truncate(newest, size)
    assert f"table {table}" in {one.what for one in problems(ws)}


def test_release_that_holds_something_else_than_was_published_is_a_problem(ws):
    release(ws)
    (*_, old) = released = tables.files_of(ws, "clips")
    tables.append_rows(ws, "clips", batch_of(ws, 5).clips)
    (new,) = {file.name: file for file in tables.files_of(ws, "clips") if file not in released}.values()
    replace_files(ws, "clips", {old.name: new})
    assert "last release" in {one.what for one in problems(ws)}
