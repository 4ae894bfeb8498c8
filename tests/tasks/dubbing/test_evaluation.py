"""Scores of finished dubbings: they separate a dubbed mouth from an unchanged one, and name failures."""

import json
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

from heterodub.flows.cli.render.scores import show_dub_scores
from heterodub.model.evaluation.syncnet import SyncScorer
from heterodub.model.stage2.warp import WarpTranslator
from heterodub.schemas.config.dubbing import DubJob
from heterodub.tasks.dubbing.dub import dub
from heterodub.tasks.dubbing.models import Models
from heterodub.tasks.evaluation.dub_jobs import evaluate_by
from heterodub.tasks.evaluation.dubbing import DUB_REPORT, evaluate_dubbing, merged
from heterodub.tasks.monitoring.progress import ProgressSink
from tests.flows.heads import voice, write_head
from tests.tasks.dubbing.conftest import write_wav
from tests.tasks.media.media_files import regular, write_media

FRAMES = 30


class Idle(WarpTranslator):
    """Gives back what it was given."""

    def translate(self, appearance, pictures, source, wanted, path=None):
        return pictures.astype(np.float32) / 255


@pytest.fixture(scope="module")
def vivid(models):
    """With a mouth that opens far: the unchanged one of a photograph moves only as the mesh trembles, on each processor
    differently.
    """
    generator = deepcopy(models.generator)
    for head in (generator.face, generator.lips):
        head.out.weight.data *= 4
    return Models(generator, models.card, models.translator, models.names)


@pytest.fixture(scope="module")
def judged(vivid, backend, settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("judged")
    video = write_head(folder / "head.mp4", 0, FRAMES)
    mute = write_media(folder / "mute.mp4", regular(10))
    speech = write_wav(folder / "speech.wav", voice(1, FRAMES / 25).samples)
    jobs = [DubJob(video=str(one), speech=str(speech), out=str(folder / f"out-{one.name}")) for one in (video, mute)]

    def work(translator):
        using = Models(vivid.generator, vivid.card, translator, vivid.names)
        given = using, backend, settings, SyncScorer(), folder, ProgressSink()
        return merged([evaluate_dubbing(job, *given) for job in jobs])

    return {"warp": work(WarpTranslator(64)), "idle": work(Idle(64))}


@pytest.fixture(scope="module")
def delivered(vivid, backend, settings, tmp_path_factory):
    """Evaluation of finished files by models that leave the mouth unchanged: one dubbed by
    the warp, one that is no video, and one that is of another length. With their bytes before and after.
    """
    folder = tmp_path_factory.mktemp("delivered")
    video = write_head(folder / "head.mp4", 0, FRAMES)
    speech = write_wav(folder / "speech.wav", voice(1, FRAMES / 25).samples)
    jobs = [
        DubJob(video=str(video), speech=str(speech), out=str(folder / name)) for name in ("a.mp4", "b.mp4", "c.mp4")
    ]
    dub(jobs[0], vivid, backend, settings)
    (folder / "b.mp4").write_bytes(b"delivered, and not to be touched")
    write_head(folder / "c.mp4", 0, 12)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    using = Models(vivid.generator, vivid.card, Idle(64), vivid.names)
    scores = [
        evaluate_dubbing(
            job, using, backend, settings, SyncScorer(), tmp_path_factory.mktemp("scratch"), ProgressSink()
        )
        for job in jobs
    ]
    after = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    return scores, before, after


def test_finished_files_are_scored_read_only(delivered, judged):
    scores, before, after = delivered
    assert after == before
    dubbed, fresh = row(scores[0], "unpaired", "dubbed"), row(judged["warp"], "unpaired", "dubbed")
    assert dubbed["mouth_opening_std_ratio"] == pytest.approx(fresh["mouth_opening_std_ratio"], rel=0.02)
    assert dubbed["passed_through"] == 0
    idle = row(scores[0], "paired", "dubbed")
    assert dubbed["mouth_opening_std_ratio"] > 1.5 * idle["mouth_opening_std_ratio"]
    assert scores[0].notes == {}


def test_files_of_other_jobs_are_not_scored_with_a_reason(delivered):
    _, torn, short = delivered[0]
    assert [name for name in torn.failed if "(unpaired)" in name]
    assert "b.mp4" in "".join(torn.failed.values())
    assert f"c.mp4 has 12 frames where the job gives {FRAMES}" in "".join(short.failed.values())
    assert {one.system.partition("/")[0] for one in short.rows} == {"paired"}


def test_missing_output_is_rendered_to_scratch_with_a_note(judged):
    (note,) = judged["warp"].notes.values()
    assert "out-head.mp4 is missing" in note


def row(scores, setting, system):
    return next(one.metrics for one in scores.rows if one.system == f"{setting}/{system}")


def test_both_settings_hold_dubbed_source_and_copy(judged):
    assert {one.system for one in judged["warp"].rows} == set(DUB_REPORT.systems)
    assert row(judged["warp"], "paired", "dubbed")["passed_through"] == 0
    json.dumps(judged["warp"].summary())


def test_unchanged_mouth_scores_as_the_source(judged):
    dubbed, source = (row(judged["idle"], "unpaired", system) for system in ("dubbed", "source"))
    assert dubbed["nme_lips"] == pytest.approx(source["nme_lips"], rel=0.15)
    assert dubbed["mouth_opening_std_ratio"] == pytest.approx(source["mouth_opening_std_ratio"], rel=0.3)
    assert (
        row(judged["warp"], "unpaired", "dubbed")["mouth_opening_std_ratio"] > 1.5 * dubbed["mouth_opening_std_ratio"]
    )


def test_landmark_errors_come_with_the_detected_fraction(judged, capsys):
    """The made head is found in all frames of a dubbing; of its source and the mouth at rest none is looked for."""
    result = {
        system: row(judged["warp"], "paired", system).get("face_found_frac") for system in ("dubbed", "source", "copy")
    }
    assert result == {"dubbed": pytest.approx(1, abs=0.05), "source": None, "copy": None}
    show_dub_scores(judged["warp"].summary())
    assert "face found" in capsys.readouterr().out


def test_reference_frames_are_not_scored(models, backend, settings, tmp_path_factory, judged):
    """A dubbing with all frames as references has none left to be scored on."""
    folder = tmp_path_factory.mktemp("references")
    video = write_head(folder / "head.mp4", 0, 12)
    all_told = settings.model_copy(update={"dub": settings.dub.model_copy(update={"references": 64})})
    job = DubJob(video=str(video), speech=str(video), out=str(folder / "out.mp4"))
    scores = evaluate_dubbing(job, models, backend, all_told, SyncScorer(), folder, ProgressSink())
    assert {one.metrics["nme_lips"] for one in scores.rows} == {None}
    assert row(scores, "paired", "dubbed")["face_found_frac"] == pytest.approx(1, abs=0.1)


def test_unscored_jobs_are_named_with_their_reason(judged):
    assert sorted(judged["warp"].failed) == [name for name in sorted(judged["warp"].failed) if "mute.mp4" in name]
    assert len(judged["warp"].failed) == 2
    assert any("sound" in why for why in judged["warp"].failed.values())


def test_scores_hold_verdicts_and_omissions(judged):
    result = judged["warp"].summary()
    assert (result["state"], judged["warp"].evaluated) == ("partial", 2)  # the mute one is named in `failed`
    assert [verdict["control"] for verdict in result["verdicts"]] == ["paired/copy", "unpaired/copy"]
    assert all("one video, and an interval needs two" in verdict["text"] for verdict in result["verdicts"])
    assert "one video" in result["no_interval"]
    nothing = replace(judged["warp"], rows=())
    assert (nothing.summary()["state"], nothing.summary()["verdicts"]) == ("failed", ())


def test_evaluation_runs_in_the_sandbox(dubber, generator_folder, settings, tmp_path):
    video = write_head(tmp_path / "head.mp4", 0, 25)
    speech = write_wav(tmp_path / "speech.wav", voice(1, 1).samples)
    jobs = [
        DubJob(video=str(one), speech=str(speech), out=str(tmp_path / "out.mp4"))
        for one in (video, tmp_path / "gone.mp4")
    ]
    scores = evaluate_by(dubber, jobs, str(generator_folder), "warp", settings, SyncScorer(), ProgressSink())
    assert {one.system for one in scores.rows} == set(DUB_REPORT.systems)
    assert {one.clip_id for one in scores.rows} == {str(tmp_path / "out.mp4")}
    assert set(scores.failed) == {f"{tmp_path / 'gone.mp4'} (paired)", f"{tmp_path / 'gone.mp4'} (unpaired)"}
    assert scores.translator == "warp"
