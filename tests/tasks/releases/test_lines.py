"""Lines of stored rows: progress, the switch and what it keeps, kills on the way, late rows, takedowns in all lines."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import AuditFailedError, NotFoundError
from heterodub.schemas.policy import load_policy
from heterodub.schemas.reasons import Stage
from heterodub.tasks.inspect.check_workspace import check_workspace
from heterodub.tasks.lineage.erase import take_down
from heterodub.tasks.lineage.plan import find_scope, plan_takedown
from heterodub.tasks.monitoring.run_log import RunLog
from heterodub.tasks.releases import publishing, releases
from heterodub.tasks.releases.erasure import erase_unnamed
from heterodub.tasks.releases.lines import line_of, progress_of, switch_to
from heterodub.tasks.releases.publishing import publish
from heterodub.tasks.stores import standby, tables, tombstones
from heterodub.tasks.stores.active_policy import set_policy
from heterodub.tasks.stores.batches import FileBatch, KnownMedia, commit_batch, drop_media
from heterodub.tasks.stores.labels import NewLabel, read_labels, store_labels
from heterodub.tasks.stores.line_labels import carry_labels, clip_id_at
from heterodub.tasks.stores.workspace import LINE_TABLES, STANDBY, Workspace
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import new_workspace, write_part

POLICY = load_policy()
OLD = sample.EXTRACTOR
ORIGIN = releases.ReleaseProvenance(sample.BACKEND, OLD, POLICY.hash, "ba9876543210", "0.1.0")


def settings(ws: Workspace) -> Settings:
    """Those of another extractor than the one that the rows come from."""
    return Settings(workspace=ws.root)


def clip_of(media: int, extractor: str) -> str:
    return clip_id_at(sample.media_id(media), 0, 0, 0, sample.FRAMES, extractor)


def store(ws: Workspace, media: int, corpus: str = "default", **catalog: Any) -> None:
    """A clip of a file, in the tables in use or in those of a line."""
    extractor, media_id = ws.line or OLD, sample.media_id(media)
    clip = clip_of(media, extractor)
    rows = sample.stage1(sample.stage1_row(media, clip_id=clip)), sample.stage2(sample.stage2_row(media, clip_id=clip))
    parts = [
        write_part(ws, table, media_id, extractor, row) for table, row in zip(("stage1", "stage2"), rows, strict=True)
    ]
    division = {"split": None, "split_group": None} if ws.line else {}
    row = sample.clip_row(media, clip_id=clip, extractor=extractor, corpus=corpus, policy=POLICY.hash, **division)
    files = sample.catalog(sample.catalog_row(media, extractor=extractor, corpus=corpus) | catalog)
    faces = sample.embeddings(sample.embedding_row(media, clip_id=clip))
    batch = FileBatch(frozenset({media_id}), files, sample.clips(row), [parts[0]], [parts[1]], faces)
    commit_batch(ws, batch, KnownMedia(ws))


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """Three files of corpus a, three of b, each of a speaker, with a release of the old extractor. Copy it."""
    ws = new_workspace(tmp_path_factory.mktemp("lines"))
    set_policy(ws, POLICY)
    for media in range(6):
        store(ws, media, "ab"[media % 2])
    publishing.assign(ws, Settings().splits)
    releases.publish(ws, releases.current_versions(ws), ORIGIN, {"passed": True})
    return Path(ws.root)


@pytest.fixture
def ws(published, tmp_path) -> Workspace:
    return Workspace.open(str(shutil.copytree(published, tmp_path / "ws")))


@pytest.fixture
def line(ws) -> Workspace:
    return line_of(ws, settings(ws))


@pytest.fixture(scope="module")
def with_whole_line(published, tmp_path_factory) -> Path:
    """The same, with all six files in the line as well. Copy it."""
    ws = Workspace.open(str(shutil.copytree(published, tmp_path_factory.mktemp("whole") / "ws")))
    line = line_of(ws, settings(ws))
    for media in range(6):
        store(line, media)
    return Path(ws.root)


@pytest.fixture
def whole(with_whole_line, tmp_path) -> tuple[Workspace, Workspace]:
    """The workspace and its line, which has all that the tables in use have."""
    ws = Workspace.open(str(shutil.copytree(with_whole_line, tmp_path / "ws")))
    return ws, line_of(ws, settings(ws))


def go_over(line: Workspace) -> None:
    """All that publishing does for the switch, without an audit."""
    publishing.assign(line, Settings().splits)
    versions = releases.current_versions(line)
    files = standby.files_of_line(line, versions)
    versions |= switch_to(line, versions, files)
    ws = line.of_line("")
    origin = releases.ReleaseProvenance(sample.BACKEND, line.line, POLICY.hash, "ba9876543210", "0.1.0")
    assert releases.publish(ws, versions, origin, {"passed": True}).changed
    standby.clear(line, files)


def extractors(ws: Workspace) -> set[str]:
    return {name for table in ("catalog", "clips") for name in tables.read(ws, table)["extractor"].to_pylist()}


def payload(ws: Workspace, table: str) -> set[str]:
    return set(tables.read(ws, table)["clip_id"].to_pylist())


def test_progress_names_what_is_missing_in_each_corpus(ws, line):
    assert line.line == Settings().extractor and not standby.is_there(line)
    assert progress_of(ws, OLD) is None
    store(line, 0, "a")
    store(line, 2, "a", state="rejected", reason="no_face")
    store(line, 4, "a", state="quarantined", reason="unreadable")
    store(line, 9, "c")
    progress = progress_of(ws, line.line)
    assert (progress.corpora, progress.fresh, progress.clips) == ({"a": (2, 3), "b": (0, 3)}, 1, 4)
    assert not progress.is_whole and "/footage/4.mp4" in progress.missing
    words = progress.words()
    assert "corpus a 2 of 3 files, corpus b 0 of 3 files, 1 new file in it alone" in words
    assert "cannot train on" in words  # rows of version 1 in this test


def test_file_under_another_name_is_not_missing(ws, line):
    for media in range(6):
        store(line, media, uri=f"/elsewhere/{media}.mp4")
    assert progress_of(ws, line.line).is_whole


def test_switch_keeps_splits_and_older_releases(whole):
    ws, line = whole
    before = releases.latest(ws)
    old = {row["speaker"]: row["split"] for row in tables.read(ws, "clips").to_pylist()}
    store(line, 9)
    go_over(line)
    rows = tables.read(ws, "clips").to_pylist()
    assert {row["speaker"]: row["split"] for row in rows if row["speaker"] in old} == old
    assert all(row["split"] for row in rows) and extractors(ws) == {line.line}
    assert payload(ws, "stage1") == payload(ws, "stage2") == {row["clip_id"] for row in rows}
    assert progress_of(ws, line.line) is None and line_of(ws, settings(ws)) == ws
    held = releases.release_clips(ws, before, Stage.STAGE1)["clip_id"].to_pylist()
    assert {clip_of(media, OLD) for media in range(6)} == set(held)
    assert sum(batch.num_rows for batch in releases.read_release(ws, before, Stage.STAGE2)) == 6
    assert not Path(ws.path(STANDBY)).joinpath(line.line).exists()


@pytest.mark.parametrize("table", LINE_TABLES)
def test_switch_that_ended_after_a_table_is_done_again(whole, table, monkeypatch):
    ws, line = whole
    work = standby.transact

    def die(place: Workspace, name: str, *rest: Any) -> int:
        version = work(place, name, *rest)
        if name == table and not place.line:
            raise KeyboardInterrupt
        return version

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(standby, "transact", die)
        go_over(line)
    assert line_of(ws, settings(ws)) == line and progress_of(ws, line.line).is_whole
    go_over(line)
    assert extractors(ws) == {line.line} and len(payload(ws, "stage2")) == tables.read(ws, "catalog").num_rows == 6


def test_rows_that_came_during_the_switch_are_stored_by_the_next_run(whole):
    ws, line = whole
    go_over(line)
    store(line, 7)
    store(line, 0)  # the same once more
    version = tables.version(ws, "catalog")
    assert line_of(ws, settings(ws)) == ws and not standby.standing_by(ws)
    assert tables.version(ws, "catalog") == version + 1
    assert payload(ws, "stage1") == payload(ws, "embeddings") == {clip_of(media, line.line) for media in (*range(6), 7)}


def test_line_stays_while_another_run_may_write_there(whole):
    ws, line = whole
    other = RunLog("ingest", ws.root, None)
    other.begin()
    go_over(line)
    store(line, 7)
    assert line_of(ws, settings(ws)) == ws and standby.standing_by(ws) == (line,)
    changed = sample.catalog_row(7, extractor=line.line) | {"stamp": "newer"}
    tables.replace_rows(ws, "catalog", sample.catalog(changed), "uri")
    store(line, 8)  # its next batch
    other.end("done")
    assert line_of(ws, settings(ws)) == ws and not standby.standing_by(ws)
    assert {row["uri"]: row["stamp"] for row in tables.read(ws, "catalog").to_pylist()}[changed["uri"]] == "newer"
    assert {*payload(ws, "stage1")} == {clip_of(media, line.line) for media in (*range(6), 7, 8)}


def test_late_rows_without_all_of_their_payload_are_left_to_the_next_ingest(whole):
    ws, line = whole
    go_over(line)
    store(line, 7)
    tables.delete_rows(line, "stage2", "media_id", [sample.media_id(7)])
    shutil.copytree(ws.root, f"{ws.root} of it alone")
    alone = Workspace.open(f"{ws.root} of it alone")
    line_of(alone, settings(alone))
    assert tables.read(alone, "catalog").num_rows == 6
    store(line, 8)
    rejected = sample.catalog_row(9, extractor=line.line) | {"media_id": None, "state": "rejected", "clips": 0}
    line_of(ws, settings(ws))
    tables.replace_rows(line, "catalog", sample.catalog(rejected), "uri")  # alone
    line_of(ws, settings(ws))
    assert rejected["uri"] in tables.read(ws, "catalog")["uri"].to_pylist()
    tables.delete_rows(ws, "catalog", "uri", [rejected["uri"]])
    media = {sample.media_id(media) for media in (*range(6), 8)}
    assert all({*tables.read(ws, table)["media_id"].to_pylist()} == media for table in ("catalog", "clips", "stage1"))


def test_late_content_and_labels_of_known_files_are_stored(whole):
    ws, line = whole
    go_over(line)
    store(line, 20, uri="/footage/0.mp4", stamp="new")
    row = sample.catalog_row(1, extractor=line.line) | {"consent": "withdrawn"}
    tables.replace_rows(line, "catalog", sample.catalog(row), "uri")
    line_of(ws, settings(ws))
    rows = {row["uri"]: (row["media_id"], row["consent"]) for row in tables.read(ws, "catalog").to_pylist()}
    assert rows["/footage/0.mp4"][0] == sample.media_id(20) and rows["/footage/1.mp4"][1] == "withdrawn"
    clips = {row["media_id"]: row for row in tables.read(ws, "clips").to_pylist()}
    assert clips.keys() == {sample.media_id(media) for media in (20, *range(1, 6))}
    assert clips[sample.media_id(1)]["consent"] == "withdrawn" and not clips[sample.media_id(1)]["stage1"]
    assert payload(ws, "stage1") == {row["clip_id"] for row in clips.values() if row["stage1"]}


def test_line_that_is_given_up_leaves_the_other_as_it_was(ws, line):
    versions = releases.current_versions(ws)
    store(line, 0)
    store(line, 9)
    kept = _Old(workspace=ws.root)
    assert kept.extractor == OLD and line_of(ws, kept) == ws
    assert releases.current_versions(ws) == versions and standby.standing_by(ws) == (line,)


class _Old(Settings):
    """Settings of before."""

    @property
    def extractor(self) -> str:
        return OLD


def test_labels_follow_to_the_clips_in_the_same_places(ws, line):
    store(line, 0)
    store_labels(ws, [_label(media, Stage.STAGE2) for media in (0, 1)])
    assert (carry_labels(line), carry_labels(line)) == (1, 0)
    standing = read_labels(ws)
    assert {clip for clip, _ in standing} == {clip_of(0, OLD), clip_of(1, OLD), clip_of(0, line.line)}
    assert standing[clip_of(0, line.line), Stage.STAGE2].text == "refused by Ann: blurred"


def _label(media: int, stage: Stage) -> NewLabel:
    return NewLabel(clip_of(media, OLD), sample.media_id(media), stage, False, "blurred", "Ann")


def test_takedown_erases_in_every_line(ws, line):
    for media in (0, 1, 9):
        store(line, media)
    for name, value in (("file", "/footage/1.mp4"), ("speaker", "speaker 9")):
        take_down(ws, settings(ws), None, plan_takedown(ws, None, find_scope(ws, name, value)), "asked")
    gone = {sample.media_id(media) for media in (1, 9)}
    for place in (ws, line):
        for table in ("catalog", "clips", "stage1", "stage2", "embeddings"):
            assert gone.isdisjoint(tables.read(place, table)["media_id"].to_pylist())
    ids = [clip_of(1, OLD), clip_of(1, line.line), clip_of(9, line.line)]
    held = [path for path in Path(ws.root).rglob("*.parquet") for one in ids if one.encode() in path.read_bytes()]
    assert [path for path in held if path.parent.name not in ("tombstones",)] == []


def holding(ws: Workspace, media: int) -> list[Path]:
    """Data files that hold a clip of this media, of any line."""
    ids = [clip_of(media, OLD).encode(), clip_of(media, Settings().extractor).encode()]
    files = [path for path in Path(ws.root).rglob("*.parquet") if any(one in path.read_bytes() for one in ids)]
    return [path for path in files if path.parent.name != "tombstones"]


def test_doctor_looks_into_lines_that_stand_by(ws, line):
    for media in (1, 2):
        store(line, media)
    assert all(not finding.remedy for finding in check_workspace(settings(ws)) if "raw files" not in finding.what)
    tables.delete_rows(line, "catalog", "media_id", [sample.media_id(2)])
    take_down(ws, settings(ws), None, plan_takedown(ws, None, find_scope(ws, "file", "/footage/1.mp4")), "asked")
    store(line, 1)  # by code that does not look for tombstones
    found = {finding.what: finding.detail for finding in check_workspace(settings(ws)) if finding.remedy}
    assert f"1 media have rows, but no measured file: {sample.media_id(2)[:8]}" in found["orphans"]
    assert "1 stored files are of footage that was taken down" in found["takedowns"]
    Path(line.path("clips", tables.file_names(line, "clips")[0])).unlink()
    what = [finding.what for finding in check_workspace(settings(ws)) if finding.remedy]
    assert f"table clips of {STANDBY}/{line.line}" in what


def test_old_files_of_a_line_that_stands_by_are_erased_in_time(ws, line):
    store(line, 1)
    store(line, 2)
    tables.delete_rows(line, "clips", "media_id", [sample.media_id(1)])
    old = clip_of(1, line.line).encode()
    erase_unnamed(ws, 0)
    held = [path for path in Path(line.path("clips")).glob("*.parquet") if old in path.read_bytes()]
    assert held == [] and tables.read(line, "clips").num_rows == 1


def ready_to_switch(line: Workspace) -> tuple[dict[str, int], standby.LineFiles]:
    """Fill a line with three media; return the versions and files of its tables."""
    for media in range(3):
        store(line, media)
    versions = releases.current_versions(line)
    return versions, standby.files_of_line(line, versions)


def test_line_that_got_back_what_was_taken_down_is_not_switched_to(ws, line):
    for media in range(3):
        store(line, media)
    tombstones.bar(ws, "file", "/footage/1.mp4", [sample.media_id(1)], "asked")
    before, versions = releases.current_versions(ws), releases.current_versions(line)
    assert switch_to(line, versions, standby.files_of_line(line, versions)) is None
    assert releases.current_versions(ws) == before and extractors(ws) == {OLD}


def test_takedown_during_the_switch_leaves_nothing_in_use(ws, line, monkeypatch):
    versions, files = ready_to_switch(line)
    work = standby.switch_tables

    def late(*given: Any) -> dict[str, int]:
        take_down(ws, settings(ws), None, plan_takedown(ws, None, find_scope(ws, "file", "/footage/1.mp4")), "asked")
        return work(*given)

    with monkeypatch.context() as patch, pytest.raises(NotFoundError):
        patch.setattr(standby, "switch_tables", late)  # it ends before a file has its second name
        switch_to(line, versions, files)
    assert extractors(ws) == {OLD} and holding(ws, 1) == []


def test_takedown_between_names_and_tables_leaves_nothing_in_use_and_no_release(ws, line, monkeypatch):
    versions, files = ready_to_switch(line)
    work = standby.switch_tables

    def late(*given: Any) -> dict[str, int]:
        media = [sample.media_id(1)]
        tombstones.bar(ws, "file", "/footage/1.mp4", media, "asked")
        for place in (ws, line):
            drop_media(place, media)
            tables.delete_rows(place, "catalog", "media_id", media)
        return work(*given)

    with monkeypatch.context() as patch:
        patch.setattr(standby, "switch_tables", late)
        assert switch_to(line, versions, files) is None
    rows = {table: set(tables.read(ws, table)["media_id"].to_pylist()) for table in ("catalog", "clips", "stage1")}
    assert all(media == {sample.media_id(0), sample.media_id(2)} for media in rows.values())
    assert [path for path in holding(ws, 1) if STANDBY not in path.parts and clip_of(1, line.line).encode()
            in path.read_bytes()] == []  # fmt: skip
    last = releases.latest(ws)
    again = publish(ws, settings(ws), POLICY, switch="never")  # as by the takedown: not the new line as the old one
    assert (again.release_id, again.is_new) == (last.release_id, False) and line.line in again.notes[0]


def test_takedown_with_copies_reaches_a_copy_that_only_the_new_line_has(ws, line):
    motion = np.random.default_rng(7).integers(-90, 90, 4 * 100).astype(np.int8).tobytes()
    for place, media in ((ws, 10), (line, 11), (line, 12)):
        store(place, media)
        moves = {"face_motion": motion, "frames": 100} if media < 12 else {}
        rows = sample.clip_row(media, clip_id=clip_of(media, place.line or OLD), **moves)
        tables.replace_rows(place, "clips", sample.clips(rows), "media_id")
    scope = find_scope(ws, "file", "/footage/10.mp4", with_copies=True)
    assert scope.media == {sample.media_id(10), sample.media_id(11)}
    (named,) = find_scope(ws, "file", clip_of(11, line.line)).files
    assert named["uri"] == "/footage/11.mp4"
    tables.delete_rows(ws, "clips", "media_id", [sample.media_id(10)])
    take_down(ws, settings(ws), None, plan_takedown(ws, None, scope), "asked")
    assert "motion" in tables.read(ws, "tombstones")["kind"].to_pylist()  # of what only the new line had


def test_publish_goes_over_once_the_line_is_whole_or_if_it_is_said(ws, line):
    for media in range(5):
        store(line, media, "ab"[media % 2])
    first = publish(ws, settings(ws), POLICY)
    assert not first.is_new and "corpus b 2 of 3 files" in first.notes[-1]
    assert releases.latest(ws).extractor == OLD
    held = publish(ws, settings(ws), POLICY.model_copy(update={"version": 99}), switch="now")
    assert releases.latest(ws).extractor == OLD and "heterodub route" in held.notes[-1]
    assert publish(ws, settings(ws), POLICY, switch="now").is_new
    assert releases.latest(ws).extractor == line.line and extractors(ws) == {line.line}
    assert not publish(ws, settings(ws), POLICY).is_new and not standby.standing_by(ws)


def test_rows_of_two_extractors_before_a_first_release_are_refused_by_corpus(tmp_path):
    ws = new_workspace(tmp_path)
    for media in range(3):
        store(ws, media, "ab"[media % 2])
    newer = sample.clips(sample.clip_row(1, clip_id=clip_of(1, "2-x"), extractor="2-x", corpus="b"))
    tables.replace_rows(ws, "clips", newer, "media_id")
    tables.replace_rows(ws, "catalog", sample.catalog(sample.catalog_row(1, extractor="2-x", corpus="b")), "uri")
    named = f"2 files of corpus a by {OLD}; 1 file of corpus b by 2-x. Ingest"
    with pytest.raises(AuditFailedError, match=named):
        publish(ws, settings(ws), POLICY)


KILLED = """
import os, signal, sys
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.policy import load_policy
from heterodub.tasks.releases import publishing
from heterodub.tasks.stores.workspace import Workspace

def killed(root, step):
    module, name = step.split(".")
    place = getattr(publishing, module)
    work = getattr(place, name)

    def dies(*given, **more):
        work(*given, **more)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(place, name, dies)
    publishing.publish(Workspace.open(root), Settings(workspace=root), load_policy())

folder, *steps = sys.argv[1:]
for step in steps:
    if not (child := os.fork()):
        killed(os.path.join(folder, step), step)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
"""Publishes in copies of a workspace, and is killed after a step of each."""


@pytest.mark.long  # two audits for each kill
def test_killed_publish_is_finished_by_the_next(whole, tmp_path):
    ws, line = whole
    steps = ("standby.switch_tables", "releases.publish", "standby.clear")
    for step in steps:
        shutil.copytree(ws.root, tmp_path / step)
    running = [sys.executable, "-c", KILLED, str(tmp_path), *steps]
    done = subprocess.run(running, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.split() == [str(-signal.SIGKILL)] * len(steps)
    for step in steps:
        copy = Workspace.open(str(tmp_path / step))
        publish(copy, settings(copy), POLICY)
        line_of(copy, settings(copy))
        assert releases.latest(copy).extractor == line.line and extractors(copy) == {line.line}
        assert len(payload(copy, "stage1")) == 6 and not standby.standing_by(copy)
        assert len([release for release in releases.every(copy) if release.extractor == line.line]) == 1
