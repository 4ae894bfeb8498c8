"""An ingest without Prefect: a folder into tables over a real cluster, run again, and with files that changed."""

import shutil
from functools import partial
from pathlib import Path

import av
import pytest

from heterodub.schemas.config.dubbing import SYNTHETIC
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.policy import Policy, load_policy
from heterodub.schemas.reasons import FileReason, Stage
from heterodub.schemas.records import RawFile
from heterodub.tasks.ingestion import catalog
from heterodub.tasks.ingestion.dask_client import open_client
from heterodub.tasks.ingestion.driver import slices, work_through
from heterodub.tasks.ingestion.ingest_run import _may_still_hold
from heterodub.tasks.ingestion.plan import plan_run
from heterodub.tasks.ingestion.relabelling import relabel
from heterodub.tasks.ingestion.reroute import plan_reroute
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.sources.open import source_files
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import set_policy
from heterodub.tasks.stores.workspace import Workspace
from tests.flows.heads import write_head
from tests.tasks.media.media_files import regular, write_media


@pytest.fixture(scope="module")
def policy(tmp_path_factory) -> Policy:
    """One that admits every clip with sound to both stages."""
    path = tmp_path_factory.mktemp("policy") / "lenient.toml"
    path.write_text('name = "lenient"\nversion = 1\n[stage1]\n[stage2]\n')
    return load_policy(path)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with open_client(None, 1, tmp_path_factory.mktemp("scratch"), 3) as result:
        yield result


@pytest.fixture
def ingest(client, settings, policy):
    """Ingest a source; gives the plan and the tally of the run."""

    def run(source: Path, corpus: str = "default", given=settings):
        workspace = Workspace.open(given.workspace)
        known = partial(catalog.catalog_batches, workspace)
        plan = plan_run(source_files(str(source), corpus), known, given.extractor, False)
        relabel(workspace, plan.relabelled, given, plan.labelled.among)
        return plan, work_through(client, workspace, plan.fresh, given, policy, ProgressSink(), plan.labelled.among)

    return run


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """Two films of a talking face, one of them silent, one without a face, one that is too short, and no films."""
    folder = tmp_path_factory.mktemp("films")
    write_head(folder / "talking.mp4", 1, 30)
    write_head(folder / "silent.mp4", 2, 30, track=None)
    write_media(folder / "empty room.mp4", regular(30), size=(96, 96))
    write_head(folder / "blink.mp4", 3, 11)
    shutil.copy(folder / "talking.mp4", folder / "the same.mp4")
    (folder / "notes.mp4").write_text("Take three was the good one.\n" * 40)
    (folder / "upload failed.mp4").touch()
    return folder


@pytest.fixture
def footage(films, tmp_path) -> Path:
    return Path(shutil.copytree(films, tmp_path / "footage"))


def state_of(settings) -> dict[str, tuple[str, str | None, int]]:
    rows = tables.read(Workspace.open(settings.workspace), "catalog").to_pylist()
    return {Path(row["uri"]).name: (row["state"], row["reason"], row["clips"]) for row in rows}


def rows_of(settings, table: str, *columns: str) -> list[tuple]:
    rows = tables.read(Workspace.open(settings.workspace), table, list(columns)).to_pylist()
    return sorted(tuple(row[column] for column in columns) for row in rows)


def versions(settings) -> dict[str, int]:
    workspace = Workspace.open(settings.workspace)
    return {name: tables.version(workspace, name) for name in ("catalog", "clips", "stage1", "stage2")}


def test_every_file_gets_its_row_and_a_second_run_changes_nothing(ingest, settings, footage, policy):
    plan, tally = ingest(footage)
    assert len(plan.fresh) == 7
    assert state_of(settings) == {
        "talking.mp4": ("measured", None, 1),
        "the same.mp4": ("duplicate", "same_bytes", 0),
        "silent.mp4": ("measured", None, 1),
        "empty room.mp4": ("rejected", "no_face", 0),
        "blink.mp4": ("rejected", "too_short", 0),
        "notes.mp4": ("rejected", "not_media", 0),
        "upload failed.mp4": ("rejected", "empty_file", 0),
    }
    assert (tally.files, tally.files_done) == (5, 5)
    assert tally.bytes == tally.bytes_done
    assert tally.routes.total() == 2
    clips = rows_of(settings, "clips", "uri", "stage1", "stage2", "policy")
    assert [Path(uri).name for uri, *_ in clips] == ["silent.mp4", "talking.mp4"]
    assert {policy for *_, policy in clips} == {policy.hash}
    assert len(rows_of(settings, "stage2", "clip_id")) == sum(stage2 for _, _, stage2, _ in clips)
    assert len(rows_of(settings, "stage1", "clip_id")) == sum(stage1 for _, stage1, _, _ in clips)

    before = versions(settings)
    plan, tally = ingest(footage)
    assert (plan.fresh, plan.relabelled, plan.unchanged) == ((), (), 7)
    assert tally.files == 0
    assert versions(settings) == before

    plan, _ = ingest(footage, "renamed")
    assert (plan.fresh, len(plan.relabelled)) == ((), 7)
    assert {corpus for (corpus,) in rows_of(settings, "clips", "corpus")} == {"renamed"}
    assert {corpus for (corpus,) in rows_of(settings, "catalog", "corpus")} == {"renamed"}


def test_other_bytes_under_the_same_name_replace_the_old_rows(ingest, settings, footage, tmp_path):
    (one := tmp_path / "one").mkdir()
    shutil.copy(footage / "talking.mp4", one / "film.mp4")
    ingest(one)
    (old,) = rows_of(settings, "clips", "clip_id")
    shutil.copy(footage / "silent.mp4", one / "film.mp4")
    ingest(one)
    (new,) = rows_of(settings, "clips", "clip_id")
    assert new != old
    assert rows_of(settings, "stage2", "clip_id") == [new]
    assert rows_of(settings, "stage1", "clip_id") == []
    (one / "film.mp4").write_bytes(b"")
    ingest(one)
    assert state_of(settings) == {"film.mp4": ("rejected", "empty_file", 0)}
    assert rows_of(settings, "clips", "clip_id") == rows_of(settings, "stage2", "clip_id") == []


def test_copy_keeps_the_clips_when_the_original_changes(ingest, settings, footage, tmp_path):
    (two := tmp_path / "two").mkdir()
    shutil.copy(footage / "talking.mp4", two / "a.mp4")
    shutil.copy(footage / "talking.mp4", two / "b.mp4")
    ingest(two)
    assert state_of(settings) == {"a.mp4": ("measured", None, 1), "b.mp4": ("duplicate", "same_bytes", 0)}
    before = rows_of(settings, "clips", "clip_id")
    shutil.copy(footage / "notes.mp4", two / "a.mp4")
    ingest(two)
    assert state_of(settings) == {"a.mp4": ("rejected", "not_media", 0), "b.mp4": ("measured", None, 1)}
    assert rows_of(settings, "clips", "clip_id") == before
    assert len(rows_of(settings, "stage2", "clip_id")) == 1


def test_original_that_becomes_a_copy_of_another_leaves_no_rows_behind(ingest, settings, footage, tmp_path):
    (two := tmp_path / "two").mkdir()
    shutil.copy(footage / "talking.mp4", two / "a.mp4")
    shutil.copy(footage / "silent.mp4", two / "b.mp4")
    ingest(two)
    assert len(rows_of(settings, "clips", "clip_id")) == 2
    shutil.copy(two / "a.mp4", two / "b.mp4")
    ingest(two)
    assert state_of(settings) == {"a.mp4": ("measured", None, 1), "b.mp4": ("duplicate", "same_bytes", 0)}
    assert [Path(uri).name for (uri,) in rows_of(settings, "clips", "uri")] == ["a.mp4"]


def test_rows_do_not_depend_on_how_the_files_are_sliced(ingest, settings, footage, monkeypatch):
    """Copies of a film, of a file that is no film, and of one that changes meanwhile, each in a slice of its own."""
    shutil.copy(footage / "notes.mp4", footage / "a copy of notes.mp4")
    shutil.copy(footage / "empty room.mp4", footage / "z copy of empty room.mp4")
    ingest(footage)
    whole, clips = state_of(settings), rows_of(settings, "clips", "clip_id", "uri")
    assert whole["notes.mp4"] == whole["z copy of empty room.mp4"] == ("duplicate", "same_bytes", 0)
    again = settings.model_copy(update={"workspace": f"{settings.workspace}2"})
    Workspace.open(again.workspace, create=True)
    monkeypatch.setattr("heterodub.tasks.ingestion.driver._SLICE_FILES", 1)
    _, tally = ingest(footage, given=again)
    assert state_of(again) == whole
    assert rows_of(again, "clips", "clip_id", "uri") == clips
    assert (tally.files, tally.files_done, tally.bytes) == (5, 5, tally.bytes_done)

    shutil.copy(footage / "talking.mp4", footage / "the very same.mp4")
    shutil.copy(footage / "silent.mp4", footage / "talking.mp4")
    for each in (settings, again):
        monkeypatch.setattr("heterodub.tasks.ingestion.driver._SLICE_FILES", 1 if each is again else 1000)
        ingest(footage, given=each)
    assert state_of(again) == state_of(settings)
    assert rows_of(again, "clips", "clip_id", "uri") == rows_of(settings, "clips", "clip_id", "uri")
    assert state_of(settings)["the same.mp4"] == ("measured", None, 1)


def test_known_files_come_first_and_slices_are_bounded(monkeypatch):
    monkeypatch.setattr("heterodub.tasks.ingestion.driver._SLICE_BYTES", 10)
    raws = [RawFile(f"/{name}", size, "1") for name, size in [("d", 4), ("c", 40), ("b", 5), ("a", 5), ("e", 4)]]
    cut = [[raw.uri for raw in piece] for piece in slices(raws, {"/d": {}, "/c": {}, "/gone": {}})]
    assert cut == [["/c"], ["/d"], ["/a", "/b"], ["/e"]]
    assert list(slices([], {"/d": {}})) == []


@pytest.mark.parametrize(
    ("state", "reason", "kept"),
    [
        ("measured", FileReason.UNREADABLE, True),
        ("measured", FileReason.DISK_FULL, True),
        ("measured", FileReason.LABELS_UNREADABLE, True),
        ("measured", FileReason.BROKEN_LINK, False),
        ("measured", FileReason.EMPTY_FILE, False),
        ("rejected", FileReason.UNREADABLE, False),
    ],
)
def test_measured_file_that_cannot_be_read_right_now_keeps_its_rows(state, reason, kept):
    row = {"uri": "/share/a.mp4", "state": state}
    assert _may_still_hold(row, MediaRefusedError(reason)) is kept
    assert not _may_still_hold(None, MediaRefusedError(reason))


def test_rights_decide_when_a_file_is_ingested_and_when_its_labels_change(ingest, settings, footage, policy, tmp_path):
    set_policy(Workspace.open(settings.workspace), policy)
    films = ("talking.mp4", "silent.mp4")

    def routes(talking: str, silent: str) -> dict[str, tuple]:
        listing = tmp_path / "m.csv"
        listing.write_text(
            f"uri,licence,consent,purpose\n{footage / films[0]},cc-by-4.0,{talking},research\n"
            f"{footage / films[1]},BBC agreement,{silent},\n"
        )
        ingest(listing)
        named = rows_of(settings, "clips", "uri", "licence", "consent", "purpose", "stage1", "stage2", "stage2_reasons")
        stored = {clip for (clip,) in rows_of(settings, "stage2", "clip_id")}
        admitted = {clip for clip, yes in rows_of(settings, "clips", "clip_id", "stage2") if yes}
        assert stored == admitted
        return {Path(uri).name: rest for uri, *rest in named}

    refused, withdrawn = ["consent_not_permitted"], "withdrawn: letter"
    spoken, still = ("CC-BY-4.0", "given", "research"), ("BBC agreement", "refused", None)
    assert routes("given", "refused") == {
        films[0]: [*spoken, True, True, []], films[1]: [*still, False, False, refused],
    }  # fmt: skip
    assert routes(withdrawn, "public") == {
        films[0]: ["CC-BY-4.0", withdrawn, "research", False, False, refused],
        films[1]: ["BBC agreement", "public", None, False, False, refused],  # waits for `route`
    }
    plan = plan_reroute(Workspace.open(settings.workspace), policy)
    assert [int(plan.newly(stage).sum()) for stage in Stage] == [0, 1]  # the silent one, for pictures alone


def test_own_dub_is_refused_for_training_under_any_name(ingest, settings, footage, tmp_path):
    (dubs := tmp_path / "dubs").mkdir()
    with av.open(str(footage / "talking.mp4")) as source, av.open(str(dubs / "interview.mkv"), "w") as target:
        target.metadata["comment"] = f"synthetic: ...; digitalSourceType={SYNTHETIC}"
        streams = {one.index: target.add_stream_from_template(one) for one in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    ingest(dubs)
    ((mark, *routes),) = rows_of(settings, "clips", "synthetic", "stage1", "stage2", "stage1_reasons", "stage2_reasons")
    assert mark == "digitalSourceType compositeWithTrainedAlgorithmicMedia"
    assert routes == [False, False, ["synthetic_media"], ["synthetic_media"]]
    assert rows_of(settings, "catalog", "synthetic") == [(mark,)]
    assert rows_of(settings, "stage1", "clip_id") == rows_of(settings, "stage2", "clip_id") == []
