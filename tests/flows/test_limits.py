"""Limits of one file: memory, time, disk; and two hundred damaged files through the decoding process."""

import os
import resource
import subprocess
import sys
from collections import Counter
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.config.settings import Settings, load_settings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.policy import load_policy
from heterodub.schemas.reasons import FileReason, FileState
from heterodub.tasks.ingestion.child import OpenFiles
from heterodub.tasks.ingestion.child_process import ChildProcess, FunctionName
from heterodub.tasks.ingestion.decoder_process import handed_to_write, open_files
from heterodub.tasks.ingestion.job import Analysis, FileJob
from heterodub.tasks.media.paths import fingerprint
from heterodub.tasks.stores.parts import unfinished_parts
from heterodub.tasks.stores.workspace import Workspace
from tests.flows.heads import contents, head, voice, write_head
from tests.flows.hostile import flipped
from tests.flows.plain_ingest import run
from tests.tasks.media.media_files import regular, tone, write_media

ANALYSE = FunctionName("heterodub.tasks.ingestion.process_file:analyse")
LARGE = (1280, 720)
SCRIPT, ROOT = Path(__file__).with_name("plain_ingest.py"), Path(__file__).parents[2]


@pytest.fixture(scope="module")
def settings(tmp_path_factory, config) -> Settings:
    workspace = tmp_path_factory.mktemp("limits")
    Workspace.open(str(workspace), create=True)
    return load_settings(config, workspace=str(workspace))


@pytest.fixture(scope="module")
def child() -> ChildProcess:
    child = ChildProcess(3)
    yield child
    child.close()


def analyse(child: ChildProcess, path: Path, settings: Settings, policy: Path, time_limit_s: float = 60):
    job = FileJob(str(path), fingerprint(path), path.stat().st_size, "default", "someone")
    with unfinished_parts(Workspace.open(settings.workspace)) as outgoing:
        media = open_files([str(path)])
        with closing(OpenFiles(media | handed_to_write(outgoing.values()))) as files:
            asked = (ANALYSE, job, settings, load_policy(policy), outgoing)
            return child.run(*asked, time_limit_s=time_limit_s, files=files, returns=Analysis)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".mpg", ".gif"])
def test_forty_damaged_files_of_each_kind(suffix, child, settings, policies, tmp_path):
    """Each ends as data; none crashes the decoder, and none is an error of ours. Half a second is enough of a file."""
    options = {"container_options": {"movflags": "faststart"}} if suffix == ".mp4" else {}
    track = None if suffix == ".gif" else tone(0.5)
    whole = write_media(tmp_path / f"whole{suffix}", regular(13), track, size=(96, 96), **options).read_bytes()
    ends: Counter[str] = Counter()
    for seed in range(40):
        path = tmp_path / f"damaged{suffix}"
        path.write_bytes(flipped(whole, seed))
        try:
            ends[analyse(child, path, settings, policies["lenient"]).outcome.state] += 1
        except MediaRefusedError as refusal:
            assert refusal.reason not in (FileReason.INTERNAL_ERROR, FileReason.DECODER_CRASHED), (seed, refusal)
            ends[refusal.reason] += 1
    assert ends.total() == 40
    assert ends[FileState.REJECTED] > 3, ends  # a part still decodes: there is no face in it


def test_decoding_process_loads_nothing_that_it_can_do_without(child, settings, policies, tmp_path):
    """Each costs a second or more whenever one starts."""
    film = write_head(tmp_path / "head.mp4", 501, 30)
    assert analyse(child, film, settings, policies["lenient"]).outcome.state == FileState.MEASURED
    loaded = FunctionName("sys:modules.__contains__")
    others = ("torch", "prefect", "mlflow", "distributed", "great_expectations")
    assert child.run(loaded, "scipy", time_limit_s=60, returns=bool)
    assert [name for name in others if child.run(loaded, name, time_limit_s=60, returns=bool)] == []


def test_picture_too_large_for_the_memory_is_refused_for_that(settings, policies, tmp_path):
    path = _still_film(tmp_path / "wide.mkv", 12288)
    settings = settings.model_copy(update={"limits": LimitSettings(max_pixels=2**28)})
    small = ChildProcess(0.8)
    try:
        with pytest.raises(MediaRefusedError) as refused:
            analyse(small, path, settings, policies["lenient"])
        assert refused.value.reason == FileReason.OUT_OF_MEMORY, refused.value
        good = write_head(tmp_path / "good.mp4", 500, 30)
        assert analyse(small, good, settings, policies["lenient"]).outcome.state == FileState.MEASURED
    finally:
        small.close()


def _still_film(path: Path, side: int) -> Path:
    """Two times the same JPEG, encoded once."""
    coded = cv2.imencode(".jpg", np.full((side, side, 3), 90, np.uint8))[1].tobytes()
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = side, side, "yuvj420p"
        for number in range(2):
            packet = av.Packet(coded)
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 25), number, number
            packet.is_keyframe = True
            out.mux(packet)
    return path


@pytest.mark.long
def test_workspace_on_a_full_disk_ends_the_run_in_one_line(heterodub, footage, config, cluster, tmp_path):
    """And once there is room, the next run completes it."""
    disk, films = tmp_path / "disk", tmp_path / "films.csv"
    disk.mkdir()
    films.write_text("".join(f"{line}\n" for line in ("uri", footage / "head0.mp4", footage / "head1.mkv")))
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk]).returncode:
        pytest.skip("a small disk can only be made by root")
    try:
        ran = heterodub("ingest", films, "-w", disk / "workspace", "--config", config, "--workers", 1)
        full = (ran.returncode, ran.stdout, ran.stderr)
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        run(films, load_settings(config, workspace=str(disk / "workspace"), run={"dask": cluster}))
        states = [row["state"] for row in contents(disk / "workspace")["catalog"]]
        assert states == ["measured"] * 2
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
    assert "Traceback" not in full[2]
    assert full[0] == 0 or full[2].splitlines()[-1].startswith("error: "), full


@pytest.mark.long
def test_file_may_not_write_more_than_the_system_allows(footage, config, cluster, tmp_path):
    """The system's limit on file size stops the one film whose crops are larger; all others come out right."""
    limit = 3 * 2**20

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, str(SCRIPT), str(footage), str(config), str(tmp_path)]
    one_worker = os.environ | {"HETERODUB_RUN__WORKERS": "1", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, preexec_fn=bounded, capture_output=True, text=True, timeout=600, env=one_worker)
    assert ran.returncode == 0, ran.stderr[-2000:]
    ends = {Path(row["uri"]).name: (row["state"], row["reason"]) for row in contents(tmp_path)["catalog"]}
    assert ends.pop("head0.mp4") == ("quarantined", "disk_full")
    assert set(ends.values()) == {("measured", None)}
    with_room = load_settings(config, workspace=str(tmp_path), run={"dask": cluster})
    run(footage, with_room)  # with room again, by itself
    assert {row["state"] for row in contents(tmp_path)["catalog"]} == {"measured"}


@pytest.mark.long
def test_memory_stays_flat_over_a_long_film(settings, policies, tmp_path):
    """A minute needs hardly more than twenty seconds did in the same process, however fast the machine lets it work.

    Twenty seconds are two clips, of which one is written while the next is measured. Holding the pictures of the
    further forty would take ten times the limit. `python -m tests.bench.long` shows it for two hours.
    """
    ten = _ten_seconds(tmp_path / "ten.mp4")
    films = {tens: _repeated(ten, tens, tmp_path / f"{tens}.mp4") for tens in (2, 6)}
    child, peaks = ChildProcess(1.5), []
    try:
        for tens in (2, 2, 6):  # what loads once, and the buffers of all threads, is there before the last
            result = analyse(child, films[tens], settings, policies["lenient"], time_limit_s=600)
            assert result.clips.num_rows == tens
            peaks.append(_peak_bytes(child))
    finally:
        child.close()
    pictures = 40 * 25 * LARGE[0] * LARGE[1] * 3 // 2
    print([f"{peak / 2**20:.0f} MiB" for peak in peaks])
    assert peaks[-1] < 1.5 * 2**30
    assert peaks[-1] - peaks[-2] < pictures / 10


def _peak_bytes(child: ChildProcess) -> int:
    status = Path(f"/proc/{child._process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024


def _ten_seconds(path: Path) -> Path:
    """A face in the middle of a large grey picture, with sound."""
    few = []
    for picture in head(501, 25):
        large = np.full((LARGE[1], LARGE[0], 3), 90, np.uint8)
        large[200:456, 500:756] = picture
        few.append(large)

    class Repeated:
        def __getitem__(self, number: int) -> np.ndarray:
            return few[number % 25]

    options = {"preset": "ultrafast", "crf": "30"}
    return write_media(path, regular(250), voice(501, 10), size=LARGE, pictures=Repeated(), options=options)


def _repeated(path: Path, times: int, out: Path) -> Path:
    """Ten seconds of film over and over, without encoding them again."""
    with av.open(str(path)) as source, av.open(str(out), "w") as target:
        streams = [target.add_stream_from_template(stream) for stream in source.streams]
        for number in range(times):
            source.seek(0)
            for packet in source.demux():
                if packet.dts is None or packet.pts * packet.time_base >= 10:  # the end; what the encoder of sound pads
                    continue
                later = round(number * 10 / packet.time_base)
                packet.pts, packet.dts = packet.pts + later, packet.dts + later
                packet.stream = streams[packet.stream_index]
                target.mux(packet)
    return out
