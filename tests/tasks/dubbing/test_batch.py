"""Jobs of a manifest: read with care, done one by one, and a bad one costs only itself."""

import pytest

from heterodub.model.io import save_model
from heterodub.model.stage1.network import LandmarkGenerator
from heterodub.schemas.errors import ModelFileError, SettingsError, SourceError, WorkspaceError
from heterodub.tasks.dubbing.batch import dub_by, dub_jobs
from heterodub.tasks.dubbing.jobs import read_jobs
from heterodub.tasks.dubbing.model_lookup import find_models
from heterodub.tasks.dubbing.models import open_models
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.quality import senones
from tests.flows.heads import write_head
from tests.tasks.media.media_files import regular, write_media


def written(tmp_path, text):
    path = tmp_path / "jobs.csv"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_manifest_and_defaults_are_filled_in(tmp_path):
    text = "video,speech,out,face,length\na.mp4,/b.wav,c.mp4,2,loop\ns3://bucket/d.mp4,e.wav,f.mp4,,\n"
    first, second = read_jobs(written(tmp_path, text))
    assert (first.video, first.speech, first.out) == (f"{tmp_path}/a.mp4", "/b.wav", f"{tmp_path}/c.mp4")
    assert (first.face, first.length) == (2, "loop")
    assert (second.video, second.face, second.length) == ("s3://bucket/d.mp4", "speaking", "picture")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("video,speech\na,b\n", "row 1.*out"),
        ("video,speech,out,colour\na,b,c,red\n", "row 1.*colour"),
        ("video,speech,out,length\na,b,c,long\n", "row 1.*length"),
        ("video,speech,out\na,b,c\nd,e,c\n", "rows 1 and 2 both write"),
        ("video,speech,out\na,b,c,d\n", "row 1"),
        ("video,speech,out\n", "no job"),
    ],
)
def test_bad_manifest_is_refused_before_anything_is_done(text, cause, tmp_path):
    with pytest.raises(SourceError, match=cause):
        read_jobs(written(tmp_path, text))


def test_missing_manifest_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r"no-jobs\.csv"):
        read_jobs(tmp_path / "no-jobs.csv")


def test_bad_job_does_not_stop_the_rest(dubber, generator_folder, speech, settings, tmp_path):
    head = write_head(tmp_path / "head.mp4", 0, 8)
    write_media(tmp_path / "faceless.mp4", regular(8))
    rows = [(head, "one.mp4"), ("faceless.mp4", "two.mp4"), ("gone.mp4", "three.mp4"), (head, "four.mp4")]
    text = "video,speech,out\n" + "".join(f"{video},{speech},{out}\n" for video, out in rows)
    jobs = read_jobs(written(tmp_path, text))
    outcomes = dub_by(dubber, jobs, str(generator_folder), "warp", settings, ProgressSink())
    assert [outcome.error is None for outcome in outcomes] == [True, False, False, True]
    assert "no face" in outcomes[1].error
    assert "gone.mp4" in outcomes[2].error
    assert sorted(path.name for path in tmp_path.glob("*.mp4")) == ["faceless.mp4", "four.mp4", "head.mp4", "one.mp4"]
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "four.mp4").read_bytes()
    assert outcomes[0].summary()["translator"] == "warp"
    assert outcomes[1].summary()["error"] == outcomes[1].error


def test_missing_models_are_an_error_before_the_first_job(head, speech, settings, tmp_path):
    jobs = read_jobs(written(tmp_path, f"video,speech,out\n{head},{speech},out.mp4\n"))
    with pytest.raises((ModelFileError, WorkspaceError), match=r"none-such|workspace"):
        dub_jobs(jobs, str(tmp_path / "none-such"), "warp", settings, ProgressSink())
    assert not (tmp_path / "out.mp4").exists()


def test_missing_translator_is_refused(generator_folder, settings, tmp_path):
    with pytest.raises((ModelFileError, WorkspaceError), match=r"nobody|workspace"):
        find_models(settings, str(generator_folder), "nobody", tmp_path)


def test_generator_of_another_backend_is_refused(generator, models, backend, settings, tmp_path):
    save_model(tmp_path / "other", generator, models.card.model_copy(update={"backend": "face_mesh_v2@x"}))
    paths = find_models(settings, str(tmp_path / "other"), "warp", tmp_path)
    with pytest.raises(ModelFileError, match="face_mesh_v2@x"):
        open_models(paths, settings, backend)


def test_missing_recogniser_is_refused_before_the_first_job(models, backend, settings, tmp_path, monkeypatch):
    shape = models.card.architecture.model_copy(update={"speech_features": "mel+senones"})
    card = models.card.model_copy(update={"architecture": shape})
    save_model(tmp_path / "reading", LandmarkGenerator(shape), card)
    monkeypatch.setattr(senones, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"heterodub\[senones\]"):
        open_models(find_models(settings, str(tmp_path / "reading"), "warp", tmp_path), settings, backend)
