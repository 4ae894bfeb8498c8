"""Rows of an ingest do not depend on how its files are sliced: random files that change, move and copy each other, with
results made up in place of workers.
"""

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.policy import Policy, load_policy
from heterodub.schemas.reasons import FileState
from heterodub.schemas.records import FileOutcome, RawFile
from heterodub.tasks.ingestion import catalog, driver, pending
from heterodub.tasks.ingestion.ingest_run import IngestRun
from heterodub.tasks.ingestion.job import Analysis, FileJob, Identification
from heterodub.tasks.ingestion.plan import plan_run
from heterodub.tasks.ingestion.relabelling import relabel
from heterodub.tasks.ingestion.schedule import Schedule
from heterodub.tasks.ingestion.tally import Tally
from heterodub.tasks.ingestion.worker import FileResult
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.stores import tables, tombstones
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.stores import sample_rows as sample

NAMES = "abcdefgh"


def media_of(content: int) -> str:
    return sample.media_id(content)


def measured(job: FileJob) -> FileResult:
    """A film with one clip."""
    row = sample.clip_row(1, clip_id=job.media_id[:24], media_id=job.media_id, uri=job.uri, corpus=job.corpus)
    clips = sample.clips(row | {"speaker": job.speaker, "consent": job.consent, "split": None, "split_group": None})
    return FileResult(job, Analysis(FileOutcome(FileState.MEASURED), None, clips, 1.0, 0.0), None)


def ingest(
    settings,
    policy: Policy,
    files: list[RawFile],
    contents: dict[str, int],
    line: str = "",
    analyse: Callable[[FileJob], FileResult] = measured,
) -> Tally:
    """Do the steps of an ingest, in this process."""
    workspace = Workspace.open(settings.workspace).of_line(line)
    plan = plan_run(files, partial(catalog.catalog_batches, workspace), settings.extractor, False)
    relabel(workspace, plan.relabelled, settings, plan.labelled.among)
    known = catalog.known_among(workspace, (raw.uri for raw in plan.fresh))
    schedule = Schedule(driver.slices(plan.fresh, known), 1)
    tally = Tally(files=len(plan.fresh), bytes=len(plan.fresh))
    run = IngestRun(workspace, settings, policy, ProgressSink(), tally, schedule, plan.labelled.among, known)
    while True:
        for task in schedule:
            if isinstance(task, Identification):
                run.finish(task, [media_of(contents[raw.uri]) for raw in task.files])
            else:
                assert isinstance(task, FileJob)
                run.finish(task, analyse(task))
        if not run.go_on():
            break
    assert tally.files == tally.files_done, "some file was decided on twice, or never"
    return tally


def rows(settings) -> tuple[list[dict], list[dict]]:
    """All of the catalog, and whose the clips are."""
    workspace = Workspace.open(settings.workspace)
    clips = tables.read(workspace, "clips", ["clip_id", "media_id", "uri", "speaker", "corpus", "consent"]).sort_by(
        "clip_id"
    )
    return tables.read(workspace, "catalog").sort_by("uri").to_pylist(), clips.to_pylist()


def drawn(chance: random.Random, folder: Path, before: list[RawFile]) -> tuple[list[RawFile], dict[str, int]]:
    """A listing of files that exist, and what they hold: most as before, some changed, some gone, some new."""
    old, apart = {raw.uri: raw for raw in before}, random.Random(len(before))
    files, contents = [], {}
    for name in NAMES:
        path = folder / name
        if chance.random() < 0.2:
            path.unlink(missing_ok=True)
            continue
        path.touch()
        raw = old.get(str(path)) or RawFile(str(path), 1, "")
        speaker = chance.choice([None, None, None, "ann"] if chance.random() < 0.9 else ["ben"])
        consent = apart.choice([None, None, "withdrawn"])
        files.append(replace(raw, stamp=str(chance.randrange(1000)), speaker=speaker, consent=consent))
        contents[raw.uri] = chance.randrange(5)
    return files, contents


@pytest.mark.parametrize("seed", [0, 3, 11, 15, 22])  # without the wait for unread files, each of them fails
def test_slices_of_any_size_give_the_same_rows(seed, settings, tmp_path, monkeypatch):
    chance, policy = random.Random(seed), load_policy()
    (folder := tmp_path / "films").mkdir()
    files, contents = drawn(chance, folder, [])
    ingest(settings, policy, files, contents)
    kept = {raw.uri for raw in files if chance.random() < 0.4}
    changed, now = drawn(chance, folder, files)
    before = {raw.uri: raw for raw in files}
    changed = [before[raw.uri] if raw.uri in kept else raw for raw in changed]
    now = {uri: contents[uri] if uri in kept else content for uri, content in now.items()}
    results = []
    for size in (1, 3, 1000):
        copy = shutil.copytree(settings.workspace, tmp_path / f"by {size}")
        again = settings.model_copy(update={"workspace": str(copy)})
        monkeypatch.setattr(driver, "_SLICE_FILES", size)
        ingest(again, policy, changed, now)
        results.append(rows(again))
    assert results[0] == results[2]
    assert results[1] == results[2]


@pytest.mark.parametrize("line", ["", "2-new"])
@pytest.mark.parametrize("by", ["media", "name"])
def test_footage_taken_down_while_it_is_analysed_is_not_stored(settings, tmp_path, line, by):
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    files = [RawFile(str(tmp_path / "a"), 1, "", speaker="ann"), RawFile(str(tmp_path / "b"), 1, "")]
    ws = Workspace.open(settings.workspace)

    def analyse(job: FileJob) -> FileResult:
        if job.uri == files[0].uri:  # a takedown has begun and ended since its content was looked for
            tombstones.bar(
                ws, "speaker" if by == "name" else "corpus", "ann", [job.media_id] if by == "media" else [], "asked"
            )
        return measured(job)

    tally = ingest(settings, load_policy(), files, {files[0].uri: 0, files[1].uri: 1}, line, analyse)
    for table in ("catalog", "clips"):
        assert tables.read(ws.of_line(line), table)["media_id"].to_pylist() == [media_of(1)]
    assert tally.taken_down == 1


def test_footage_taken_down_while_it_is_stored_is_taken_out(settings, tmp_path, monkeypatch):
    (tmp_path / "a").touch()
    ws, work = Workspace.open(settings.workspace), pending.commit_batch

    def late(*given) -> None:
        tombstones.bar(ws, "corpus", "other", [media_of(0)], "asked")
        work(*given)

    monkeypatch.setattr(pending, "commit_batch", late)
    ingest(settings, load_policy(), [RawFile(str(tmp_path / "a"), 1, "")], {str(tmp_path / "a"): 0})
    assert tables.read(ws, "catalog").num_rows == tables.read(ws, "clips").num_rows == 0
    assert not list(Path(ws.root, "clips").glob("*.parquet"))


@pytest.mark.parametrize("now", ["as it was", "touched", "renamed"])
@pytest.mark.parametrize(("worked_on", "other"), [("2-new", ""), ("", "2-new")])
def test_withdrawn_consent_reaches_every_line(settings, tmp_path, worked_on, other, now):
    """The line that is worked on knows the file already, or it is listed there for the first time."""
    ws, policy = Workspace.open(settings.workspace), load_policy()
    (path := tmp_path / "a").touch()
    raw = RawFile(str(path), 1, "1", consent="given")

    def in_line(line: str) -> Settings:
        return type("Line", (Settings,), {"extractor": property(lambda self: line or sample.EXTRACTOR)})(
            workspace=settings.workspace
        )

    for line in ("", "2-new") if now == "as it was" else (other,):
        ingest(in_line(line), policy, [raw], {raw.uri: 0}, line)
    if now == "renamed":
        path = path.rename(tmp_path / "b")
    changed = RawFile(str(path), 1, "2" if now == "touched" else "1", consent="withdrawn")
    ingest(in_line(worked_on), policy, [changed], {changed.uri: 0}, worked_on)
    (file,), (clip,) = (tables.read(ws.of_line(other), table).to_pylist() for table in ("catalog", "clips"))
    assert (file["uri"], file["consent"], clip["uri"], clip["consent"]) == (changed.uri, "withdrawn") * 2
    assert file["extractor"] == (other or sample.EXTRACTOR)
