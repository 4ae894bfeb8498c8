"""Jobs on Dask workers end as they do in one child process."""

import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.tasks.dubbing.batch import dub_jobs
from heterodub.tasks.dubbing.jobs import read_jobs
from heterodub.tasks.dubbing.spread_jobs import workers_of
from heterodub.tasks.monitoring.progress import ProgressSink
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
    names, progress = (str(generator_folder), "warp"), Counted()
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
