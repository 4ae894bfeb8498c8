"""Jobs on Dask workers end as they do in one child process."""

import os
import tempfile

import pytest
from distributed import LocalCluster

from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.provenance import ProvenanceSettings
from heterodub.schemas.config.settings import Settings
from heterodub.tasks.dubbing.batch import dub_jobs
from heterodub.tasks.dubbing.jobs import read_jobs
from heterodub.tasks.dubbing.spread_jobs import workers_of
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.provenance.reading import read_manifest
from heterodub.tasks.provenance.trial import write_trial_certificate
from tests.flows.heads import write_head
from tests.tasks.media.media_files import regular, write_media


class Counted(ProgressSink):
    """Counts the jobs that ended."""

    def __init__(self) -> None:
        self.phases, self.ended = [], 0

    def phase(self, name, total=None, done=0, share=None):
        self.phases.append((name, total))

    def advance(self, detail="", share=None):
        self.ended += 1


def test_one_worker_and_no_cluster_is_the_child_of_this_process():
    assert workers_of(Settings(), None, None) is None
    assert workers_of(Settings(dub={"workers": 2}), None, None) is not None
    assert workers_of(Settings(run={"dask": "tcp://127.0.0.1:8786"}), None, None) is not None


def test_standing_worker_judges_and_signs_by_what_the_files_hold_now_and_keeps_no_film(
    generator_folder, head, speech, settings, tmp_path, monkeypatch
):
    jobs = [DubJob(video=str(head), speech=str(speech), out=str(tmp_path / f"{number}.mp4")) for number in range(2)]
    policy, signing = tmp_path / "policy.toml", tmp_path / "signing"
    scratch = tmp_path / "scratch"
    for folder in (scratch, signing):
        folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    names, found = (str(generator_folder), "warp"), []
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address="127.0.0.1:0"
    ) as standing:
        for name, limit in (("loose", 9), ("strict", 0)):
            policy.write_text(f'name = "{name}"\nversion = 1\n[shot]\nmax_nme_lips = {limit}\n')
            certificate, key = write_trial_certificate(signing)
            using = Settings(
                dub=settings.dub.model_dump() | {"measure": True, "accept": policy},
                run={"dask": standing.scheduler_address},
                provenance=ProvenanceSettings(certificate=certificate, private_key=key),
            )
            results = dub_jobs(jobs, *names, using, ProgressSink(), elsewhere=workers_of(using, *names))
            assert [result.error for result in results] == [None, None]
            signed = [read_manifest(tmp_path / f"{number}.mp4", certificate.read_text()).state for number in range(2)]
            found.append(([result.dubbed.acceptance.policy.split()[0] for result in results], signed))
        assert not list(scratch.glob("*/made/*"))
        assert list(scratch.glob("*/made"))
    assert found == [(["loose"] * 2, ["intact"] * 2), (["strict"] * 2, ["intact"] * 2)]


@pytest.mark.long
def test_workers_write_the_same_files_and_a_bad_job_costs_only_itself(
    generator_folder, speech, settings, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)  # workers have another working folder: names are relative to this one
    head = write_head(tmp_path / "head.mp4", 0, 8)
    write_media(tmp_path / "faceless.mp4", regular(8))
    videos = (head.name, "faceless.mp4", head.name, "gone.mp4")
    rows = "".join(f"{video},{speech},{number}.mp4\n" for number, video in enumerate(videos))
    (tmp_path / "jobs.csv").write_text(f"video,speech,out\n{rows}")
    jobs = [job.model_copy(update={"out": job.out.rsplit("/", 1)[-1]}) for job in read_jobs(tmp_path / "jobs.csv")]
    several = Settings(**(settings.model_dump() | {"dub": settings.dub.model_dump() | {"workers": 2}}))
    names, progress = (os.path.relpath(generator_folder), "warp"), Counted()
    spread = dub_jobs(jobs, *names, several, progress, resume=True, elsewhere=workers_of(several, *names))
    assert [result.error is None for result in spread] == [True, False, True, False]
    assert "no face" in spread[1].error and "gone.mp4" in spread[3].error
    assert (progress.phases, progress.ended) == ([("dub jobs", 3)], 3)
    assert [result.dubbed.out for result in spread if result.dubbed] == ["0.mp4", "2.mp4"]
    made = [(tmp_path / name).read_bytes() for name in ("0.mp4", "2.mp4")]
    for name in ("0.mp4", "2.mp4"):
        (tmp_path / name).unlink()
    alone = dub_jobs(jobs, *names, settings, ProgressSink())
    assert [result.error for result in alone] == [result.error for result in spread]
    assert [(tmp_path / name).read_bytes() for name in ("0.mp4", "2.mp4")] == made
    again = dub_jobs(jobs, *names, several, ProgressSink(), resume=True, elsewhere=workers_of(several, *names))
    assert [result.skipped for result in again] == [True, False, True, False]
