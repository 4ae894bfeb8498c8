"""Mistakes in a job are reported before any expensive work, by messages that name them."""

import os
import shutil

import av
import numpy as np
import pytest

from heterodub.schemas.config.dubbing import SYNTHETIC, DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import MediaRefusedError, SourceError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.dubbing.batch import check_jobs, dub_jobs
from heterodub.tasks.dubbing.faults import find_faults
from heterodub.tasks.dubbing.inputs import input_faults
from heterodub.tasks.dubbing.jobs import output_faults, read_jobs
from heterodub.tasks.ingestion import catalog
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.sources.corpus import Corpus
from heterodub.tasks.sources.folder import local_file
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace
from tests.flows.heads import voice
from tests.tasks.dubbing.conftest import write_wav
from tests.tasks.media.media_files import regular, tone, write_media

LIMITS = Settings().limits


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One of each kind of file that people name."""
    folder = tmp_path_factory.mktemp("kinds")
    write_media(folder / "film.mp4", regular(4), track=tone(0.2))
    write_media(folder / "mute.mp4", regular(4))
    write_media(folder / "film.gif", regular(4), codec="gif", pix_fmt="rgb8")
    write_wav(folder / "speech.wav", voice(1, 0.3).samples)
    write_wav(folder / "header_only.wav", np.zeros((1, 0), np.float32))
    sound_alone(folder / "speech.m4a")
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "notes.txt").write_text("hello, this is a text and no sound at all\n")
    (folder / "cut.mp4").write_bytes((folder / "film.mp4").read_bytes()[:300])
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    (folder / "folder.mp4").mkdir()
    return folder


def sound_alone(path):
    with av.open(str(path), "w", "mp4") as out:
        stream = out.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 16_000, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def job(files, video="film.mp4", speech="speech.wav", out="out.mp4", **more):
    return DubJob(video=f"{files}/{video}", speech=f"{files}/{speech}", out=f"{files}/{out}", **more)


@pytest.mark.parametrize("video", ["film.mp4", "mute.mp4", "film.gif"])
@pytest.mark.parametrize("speech", ["speech.wav", "speech.m4a", "film.mp4"])
def test_valid_job_passes(files, video, speech):
    assert input_faults(job(files, video, speech), LIMITS) == ()


@pytest.mark.parametrize("video", ["speech.wav", "speech.m4a"])
@pytest.mark.parametrize("speech", ["film.mp4", "mute.mp4", "film.gif"])
def test_swapped_arguments_are_named(files, video, speech):
    (said,) = input_faults(job(files, video, speech), LIMITS)
    assert "did you swap VIDEO and SPEECH?" in said
    assert video in said
    assert speech in said


@pytest.mark.parametrize(
    ("video", "cause"),
    [
        ("none.mp4", "no such file"),
        ("folder.mp4", "a folder"),
        ("empty.mp4", "no bytes"),
        ("notes.txt", "not a video"),
        ("picture.png", "still picture"),
        ("cut.mp4", "not one frame decodes"),
        ("speech.wav", "sound and no picture"),
    ],
)
def test_invalid_video_is_named_with_its_cause(files, video, cause):
    (said,) = input_faults(job(files, video), LIMITS)
    assert said.startswith(f"{files}/{video}: ")
    assert cause in said
    assert "swap" not in said


@pytest.mark.parametrize(
    ("speech", "cause"),
    [
        ("none.wav", "no such file"),
        ("folder.mp4", "a folder"),
        ("empty.mp4", "no bytes"),
        ("notes.txt", "neither a sound file nor a video with sound"),
        ("picture.png", "still picture"),
        ("mute.mp4", "there is no sound in it"),
        ("film.gif", "there is no sound in it"),
        ("header_only.wav", "no sound of it decodes"),
    ],
)
def test_invalid_speech_is_named_with_its_cause(files, speech, cause):
    (said,) = input_faults(job(files, speech=speech), LIMITS)
    assert said.startswith(f"{files}/{speech}: ")
    assert cause in said


def test_all_mistakes_are_reported_at_once(files):
    said = input_faults(job(files, "none.mp4", "notes.txt", appearance_from=f"{files}/nobody.png"), LIMITS)
    assert [one.partition(":")[0].rpartition("/")[2] for one in said] == ["none.mp4", "notes.txt", "nobody.png"]
    assert input_faults(job(files, appearance_from=f"{files}/picture.png"), LIMITS) == ()


@pytest.mark.parametrize("out", ["a.mp4", "A.MP4", "b.m4v", "c.MOV", "d.mkv", "new/folder/e.mp4"])
def test_supported_containers_pass_and_nothing_is_created(files, out):
    before = sorted(files.iterdir())
    assert list(output_faults(job(files, out=out))) == []
    assert sorted(files.iterdir()) == before


@pytest.mark.parametrize("out", ["a.avi", "a.webm", "a.WMV", "a", "a.mp4.txt", ".mp4"])
def test_any_other_name_is_refused_and_the_accepted_ones_are_named(files, out):
    (said,) = output_faults(job(files, out=out))
    assert f"{files}/{out}" in said
    assert ".mp4, .m4v, .mov or .mkv" in said


def test_places_that_cannot_be_written_are_refused(files):
    assert "is a folder" in "".join(output_faults(job(files, out="folder.mp4")))
    assert "no folder" in "".join(output_faults(job(files, out="notes.txt/sub/out.mp4")))
    remote = job(files).model_copy(update={"out": "s3://bucket/out.mp4"})
    assert "local" in "".join(output_faults(remote))


@pytest.mark.parametrize("kind", ["same", "dotted", "hard link", "soft link", "lender"])
def test_source_is_never_an_output(files, kind, tmp_path):
    out = tmp_path / "linked.mp4"
    if kind == "hard link":
        os.link(files / "film.mp4", out)
    elif kind == "soft link":
        out.symlink_to(files / "film.mp4")
    names = {
        "same": files / "film.mp4",
        "dotted": files / "folder.mp4" / ".." / "film.mp4",
        "lender": files / "mute.mp4",
    }
    asked = job(files, appearance_from=f"{files}/mute.mp4").model_copy(update={"out": str(names.get(kind, out))})
    assert "the source itself" in "".join(output_faults(asked))


def test_source_by_its_address_is_one_too(files):
    asked = DubJob(video=f"file://{files}/film.mp4", speech=f"{files}/speech.wav", out=f"{files}/film.mp4")
    assert "the source itself" in "".join(output_faults(asked))


def test_only_a_dubbing_is_replaced(files, tmp_path):
    foreign, own, empty = (tmp_path / name for name in ("holiday.mp4", "dubbed.mp4", "empty.mp4"))
    shutil.copy(files / "film.mp4", foreign)
    with av.open(str(files / "film.mp4")) as source, av.open(str(own), "w") as out:
        out.metadata["comment"] = f"synthetic; digitalSourceType={SYNTHETIC}"
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    empty.touch()
    (tmp_path / "thesis.mp4").write_text("years of work")
    said = {
        out.name: input_faults(job(files).model_copy(update={"out": str(out)}), LIMITS) for out in tmp_path.iterdir()
    }
    assert {name: bool(faults) for name, faults in said.items()} == {
        "holiday.mp4": True, "dubbed.mp4": False, "empty.mp4": False, "thesis.mp4": True,
    }  # fmt: skip
    assert "is no dubbing: name another" in said["holiday.mp4"][0]
    asked = job(files).model_copy(update={"out": str(foreign)})
    before = foreign.read_bytes()
    (ended,) = dub_jobs([asked], "/no/such/model", "warp", Settings(workspace=str(tmp_path / "none")), ProgressSink())
    assert "is no dubbing" in ended.error and foreign.read_bytes() == before
    assert input_faults(asked, LIMITS, written=False) == ()


def test_footage_of_the_workspace_is_never_an_output(files, tmp_path):
    """Not even a dubbing of ours that was ingested since, by whatever way it is reached."""
    ws = Workspace.open(str(tmp_path / "ws"), create=True)
    footage = tmp_path / "footage.mp4"
    footage.write_bytes(b"1" * 100)
    raw = local_file(Corpus(root=str(tmp_path)), footage)
    row = catalog.refused_row(raw, "x", MediaRefusedError(FileReason.EMPTY_FILE))
    tables.append_rows(ws, "catalog", catalog.catalog_table([row]))
    (tmp_path / "hard.mp4").hardlink_to(footage)
    (tmp_path / "soft.mp4").symlink_to(footage)
    (tmp_path / "linked").symlink_to(tmp_path)
    (tmp_path / "other.mp4").write_bytes(b"2" * 100)
    names = ("footage.mp4", "hard.mp4", "soft.mp4", "linked/footage.mp4", "other.mp4", "new.mp4")
    jobs = [job(files).model_copy(update={"out": str(tmp_path / name)}) for name in names]
    faults = find_faults(jobs, lambda _: (), Settings(workspace=ws.root))
    assert list(faults) == [0, 1, 2, 3]
    assert all(f"is footage of {ws.root}" in fault for fault in faults.values())


def manifest(tmp_path, *rows):
    path = tmp_path / "jobs.csv"
    path.write_text("\n".join(["video,speech,out", *(",".join(map(str, row)) for row in rows)]))
    return path


def test_rows_with_one_output_refuse_the_manifest(files, tmp_path):
    film, speech = files / "film.mp4", files / "speech.wav"
    with pytest.raises(SourceError, match="rows 1 and 2 both write"):
        read_jobs(manifest(tmp_path, (film, speech, "a.mp4"), (film, speech, "x/../a.mp4")))
    with pytest.raises(SourceError, match=r"row 2 writes .*film\.mp4, which row 1 reads"):
        read_jobs(manifest(tmp_path, (film, speech, "a.mp4"), (files / "mute.mp4", speech, film)))


def test_all_bad_rows_are_reported_before_the_first_job(files, tmp_path):
    film, speech = files / "film.mp4", files / "speech.wav"
    rows = [(film, speech, "a.mp4"), (speech, film, "b.mp4"), (film, "none.wav", "c.mp4"), (film, speech, "d.avi")]
    faults = check_jobs(read_jobs(manifest(tmp_path, *rows)), Settings())
    assert sorted(faults) == [1, 2, 3]
    assert "swap" in faults[1]
    assert "none.wav" in faults[2]
    assert "d.avi" in faults[3]


def test_all_bad_rows_skip_the_model_lookup(files, tmp_path):
    jobs = read_jobs(manifest(tmp_path, (files / "speech.wav", files / "film.mp4", "b.mp4")))
    (ended,) = dub_jobs(jobs, "/no/such/model", "warp", Settings(), ProgressSink())
    assert "swap" in ended.error
