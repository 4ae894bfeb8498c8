"""Dubs of flows in MLflow: those that were made, one by one, where there is a workspace."""

from pathlib import Path

import pytest

from heterodub.model.checksums import file_hash
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings, TrackingSettings
from heterodub.tasks.steps.dub import log_dubs
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.store import open_tracking
from tests.tasks.tracking.conftest import with_tables

FIGURES = ("frames", "dubbed", "passed_through", "covered", "seconds", "speech_cut_s", "realtime_factor")


def job(folder: Path, name: str) -> tuple[DubJob, dict]:
    """A job whose files are there, and the summary of its dub."""
    for kind in ("in", "wav", "out"):
        (folder / f"{name}.{kind}.mp4").write_text(f"{name} {kind}")
    paths = {"video": f"{name}.in.mp4", "speech": f"{name}.wav.mp4", "out": f"{name}.out.mp4"}
    paths = {field: str(folder / path) for field, path in paths.items()}
    made = dict.fromkeys(FIGURES, 1) | {"generator": "g 1", "translator": "warp"}
    return DubJob.model_validate(paths), {**paths, "error": None, "skipped": False, **made}


def test_dub_that_cannot_be_logged_takes_no_other_along(tmp_path, empty_database, caplog):
    ws = with_tables(Workspace.open(str(tmp_path / "ws"), create=True), empty_database)
    jobs, summaries = zip(*(job(tmp_path, name) for name in ("gone", "failed", "old", "new")), strict=True)
    (tmp_path / "gone.in.mp4").unlink()
    summaries[1]["error"], summaries[2]["skipped"] = "no face", True
    log_dubs.fn(jobs, summaries, Settings(workspace=ws.root))
    tracking = open_tracking(TrackingSettings(), ws).of("dubbing")
    (run,) = tracking.client.search_runs([tracking.experiment_id])
    (film,) = tracking.client.list_artifacts(run.info.run_id, "dub")
    assert film.path.endswith(f"{run.data.tags['speech_media'][:12]}.mp4")
    assert caplog.text.count("a dub was not logged to MLflow") == 1


def test_inputs_of_a_dub_by_turns_are_named_for_what_they_are(tmp_path, empty_database):
    ws = with_tables(Workspace.open(str(tmp_path / "ws"), create=True), empty_database)
    one, summary = job(tmp_path, "film")
    names = ("turns.csv", "anna.wav", "ben.wav", "face.png")
    for name in names:
        (tmp_path / name).write_text("start,end,person\n0,1,ANNA\n1,2,BEN\n" if name == "turns.csv" else name)
    turns, anna, ben, face = (str(tmp_path / name) for name in names)
    people = {"speeches": {"ANNA": anna, "BEN": ben}, "people": {"ANNA": face, "BEN": "left"}}
    by_turns = DubJob.model_validate({"video": one.video, "out": one.out, "turns": turns} | people)
    log_dubs.fn([by_turns], [summary], Settings(workspace=ws.root))
    tracking = open_tracking(TrackingSettings(), ws).of("dubbing")
    (run,) = tracking.client.search_runs([tracking.experiment_id])
    wanted = {"video": [one.video], "turns": [turns], "speech": [anna, ben], "person": [face]}
    assert {name.removesuffix("_media"): tag for name, tag in run.data.tags.items() if name.endswith("_media")} == {
        kind: ",".join(file_hash(Path(path)) for path in paths) for kind, paths in wanted.items()
    }


def test_without_a_workspace_nothing_is_made(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    one, summary = job(tmp_path, "new")
    before = sorted(tmp_path.iterdir())
    log_dubs.fn([one], [summary], Settings())
    assert sorted(tmp_path.iterdir()) == before
