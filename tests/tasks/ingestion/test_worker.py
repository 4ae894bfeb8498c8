"""One job on a worker: what is the file's fault is in the result, what is the run's is raised."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from heterodub.schemas.addresses import origin_of
from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import WeightsMissingError, WorkspaceError
from heterodub.schemas.policy import load_policy
from heterodub.schemas.reasons import FileReason, FileState
from heterodub.schemas.records import RawFile
from heterodub.tasks.ingestion import worker
from heterodub.tasks.ingestion.worker import identify, work_on

POLICY = load_policy()


def test_film_is_finished(job, settings):
    done = work_on(job("holiday.mp4"), settings, POLICY)
    assert done.refusal is None
    assert (done.analysis.outcome.state, done.analysis.outcome.reason) == (FileState.REJECTED, FileReason.NO_FACE)


def test_file_errors_are_results(job, settings):
    done = work_on(job("notes.mp4"), settings, POLICY)
    assert done.analysis is None
    assert done.refusal.reason is FileReason.NOT_MEDIA


def test_run_errors_are_raised(job, settings, tmp_path):
    with pytest.raises(WeightsMissingError):
        work_on(job("holiday.mp4"), settings.model_copy(update={"backend": "face_mesh_v2"}), POLICY)
    with pytest.raises(WorkspaceError):
        work_on(job("holiday.mp4"), settings.model_copy(update={"workspace": str(tmp_path / "none")}), POLICY)


def test_file_id_is_the_hash_of_its_bytes(job, media, settings):
    own, copy = (
        identify(RawFile(str(media / name), 1, "1"), settings) for name in ("s01-clean.mp4", "same as s01.mp4")
    )
    assert own == copy == job("s01-clean.mp4").media_id
    assert identify(RawFile(str(media / "gone.mp4"), 1, "1"), settings).reason is FileReason.VANISHED


@pytest.mark.parametrize("claimed", [429_496_729_600, 2**63, 10**30], ids=lambda size: f"{size:.0e}")
def test_identify_a_file_whose_store_claims_an_absurd_size(claimed, job, media, settings):
    """The time it may take follows from its size, and the kernel cannot wait for so long."""
    assert identify(RawFile(str(media / "s01-clean.mp4"), claimed, "1"), settings) == job("s01-clean.mp4").media_id
    assert (
        work_on(replace(job("notes.mp4"), size_bytes=claimed), settings, POLICY).refusal.reason is FileReason.NOT_MEDIA
    )


def test_unexpected_error_refuses_the_file(job, settings, monkeypatch):
    def fail(*arguments, **more):
        raise ZeroDivisionError("a header of zeros")

    monkeypatch.setattr(worker.ChildProcess, "run", fail)
    done = work_on(job("holiday.mp4"), settings, POLICY)
    assert (done.refusal.reason, done.refusal.detail) == (
        FileReason.INTERNAL_ERROR, "ZeroDivisionError: a header of zeros"
    )  # fmt: skip


def test_unreadable_file_is_retried_by_the_next_run(job, settings, monkeypatch):
    monkeypatch.setattr(worker, "_LOOK_LIMIT_S", 4.0)
    film = job("holiday.mp4")
    with served(film.uri, hangs=True) as address:
        listed = listing(settings, address)
        result = identify(RawFile(address, 1, "1"), listed)
        done = work_on(replace(film, uri=address, size_bytes=1), listed, POLICY)
    assert result.reason is done.refusal.reason is FileReason.UNREADABLE
    assert "longer than 4 s" in result.detail and "longer than 4 s" in done.refusal.detail


def test_remote_file_deadline_starts_after_the_download(job, settings):
    """Not that of the longest film there may be."""
    film = job("holiday.mp4")  # of 5.5 s; of 24 hours it would have 173 s
    with served(film.uri) as address:
        large = replace(film, uri=address, size_bytes=10**9)
        done = work_on(large, listing(settings, address, time_limit_s=0.001, time_limit_factor=0.002), POLICY)
        assert identify(RawFile(address, 1, "1"), listing(settings, address)) == film.media_id
    assert done.refusal.reason is FileReason.TIMED_OUT


def test_endless_announcements_hit_the_deadline():
    patience = worker._Patience(10**6, LimitSettings())
    assert patience.extend(float("nan")) >= 0
    assert patience.extend(float("-inf")) == patience.extend(0.0) > 0
    assert {patience.extend(1.0) for _ in range(5000)} >= {0.0}
    assert patience.extend(None) == 0.0


def listing(settings: Settings, address: str, **limits: float) -> Settings:
    """The settings with the address's server among those that may be read, and with other limits."""
    more = {"web_origins": (origin_of(address),), **limits}
    return settings.model_copy(update={"limits": settings.limits.model_copy(update=more)})


@contextmanager
def served(path: str, hangs: bool = False) -> Iterator[str]:
    """The address of a file on a server that sends it whole, or nothing of it until the block ends."""
    content, over = Path(path).read_bytes(), threading.Event()

    class SlowHandler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()

        def do_GET(self):
            self.do_HEAD()
            if hangs:
                over.wait()
            self.wfile.write(content)

        def log_message(self, *message):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowHandler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/film.mp4"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
