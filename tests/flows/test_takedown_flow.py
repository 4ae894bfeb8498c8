"""A speaker is taken down: gone from every table, from the disk and from runs; named in models; and stays away."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import av
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

from heterodub.flows.takedown import takedown
from heterodub.model.io import save_model
from heterodub.model.stage1.network import LandmarkGenerator
from heterodub.schemas.cards import GeneratorCard
from heterodub.schemas.config.settings import Settings, load_settings
from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.errors import HeterodubError, NotFoundError, PromotionError, TrackingError
from heterodub.schemas.ledger_tables import BENCHMARKS
from heterodub.schemas.reasons import Stage
from heterodub.tasks.inspect.check_workspace import check_workspace
from heterodub.tasks.inspect.doctor import check_tracking
from heterodub.tasks.inspect.findings import Health
from heterodub.tasks.lineage.erase import take_down
from heterodub.tasks.lineage.plan import TakedownPlan, plan, tracking_if_there
from heterodub.tasks.lineage.trace import ModelTrace, preview, trace
from heterodub.tasks.monitoring.runs import runs
from heterodub.tasks.promotion.manual import roll_back
from heterodub.tasks.releases import benchmarks, releases
from heterodub.tasks.releases.publishing import assign
from heterodub.tasks.stores import tables, tombstones
from heterodub.tasks.stores.labels import NewLabel, store_labels
from heterodub.tasks.stores.tombstones import Kind
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.address import place_of
from heterodub.tasks.tracking.lineage import FILE as LINEAGE
from heterodub.tasks.tracking.models import TAKEN_DOWN
from heterodub.tasks.tracking.relocation import relocate
from tests.flows.heads import write_head
from tests.flows.plain_ingest import run, store

IDS = ("clip_id", "media_id")
SPEAKER = "Ada Somebody"
MODEL = "landmark-generator"


@pytest.fixture(scope="module")
def manifest(footage, tmp_path_factory) -> Path:
    """The six films, two of them of one speaker, one of those twice."""
    copy = tmp_path_factory.mktemp("copy") / "elsewhere.mkv"
    shutil.copy(footage / "head1.mkv", copy)
    path = tmp_path_factory.mktemp("manifest") / "films.csv"
    rows = [f"{film},{SPEAKER if film.stem in ('head1', 'head2') else film.stem}" for film in sorted(footage.iterdir())]
    path.write_text("\n".join(["uri,speaker", *rows, f"{copy},"]) + "\n")
    return path


@pytest.fixture(scope="module")
def labelled(finished, manifest, config, cluster, tmp_path_factory) -> Path:
    """The finished ingest with labelled speakers, a benchmark, and two models of which one saw the speaker."""
    workspace = Path(shutil.copytree(finished.workspace, tmp_path_factory.mktemp("labelled") / "workspace"))
    ws = Workspace.open(str(workspace))
    (head,) = {row["media_id"] for row in tables.read(ws, "catalog").to_pylist() if row["uri"].endswith("head1.mkv")}
    for row in tables.read(ws, "clips").to_pylist():
        if row["media_id"] == head:
            store_labels(ws, [NewLabel(row["clip_id"], head, Stage.STAGE1, True, f"of {SPEAKER}", "Ann")])
    run(manifest, load_settings(str(config), workspace=str(workspace), run={"dask": cluster}))
    clips = tables.read(ws, "clips", ["clip_id", "media_id", "speaker", "split"]).to_pylist()
    _freeze(ws, [clip for clip in clips if clip["speaker"] == SPEAKER])
    for saw in (True, False):
        own = [clip for clip in clips if (clip["speaker"] == SPEAKER) == saw]
        _log_model(ws, own)
        _leave_training(workspace / "training" / f"stage1-{'saw' if saw else 'did-not'}", own)
    _leave_training(workspace / "training" / "stage1-mute", None)
    for made_anew in ("sync-1.safetensors", "paper-scores-1.json"):
        (workspace / "training" / made_anew).touch()
    return workspace


def take(settings: Settings, kind: Kind, value: str, with_models: bool = False, with_copies: bool = False) -> dict:
    """Take down by the steps of the flow, without Prefect."""
    ws, planned = Workspace.open(settings.workspace), plan(settings, kind, value, with_copies)
    return take_down(ws, settings, tracking_if_there(settings, ws), planned, "asked", with_models)


def unpublished(workspace: Path, to: Path) -> Workspace:
    """A copy of a workspace in which no policy stands: nothing is published, whose audit takes seconds."""
    copy = Path(shutil.copytree(workspace, to))
    (copy / "policy.json").unlink()
    return Workspace.open(str(copy))


def _leave_training(folder: Path, clips: list[dict] | None) -> None:
    """Write a training folder; without clips, one that does not name its footage."""
    folder.mkdir(parents=True)
    (folder / "best.pt").write_bytes(bytes(1000))
    if clips is not None:
        (folder / "clips.json").write_text(json.dumps([{name: one[name] for name in IDS} for one in clips]))


def _freeze(ws: Workspace, clips: list[dict]) -> None:
    """A benchmark of the speaker alone."""
    row = dict.fromkeys(BENCHMARKS.names, "x") | {"benchmark": "b-of-ada", "sequence": 1, "stage": "stage1"}
    rows = [row | {name: clip[name] for name in ("clip_id", "media_id", "speaker")} for clip in clips]
    tables.append_rows(ws, "benchmarks", pa.Table.from_pylist(rows, schema=BENCHMARKS))


def _log_model(ws: Workspace, clips: list[dict]) -> None:
    from heterodub.tasks.tracking.kinds import LANDMARK_GENERATOR
    from heterodub.tasks.tracking.lineage import keep_lineage
    from heterodub.tasks.tracking.models import log_model
    from heterodub.tasks.tracking.runs import tracked_run
    from heterodub.tasks.tracking.store import open_tracking

    torch.manual_seed(len(clips))
    shape, release = Stage1Settings(preset="tiny").architecture, releases.latest(ws)
    card = GeneratorCard(architecture=shape, backend=release.backend, release=release.release_id, seed=0, steps=1)
    folder = ws.scratch() / f"model-{len(clips)}"
    save_model(folder, LandmarkGenerator(shape), card)
    with tracked_run(open_tracking(load_settings().tracking, ws), "training") as run:
        keep_lineage(run, [(clip["clip_id"], clip["media_id"], "train") for clip in clips])
        run.tags({"benchmark": "b-of-ada"})
        run.content("promotion/comparison.html", "clips of somebody side by side")
        run.content(f"val/film_{clips[0]['clip_id'][:12]}.mp4", b"a film of somebody")
        log_model(run, folder, LANDMARK_GENERATOR)


def told_in(ws: Workspace, media: set[str]) -> list[Path]:
    """Files of the workspace in which the speaker, one of the films or their content is found."""
    named = [SPEAKER, "head1.mkv", "head2.mov", "elsewhere.mkv"]
    collected = []
    for path in Path(ws.root).rglob("*"):
        if not path.is_file() or "tombstones" in path.parts or "_delta_log" in path.parts:
            continue
        held = [name for name in named if name.encode() in path.read_bytes()]
        held += [one for one in media if one in path.name]
        if path.suffix == ".parquet":  # compressed, so not to be found as it lies there
            rows = pq.read_table(path)
            texts = [name for name in rows.column_names if str(rows.schema.field(name).type) == "string"]
            words = {str(value) for name in texts for value in rows[name].to_pylist()}
            kept = set() if path.name == LINEAGE else media  # ids alone, so that a model can be named afterwards
            held += [word for word in words if word in kept or any(name in word for name in named)]
        if held:
            collected.append(path.relative_to(ws.root))
    return collected


@pytest.fixture(scope="module")
def down(labelled, manifest, config):
    """State before the takedown, summary of the dry run, and summary of the takedown."""
    ws, settings = Workspace.open(str(labelled)), load_settings(str(config), workspace=str(labelled))
    before = {
        "media": {row["media_id"] for row in tables.read(ws, "clips").to_pylist() if row["speaker"] == SPEAKER},
        "release": releases.latest(ws).release_id,
        "traced": trace(settings, SPEAKER),
        "model": trace(settings, f"{MODEL}/1"),
    }
    result = preview("speaker", SPEAKER, str(labelled), str(config))
    before["told_in"] = told_in(ws, before["media"])
    done = takedown("speaker", SPEAKER, "asked", False, str(labelled), str(config))
    return ws, settings, before, result, done


def test_dry_run_lists_footage_and_changes_nothing(down):
    ws, _, before, result, done = down
    assert result["clips"] == done["clips"] >= 2
    assert len(result["files"]) == 3  # two films and the copy of one
    assert [(row["version"], row["clips"] > 0) for row in result["models"]] == [(1, True)]
    trainings = [(Path(row["folder"]).name, row["known"], row["bytes"] >= 1000) for row in result["trainings"]]
    assert trainings == [("stage1-mute", False, True), ("stage1-saw", True, True)]
    assert result["releases"][-1] == before["release"]
    assert (result["state"], done["state"]) == ("dry_run", "done")
    assert [run.state for run in runs(ws) if run.flow == "takedown"][-2:] == ["done", "dry_run"]


def test_trace_agrees_in_both_directions(down):
    _, _, before, result, _ = down
    footage, model = before["traced"], before["model"]
    assert isinstance(footage, TakedownPlan) and isinstance(model, ModelTrace)
    assert [touched.version.number for touched in footage.models] == [1]
    files = {row["media_id"] for row in footage.scope.files}
    assert {row["media_id"] for row in model.files} == files == before["media"]
    assert {row["speaker"] for row in model.files} <= {SPEAKER, None}
    assert model.clips == {"train": sorted(row["clip_id"] for row in footage.scope.clips)}
    assert model.release["release_id"] == before["release"] and model.gone == 0
    assert {one["text"] for one in model.kept} == {f"kept by Ann: of {SPEAKER}"} and footage.scope.labels
    assert footage.releases == tuple(result["releases"])


def test_takedown_removes_rows_and_keeps_a_sound_store(down):
    ws, settings, before, _, done = down
    for table in ("catalog", "clips", "stage1", "stage2"):
        assert not before["media"] & set(tables.read(ws, table, ["media_id"])["media_id"].to_pylist()), table
        assert tables.read(ws, table).num_rows
    assert done["release"] == releases.latest(ws).release_id != before["release"]
    assert [finding for finding in check_workspace(settings) if finding.health is Health.PROBLEM] == []
    older = releases.find(ws, before["release"])
    assert older.takedowns == (done["takedown"],) and releases.latest(ws).takedowns == ()
    for stage in Stage:
        left = releases.release_clips(ws, older, stage)["media_id"].to_pylist()
        assert left and not before["media"] & set(left)
        read = list(releases.read_release(ws, older, stage))
        assert sum(batch.num_rows for batch in read) == len(left)


def test_takedown_removes_bytes_from_every_file(down):
    ws, _, before, _, done = down
    assert done["files_erased"] > 0
    assert {"catalog", "clips", "stage1", "stage2"} <= {path.parts[0] for path in before["told_in"]}
    assert told_in(ws, before["media"]) == []


def test_takedown_tags_models_and_deletes_their_films(down):
    ws, settings, _, _, done = down
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{ws.root}/mlflow/mlflow.db")
    assert done["tagged"] == [f"{MODEL} version 1"]
    assert done["run_files_erased"] == 3  # a film, and a page in each run
    assert done["benchmarks"] == {"b-of-ada": done["clips"]}
    assert TAKEN_DOWN in client.get_model_version(MODEL, "1").tags
    assert TAKEN_DOWN not in client.get_model_version(MODEL, "2").tags
    runs = [client.get_model_version(MODEL, number).run_id for number in ("1", "2")]
    assert [len(client.list_artifacts(run, "val")) for run in runs] == [0, 1]
    assert [len(client.list_artifacts(run, "promotion")) for run in runs] == [0, 0]
    with pytest.raises(PromotionError, match="taken down"):
        roll_back(settings, "stage1", 1, "no")
    after = trace(settings, f"{MODEL}/1")
    assert after.taken_down and after.gone == len(down[2]["media"]) and after.files == ()


def test_ingest_after_a_takedown_stores_nothing_of_it(down, manifest, footage, config, cluster):
    """Neither under its label, nor as unlabelled files."""
    ws, _, before, _, _ = down
    files = tables.read(ws, "catalog").num_rows
    settings = load_settings(str(config), workspace=ws.root, run={"dask": cluster})
    plan, tally, published = run(manifest, settings)
    assert len(plan.fresh) == 1 and not published.is_new  # the copy without a label, stopped by its content
    assert (plan.taken_down, tally.taken_down) == (2, 1)
    _, _, unlabelled = run(footage, settings)
    assert not unlabelled.is_new or unlabelled.release_id != before["release"]
    assert not before["media"] & set(tables.read(ws, "catalog", ["media_id"])["media_id"].to_pylist())
    assert tables.read(ws, "catalog").num_rows == files


def test_repeated_takedown_finishes_only_what_was_left(down):
    _, settings, _, _, done = down
    again = take(settings, "speaker", SPEAKER)
    assert (again["takedown"], again["clips"], again["files"]) == (done["takedown"], 0, [])
    with pytest.raises(NotFoundError, match="nothing in the workspace is of speaker 'Ada Sombody'"):
        take(settings, "speaker", "Ada Sombody")


@pytest.mark.parametrize("how", ["copied", "with a link"])
def test_takedown_in_a_copy_spares_models_of_the_original(down, config, tmp_path, how):
    ws = down[0]
    copy = Workspace.open(str(shutil.copytree(ws.root, tmp_path / "copy")))
    if how == "with a link":  # its addresses were written anew, and it keeps its trainings where the original does
        relocate(place_of(load_settings().tracking, copy), Path(ws.root))
        shutil.rmtree(Path(copy.root, "training"))
        Path(copy.root, "training").symlink_to(Path(ws.root, "training"))
    before = _everything(ws), _everything(copy)
    words = "training/stage1-saw leads to" if how == "with a link" else "mlflow was moved or copied here.*relocate -w"
    with pytest.raises(HeterodubError, match=words):
        take(load_settings(str(config), workspace=copy.root), "speaker", SPEAKER, True)
    assert (_everything(ws), _everything(copy)) == before
    if how != "with a link":
        findings = check_tracking(load_settings(str(config), workspace=copy.root))
        assert [one.health for one in findings] == [Health.PROBLEM]
        assert "moved or copied here" in findings[0].detail and "relocate" in findings[0].remedy


def _everything(ws: Workspace) -> set[Path]:
    """Every file but what runs say of themselves."""
    files = {path.relative_to(ws.root) for path in Path(ws.root).rglob("*") if path.is_file()}
    return {path for path in files if path.parts[0] not in ("metrics", "running")}


def test_takedown_spares_version_files_outside_the_workspace(down, config, tmp_path):
    """A foreign workspace may claim so, to have files of its reader read or deleted."""
    ws = Workspace.open(str(shutil.copytree(down[0].root, tmp_path / "copy")))
    place, thesis = place_of(load_settings().tracking, ws), tmp_path / "thesis"
    relocate(place, Path(down[0].root))
    shutil.copytree(Path(ws.root, "mlflow", "artifacts"), thesis)
    with closing(sqlite3.connect(place.database)) as store, store:
        store.execute("UPDATE model_versions SET source = ?, storage_location = NULL WHERE version = 1", (str(thesis),))
    before = set(thesis.rglob("*"))
    with pytest.raises(TrackingError, match=f"said to lie at {thesis}, outside of"):
        take(load_settings(str(config), workspace=ws.root), "speaker", SPEAKER, True)
    with closing(sqlite3.connect(place.database)) as store, store:
        store.execute("UPDATE runs SET artifact_uri = ?", (str(thesis),))
    with pytest.raises(TrackingError, match=f"said to lie at {thesis}, outside of"):
        trace(load_settings(str(config), workspace=ws.root), f"{MODEL}/1")
    assert set(thesis.rglob("*")) == before


def test_prefect_stores_neither_name_nor_reason_of_a_takedown(
    finished, config, stdout_of, prefect_api, commons, tmp_path, monkeypatch
):
    from prefect.client.orchestration import get_client

    name, reason = "Grace Unforgotten", "asked by her lawyer"
    ws = unpublished(finished.workspace, tmp_path / "workspace")
    clips = tables.read(ws, "clips", ["clip_id", "media_id"])
    of_one = clips.filter(pc.equal(clips["media_id"], clips["media_id"][0]))["clip_id"]
    tables.update_columns(ws, "clips", pa.table({"clip_id": of_one, "speaker": [name] * len(of_one)}))
    monkeypatch.setenv("PREFECT_API_URL", prefect_api)
    printed = stdout_of("takedown", "--speaker", name, "--reason", reason, "-w", ws.root, "--config", config, "--json")
    APILogWorker.drain_all(timeout=10)
    EventsWorker.drain_all(timeout=10)
    kept = [path.read_bytes() for path in commons.folder.glob("prefect-*/prefect.db*")]
    assert json.loads(printed)["takedown"].encode() in b"".join(kept)
    assert not any(result in one for result in (name.encode(), reason.encode()) for one in kept)

    takedown("speaker", name, reason, True, ws.root, str(config))  # as a deployment would be given it
    with get_client(sync_client=True) as client:
        given = [run.parameters for run in client.read_flow_runs(limit=200)]
    assert any(one.get("workspace") == ws.root and one.get("dry_run") for one in given)
    assert name not in str(given) and reason not in str(given)


def test_doctor_reports_missing_and_changed_model_files(down, config, tmp_path):
    ws = Workspace.open(str(shutil.copytree(down[0].root, tmp_path / "copy")))
    settings = load_settings(str(config), workspace=ws.root)
    relocate(place_of(settings.tracking, ws), Path(down[0].root))
    from mlflow import MlflowClient

    client = MlflowClient(place_of(settings.tracking, ws).uri)
    client.set_registered_model_alias(MODEL, "previous", "2")
    assert {one.health for one in check_tracking(settings)} == {Health.OK}
    gone, changed = (Path(client.get_model_version(MODEL, number).source) for number in "12")
    shutil.rmtree(gone)
    weights = next(changed.rglob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1])
    findings = {one.what: one.detail for one in check_tracking(settings) if one.health is Health.PROBLEM}
    assert set(findings) == {f"{MODEL} 1", f"{MODEL} 2, previous"}
    assert "files are not there" in findings[f"{MODEL} 1"] and "not what was logged" in findings[f"{MODEL} 2, previous"]


KILLED = """
import os, signal, sys
from importlib import import_module
from heterodub.schemas.config.settings import load_settings
from heterodub.tasks.lineage.erase import take_down
from heterodub.tasks.lineage.plan import plan, tracking_if_there
from heterodub.tasks.stores.workspace import Workspace

config, root, speaker, place, step = sys.argv[1:]
where, *inner = place.split(":")
owner = import_module(where)
for name in inner:
    owner = getattr(owner, name)
work = getattr(owner, step)

def dies(*given, **named):
    work(*given, **named)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(owner, step, dies)
settings = load_settings(config, workspace=root)
ws = Workspace.open(root)
take_down(ws, settings, tracking_if_there(settings, ws), plan(settings, "speaker", speaker), "asked", True)
"""


@pytest.mark.long  # processes that load MLflow and are killed
@pytest.mark.parametrize(
    ("place", "step"),
    [
        ("heterodub.tasks.lineage.erase", "_erase_pictures"),
        ("mlflow.store.artifact.local_artifact_repo:LocalArtifactRepository", "delete_artifacts"),
        ("mlflow:MlflowClient", "delete_model_version"),
        ("heterodub.tasks.lineage.weights", "remove_below"),
    ],
)
def test_killed_deletion_of_models_is_finished_by_repeating_it(down, config, tmp_path, place, step):
    from mlflow import MlflowClient

    ws = Workspace.open(str(shutil.copytree(down[0].root, tmp_path / "copy")))
    settings = load_settings(str(config), workspace=ws.root)
    relocate(place_of(settings.tracking, ws), Path(down[0].root))
    weights = Path(MlflowClient(place_of(settings.tracking, ws).uri).get_model_version(MODEL, "1").source)
    words = [sys.executable, "-c", KILLED, str(config), ws.root, SPEAKER, place, step]
    assert subprocess.run(words, cwd=Path(__file__).parents[2]).returncode == -signal.SIGKILL
    assert "takedowns" in {one.what for one in check_workspace(settings) if one.health is Health.PROBLEM}
    take(settings, "speaker", SPEAKER, True)
    assert [one for one in check_workspace(settings) if one.health is Health.PROBLEM] == []
    assert not [path for path in weights.rglob("*") if path.is_file()]
    assert not Path(ws.root, "training", "stage1-saw").exists()
    client = MlflowClient(place_of(settings.tracking, ws).uri)
    assert [one.version for one in client.search_model_versions(f"name = '{MODEL}'")] == [2]


def test_with_models_deletes_versions_but_no_champion(down):
    """After the rows are gone: the trained models are known by ids."""
    from mlflow import MlflowClient

    ws, settings = down[:2]
    client, training = MlflowClient(f"sqlite:///{ws.root}/mlflow/mlflow.db"), Path(ws.root, "training")
    weights = Path(client.get_model_version(MODEL, "1").source, "artifacts", "generator")
    left = {"stage1-did-not", "stage1-mute", "stage1-saw"}
    assert (weights.is_dir(), {path.name for path in training.iterdir()}) == (True, left)
    client.set_registered_model_alias(MODEL, "champion", "1")
    with pytest.raises(PromotionError, match="version 1 was trained on it and is the champion"):
        take(settings, "speaker", SPEAKER, True)
    assert weights.is_dir()
    client.delete_registered_model_alias(MODEL, "champion")
    again = take(settings, "speaker", SPEAKER, True)
    assert again["versions_deleted"] == [f"{MODEL} version 1"]
    assert (weights.exists(), {path.name for path in training.iterdir()}) == (False, left - {"stage1-saw"})
    assert [one.version for one in client.search_model_versions(f"name = '{MODEL}'")] == [2]
    with pytest.raises(TrackingError, match="deleted, or never there"):
        trace(settings, f"{MODEL}/1")


def test_takedown_deletes_unfinished_parts_and_marks_the_benchmark(finished, config, tmp_path):
    ws = unpublished(finished.workspace, tmp_path / "workspace")
    frozen = benchmarks.freeze(ws, releases.latest(ws), Stage.STAGE1, "a test")
    media = frozen.clips[0].media_id
    rows = tables.read(ws, "clips", ["media_id", "uri"]).to_pylist()
    held = next(path for path in Path(ws.root, "stage1").glob(f"*{media}*"))
    shutil.copy(held, held.with_name(f"part-{media}-left.parquet"))
    of_it, other = Path(ws.root, "clips", "rows-left.parquet"), Path(ws.root, "clips", "rows-of-others.parquet")
    own = tables.read(ws, "clips")
    pq.write_table(own, of_it)
    pq.write_table(own.filter(pc.not_equal(own["media_id"], media)), other)

    uri = next(row["uri"] for row in rows if row["media_id"] == media)
    result = take(load_settings(str(config), workspace=ws.root), "file", uri)
    assert not list(Path(ws.root, "stage1").glob(f"*{media}*"))
    assert (of_it.exists(), other.exists()) == (False, True)
    assert frozen.benchmark in result["benchmarks"]
    assert media not in tables.read(ws, "benchmarks", ["media_id"])["media_id"].to_pylist()
    if left := len(frozen.clips) - result["benchmarks"][frozen.benchmark]:
        assert left > 0
        with pytest.raises(PromotionError, match="not whole any more"):
            benchmarks.standing(ws, Stage.STAGE1, frozen.line)


def _copied(source: Path, target: Path, crf: int | None = None) -> Path:
    """The film in another container: its packets as they are, or encoded anew."""
    with av.open(str(source)) as given, av.open(str(target), "w") as out:
        streams = {}
        for one in given.streams:
            if crf is None or one.type == "audio":
                streams[one.index] = out.add_stream_from_template(one)
            else:
                made = out.add_stream("libx264", rate=25, options={"crf": str(crf)})
                made.width, made.height, made.pix_fmt = one.width - 32, one.height - 32, "yuv420p"
                streams[one.index] = made
        for packet in given.demux():
            made = streams[packet.stream.index]
            if crf is None or packet.stream.type == "audio":
                if packet.dts is not None:
                    packet.stream = made
                    out.mux(packet)
                continue
            for frame in packet.decode():
                out.mux(made.encode(frame.reformat(made.width, made.height)))
        for made in streams.values():
            if crf is not None and made.type == "video":
                out.mux(made.encode(None))
    return target


def test_near_copies_are_listed_deleted_and_barred(config, cluster, sample, tmp_path, caplog):
    films, later = tmp_path / "films", tmp_path / "later"
    films.mkdir()
    later.mkdir()
    # one whose face moves by itself: a swaying photograph's movement is half of it the mesh's trembling
    talker = Path(shutil.copy(sample / "media" / "s01-clean.mp4", films / "talker.mp4"))
    _copied(talker, films / "remux.mkv")
    _copied(talker, films / "smaller.mp4", 30)
    write_head(films / "other.mp4", 5, 40)
    settings = load_settings(str(config), workspace=str(tmp_path / "workspace"), run={"dask": cluster})
    store(films, settings)
    ws = Workspace.open(settings.workspace)
    assign(ws, settings.splits)
    (tmp_path / "workspace" / "policy.json").unlink()  # as `unpublished` does

    for name in ("alker.mp4", "r.mp4", ".mkv"):
        with pytest.raises(NotFoundError):
            take(settings, "file", name)
    result = plan(settings, "file", "talker.mp4").summary()
    assert [Path(row["uri"]).name for row in result["files"]] == ["talker.mp4"]
    assert sorted(Path(row["uri"]).name for row in result["near_copies"]) == ["remux.mkv", "smaller.mp4"]

    done = take(settings, "file", "talker.mp4", with_copies=True)
    assert len(done["files"]) == 3 and tables.read(ws, "catalog", ["uri"]).num_rows == 1
    _copied(talker, later / "again.mov")
    _copied(talker, later / "again.mkv", 24)
    shutil.copy(films / "remux.mkv", later / "known.mkv")
    write_head(later / "another.mp4", 17, 75)
    for _ in range(2):
        store(later, settings)
        names = {Path(uri).name for uri in tables.read(ws, "catalog", ["uri"])["uri"].to_pylist()}
        assert names == {"other.mp4", "another.mp4"}
        media = set(tables.read(ws, "catalog", ["media_id"])["media_id"].to_pylist())
        for table in ("clips", "stage1", "stage2"):
            assert set(tables.read(ws, table, ["media_id"])["media_id"].to_pylist()) <= media
        barred = tombstones.standing(ws).media
        assert len(barred) == 5
        assert not [path for path in Path(ws.root).rglob("part-*") if any(one in path.name for one in barred)]
    findings = [one for one in check_workspace(settings) if one.health is Health.PROBLEM]
    assert findings == []
    # log lines reach Prefect's database, so they name the content, not the file
    lines = [record.getMessage() for record in caplog.records if "taken down" in record.getMessage()]
    assert lines and not any("again" in line or "known" in line for line in lines)


def test_takedown_without_near_copies_stores_no_fingerprint(down):
    rows = tables.read(down[0], "tombstones", ["kind"])["kind"].to_pylist()
    assert set(rows) == {"speaker", "media", "begun", "done"}
