"""Done with a dub in which a shot fails: kept and named, kept with the source's picture in it, or refused."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from heterodub.flows.cli.render.ingest import show_dubbings
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import TrackingSettings
from heterodub.tasks.dubbing.batch import dub_jobs
from heterodub.tasks.dubbing.jobs import DubResult, summary_of
from heterodub.tasks.dubbing.resume import finished
from heterodub.tasks.evaluation.acceptance import dub_accepted
from heterodub.tasks.evaluation.acceptance_reports import (
    failed_shots,
    publish_reports,
    refusal_of,
    refused_out,
    report_names,
    small_film_of,
)
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.dubs import film_name, log_dub
from heterodub.tasks.tracking.store import open_tracking
from tests.flows.heads import write_head
from tests.tasks.dubbing.test_dub import decoded_pictures
from tests.tasks.evaluation.broken import faulty, flickering_mouth
from tests.tasks.evaluation.conftest import SHOT_FRAMES, write_shots
from tests.tasks.media.test_synthetic_marks import mark_of
from tests.tasks.tracking.conftest import with_tables


def with_dub(settings, **changes):
    return settings.model_copy(update={"dub": settings.dub.model_copy(update=changes)})


@pytest.fixture(scope="module")
def half_broken(models, backend, settings, policy, speech, tmp_path_factory):
    """Dubs of a film of two shots, the second of which flickers, by what is done with it."""
    folder = tmp_path_factory.mktemp("half")
    video = write_shots(folder / "video.mp4", 2)
    results = {}
    for on_fail in ("keep", "keep-source"):
        out = folder / on_fail / "out.mp4"
        job = DubJob(video=str(video), speech=str(speech), out=str(out))
        with faulty(None, flickering_mouth):
            given = models, backend, with_dub(settings, on_fail=on_fail), None, out, policy
            results[on_fail] = SimpleNamespace(job=job, out=out, accepted=dub_accepted(job, *given))
    return video, results


def test_a_failed_shot_is_kept_and_named_with_its_times(half_broken):
    _, results = half_broken
    dubbed = results["keep"].accepted.dubbed
    assert (dubbed.acceptance.state, dubbed.dubbed) == ("failed", 2 * SHOT_FRAMES)
    assert [shot.state for shot in dubbed.acceptance.shots] == ["accepted", "failed"]
    note = next(note for note in dubbed.notes if "failed acceptance" in note)
    assert note.startswith(f"shot 2, {SHOT_FRAMES / 25:.2f} to {2 * SHOT_FRAMES / 25:.2f} s")
    assert "max_flicker" in note


def test_keep_source_shows_the_source_in_failed_shots_alone(half_broken):
    """With the new speech under it; the rest is dubbed as before."""
    video, results = half_broken
    dubbed = results["keep-source"].accepted.dubbed
    assert (dubbed.acceptance.state, dubbed.dubbed, dubbed.passed_through) == ("source_kept", SHOT_FRAMES, SHOT_FRAMES)
    assert [shot.state for shot in dubbed.acceptance.shots] == ["accepted", "source_kept"]
    paths = (video, results["keep-source"].out, results["keep"].out)
    source, kept, broken = (decoded_pictures(path)[0].astype(int) for path in paths)
    second = slice(SHOT_FRAMES, None)
    assert np.abs(kept[second] - source[second]).mean() < 0.5 * np.abs(broken[second] - source[second]).mean()
    assert np.abs(kept[:SHOT_FRAMES] - broken[:SHOT_FRAMES]).mean() < 1
    assert dubbed.acceptance.shots[0].measures.values["sound_match"] > 0.95


def test_reports_hold_verdict_stills_and_a_film_that_plays(half_broken, tmp_path):
    _, results = half_broken
    kept = results["keep"]
    hostile = replace(kept.accepted.dubbed, notes=("<script>alert(1)</script>",))
    (tmp_path / "a <b>.mp4").write_bytes(b"dub")
    publish_reports(tmp_path / "a <b>.mp4", hostile, kept.accepted.evidence, kept.out)
    names = report_names(tmp_path / "a <b>.mp4")
    verdict = json.loads(names.verdict.read_text())
    assert (verdict["state"], [shot["state"] for shot in verdict["shots"]]) == ("failed", ["accepted", "failed"])
    assert verdict["shots"][1]["broken"][0]["measure"] in verdict["shots"][1]["measures"]
    page = names.page.read_text()
    assert "a &lt;b&gt;.mp4" in page
    assert "alert(1)</script>" not in page
    assert page.count('src="data:image/jpeg') == len(kept.accepted.evidence[1].stills) > 0
    assert 'src="data:video/mp4;base64,' in page
    pictures, _ = decoded_pictures(small_film_of(kept.out))
    assert (len(pictures), pictures.shape[1:3]) == (2 * SHOT_FRAMES, (180, 360))
    assert mark_of(small_film_of(kept.out)) == "digitalSourceType compositeWithTrainedAlgorithmicMedia"
    publish_reports(tmp_path / "a <b>.mp4", replace(hostile, acceptance=None), (), kept.out)
    assert not names.verdict.exists()
    assert not names.page.exists()


def test_a_job_that_is_not_accepted_makes_a_run_partial(half_broken, capsys):
    _, results = half_broken
    outcomes = [DubResult(one.job, one.accepted.dubbed, None).summary() for one in results.values()]
    json.dumps(outcomes)
    summary = summary_of(outcomes)
    assert (summary["state"], summary["dubbed"], summary["failed"], summary["not_accepted"]) == ("partial", 2, 0, 2)
    show_dubbings(summary)
    assert "failed: 1 of 2 shots failed default" in capsys.readouterr().out


def test_failed_shots_are_rows_with_their_page(half_broken):
    outcomes = [DubResult(one.job, one.accepted.dubbed, None).summary() for one in half_broken[1].values()]
    rows = failed_shots([*outcomes, {"out": "x.mp4", "error": "no face"}])
    assert [(row["shot"], row["state"]) for row in rows] == [("2", "failed"), ("2", "source_kept")]
    assert rows[0]["page"].endswith("out.mp4.acceptance.html")
    assert "max_flicker" in rows[0]["broken"]


def test_a_run_in_mlflow_holds_verdict_and_page(half_broken, tmp_path, empty_database):
    """Under names by which a takedown finds them."""
    kept = half_broken[1]["keep"]
    out = tmp_path / "out.mp4"
    out.write_bytes(kept.out.read_bytes())
    publish_reports(out, kept.accepted.dubbed, kept.accepted.evidence, kept.out)
    ws = with_tables(Workspace.open(str(tmp_path / "ws"), create=True), empty_database)
    tracking, media = open_tracking(TrackingSettings(), ws), ["a0b1" * 16, "c2d3" * 16]
    summary = DubResult(kept.job, replace(kept.accepted.dubbed, out=str(out)), None).summary()
    run_id = log_dub(tracking, summary, {"video": media[:1], "speech": media[1:]}, 64)
    run = tracking.client.get_run(run_id)
    assert (run.data.tags["acceptance"], run.data.metrics["accept/failed_shots"]) == ("failed", 1)
    assert run.data.metrics["accept/flicker"] > 5
    files = {file.path for file in tracking.client.list_artifacts(run_id, "dub")}
    endings = (".mp4", ".acceptance.json", ".acceptance.html")
    assert files == {film_name(media, ending) for ending in endings}


def test_refusal_names_the_limits(half_broken):
    dubbed = half_broken[1]["keep"].accepted.dubbed
    assert refusal_of(dubbed) is None
    refused = replace(dubbed, acceptance=replace(dubbed.acceptance, on_fail="refuse"))
    assert "shot 2" in refusal_of(refused)
    assert "max_flicker" in refusal_of(refused)


def test_a_refused_dub_leaves_its_reports_and_the_earlier_file(settings, speech, tmp_path):
    """Through the child: by a policy that nothing fulfils. What was accepted before is finished as before."""
    write_head(tmp_path / "head.mp4", 0, 12)
    lenient, strict = tmp_path / "lenient.toml", tmp_path / "strict.toml"
    lenient.write_text('name = "lenient"\nversion = 1\n[shot]\n')
    strict.write_text('name = "strict"\nversion = 1\n[shot]\nmax_nme_lips = 0\n')
    job = DubJob(video=str(tmp_path / "head.mp4"), speech=str(speech), out=str(tmp_path / "out.mp4"))
    accepting = with_dub(settings, accept=lenient)
    (outcome,) = dub_jobs([job], "builtin", "warp", accepting, ProgressSink())
    assert outcome.dubbed.acceptance.state == "accepted"
    assert outcome.dubbed.acceptance.shots[0].measures.values["identity_distance"] < 0.3
    names, before = report_names(Path(job.out)), Path(job.out).read_bytes()
    assert json.loads(names.verdict.read_text())["sha256"] == hashlib.sha256(before).hexdigest()
    using = with_dub(settings, accept=strict, on_fail="refuse")
    (outcome,) = dub_jobs([job], "builtin", "warp", using, ProgressSink())
    assert outcome.dubbed is None
    assert "refused: shot 1" in outcome.error
    assert "max_nme_lips" in outcome.error
    refused = report_names(refused_out(Path(job.out)))
    verdict = json.loads(refused.verdict.read_text())
    assert (verdict["state"], verdict["sha256"], refused.page.exists()) == ("failed", None, True)
    assert (Path(job.out).read_bytes(), json.loads(names.verdict.read_text())["state"]) == (before, "accepted")
    (outcome,) = dub_jobs([job], "builtin", "warp", accepting, ProgressSink(), resume=True)
    assert outcome.skipped
    names.verdict.write_text(json.dumps(verdict))
    key = json.loads((tmp_path / ".out.mp4.heterodub.json").read_text())["key"]
    assert finished(Path(job.out), key) is None
