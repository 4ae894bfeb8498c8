"""Remote files are fetched once by a machine: for the hash, for the work, and for all segments of a film."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.policy import load_policy
from heterodub.schemas.reasons import FileReason
from heterodub.schemas.records import FilmSegment, RawFile
from heterodub.tasks.ingestion import worker
from heterodub.tasks.ingestion.copies import CopyPlace, forget_copies, hash_and_keep, open_media
from heterodub.tasks.ingestion.job import FileJob
from heterodub.tasks.ingestion.scratch import SharedScratch, sweep
from tests.s3_server import counted_s3

FILMS = {"a.mp4": b"a film" * 100, "b.mp4": b"b film" * 100, "c.mp4": b"c film" * 100, "again.mp4": b"a film" * 100}
IDS = {name: hashlib.sha256(content).hexdigest() for name, content in FILMS.items()}


@pytest.fixture(scope="module")
def s3(tmp_path_factory) -> Iterator:
    with counted_s3(tmp_path_factory.mktemp("aws"), "films") as opened:
        yield opened


@pytest.fixture
def fetched(s3):
    """Bytes that were fetched of each film."""
    store, proxy = s3
    for name, content in FILMS.items():
        store.pipe_file(f"films/{name}", content)
    proxy.fetched.clear()
    return lambda name: proxy.fetched[f"/films/{name}"]


@pytest.fixture
def place(tmp_path) -> CopyPlace:
    (tmp_path / "copies").mkdir()
    return CopyPlace(str(tmp_path / "copies"), 10_000)


def hashed(name: str, place: CopyPlace | None) -> str:
    return hash_and_keep(f"s3://films/{name}", (), None, place)


def read(name: str, place: CopyPlace | None, is_needed_again: bool = False, media_id: str | None = None) -> bytes:
    media_id = media_id or IDS[name]
    with closing(open_media(f"s3://films/{name}", media_id, is_needed_again, (), place)) as files:
        ((path, handles),) = files.values()
        assert path is None
        return os.pread(handles[-1], 10_000, 0)


def kept(place: CopyPlace) -> set[str]:
    return {path.name.partition(".")[0] for path in Path(place.folder).iterdir()}


def test_file_is_fetched_once_for_hash_and_work(fetched, place):
    assert hashed("a.mp4", place) == IDS["a.mp4"] and kept(place) == {IDS["a.mp4"]}
    assert read("a.mp4", place) == FILMS["a.mp4"]
    assert fetched("a.mp4") == len(FILMS["a.mp4"])
    assert kept(place) == set(), "nobody needs it any more"
    assert hashed("a.mp4", None) and read("a.mp4", None)
    assert fetched("a.mp4") == 3 * len(FILMS["a.mp4"]), "without a place for copies twice"


def test_segments_share_a_copy(fetched, place):
    for _ in range(3):
        assert read("a.mp4", place, is_needed_again=True) == FILMS["a.mp4"]
    assert fetched("a.mp4") == len(FILMS["a.mp4"])


def test_equal_bytes_share_a_copy(fetched, place):
    assert hashed("a.mp4", place) == hashed("again.mp4", place)
    assert len(kept(place)) == 1
    assert read("again.mp4", place) == FILMS["a.mp4"]


def test_copies_are_bounded_and_the_longest_unread_goes(fetched, place):
    place = replace(place, most_bytes=1300)  # two of them
    for name in ("a.mp4", "b.mp4"):
        hashed(name, place)
    assert read("a.mp4", place, is_needed_again=True)
    hashed("c.mp4", place)
    assert kept(place) == {IDS["a.mp4"], IDS["c.mp4"]}
    assert hashed("b.mp4", replace(place, most_bytes=500)) == IDS["b.mp4"], "too large to keep"
    assert kept(place) == {IDS["a.mp4"], IDS["c.mp4"]}
    forget_copies(Path(place.folder))
    assert kept(place) == set()


def test_no_more_than_half_of_the_free_room_is_taken(fetched, place, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 500})())
    hashed("a.mp4", place)
    assert kept(place) == set()


def test_object_that_changed_since_it_was_hashed_is_noticed(s3, fetched, place, settings):
    store, _ = s3
    media_id = hashed("a.mp4", place)
    store.pipe_file("films/a.mp4", b"other bytes")
    assert read("a.mp4", place, media_id=media_id) == FILMS["a.mp4"], "what was hashed is what is worked on"
    assert read("a.mp4", place, True, media_id) == b"other bytes" and kept(place) == set()
    job = FileJob("s3://films/a.mp4", media_id, 11, "default", "file:x")
    assert worker.work_on(job, settings, load_policy()).refusal.reason is FileReason.CHANGED


def test_worker_fetches_a_film_once(s3, fetched, media, settings, place, monkeypatch):
    monkeypatch.setattr(worker, "_shared_scratch", lambda: SimpleNamespace(path=Path(place.folder)))
    store, proxy = s3
    content = (media / "s01-clean.mp4").read_bytes()
    store.pipe_file("films/film.mp4", content)
    raw = RawFile("s3://films/film.mp4", len(content), "1")
    media_id = worker.identify(raw, settings)
    job = FileJob(raw.uri, media_id, len(content), "default", "file:x")
    for segment in (FilmSegment(0, 50), FilmSegment(50)):
        assert worker.work_on(replace(job, segment=segment), settings, load_policy()).refusal is None
    assert worker.work_on(job, settings, load_policy()).refusal is None
    assert proxy.fetched["/films/film.mp4"] == len(content)
    worker.identify(raw, settings)
    assert kept(place) == {media_id}
    worker.forget_machine_copies()
    assert kept(place) == set()
    none = settings.model_copy(update={"limits": LimitSettings(kept_copies_gib=0)})
    worker.identify(raw, none)
    assert proxy.fetched["/films/film.mp4"] == 3 * len(content)


OWNER = """
import sys
from heterodub.tasks.ingestion.scratch import SharedScratch
mine = SharedScratch()
print(mine.path, flush=True)
sys.stdin.read()
"""


def test_shared_folder_goes_with_the_last_of_its_processes(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command, pipe = [sys.executable, "-c", OWNER], subprocess.PIPE
    owners = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) for _ in range(2)]
    (folder,) = {Path(owner.stdout.readline().strip()) for owner in owners}
    (folder / "one.copy").write_bytes(b"1")
    for owner in owners:
        sweep()
        assert (folder / "one.copy").exists()
        owner.kill()
        owner.communicate()
    sweep()
    assert not folder.exists()
    assert SharedScratch().path == folder and folder.stat().st_mode & 0o777 == 0o700


def test_folder_of_another_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"heterodub-work-shared-{os.getuid()}").symlink_to("elsewhere")
    with pytest.raises(OSError):
        SharedScratch()
    assert not list((tmp_path / "elsewhere").iterdir())
