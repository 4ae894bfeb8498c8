"""Peak memory of every process while a long film is ingested: `python -m tests.bench.long [--hours 2]`.

Makes a 1920 x 1080 film of that length out of a talk of the sample (scaled once, then its packets many times over),
ingests it with one worker, and prints the high-water mark of the resident memory of the driver, the Dask worker and
the process that decodes. Takes about a quarter of the film's length; needs some 5 GB of room in the temporary folder.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import av
import psutil

from heterodub.flows.cli.environment import configure_environment
from heterodub.tasks.synthetic.make import make_sample
from tests.bench.__main__ import length_s, lengthen

_TALK = "s01-clean.mp4"
_SIZE = (1920, 1080)
_KINDS = {
    "heterodub.tasks.ingestion.child": "decoding child",
    "spawn_main": "Dask worker",
    "heterodub.flows.cli.main": "driver",
}
"""Words in the command line of each kind of process; the Prefect server that a run starts is none of them."""


def main() -> None:
    """Make the film, ingest it, print the peaks."""
    configure_environment()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0)
    hours = parser.parse_args().hours
    with tempfile.TemporaryDirectory(prefix="heterodub-long-") as place:
        folder = Path(place)
        film = _film(folder, hours * 3600)
        print(f"film: {length_s(film) / 3600:.2f} h of {_SIZE[0]} x {_SIZE[1]}, {film.stat().st_size / 1e9:.1f} GB")
        summary, peaks = _ingest(film, folder)
        for kind, peak in sorted(peaks.items()):
            print(f"peak of the {kind:16s} {peak / 1024:7.0f} MiB")
        kept = ("clips", "stage1", "stage2", "seconds", "realtime_factor", "release")
        print(json.dumps({name: summary[name] for name in kept}))


def _film(folder: Path, seconds: float) -> Path:
    make_sample(folder / "sample", only=(_TALK,))
    once, film = folder / "once.mp4", folder / "media" / "film.mp4"
    film.parent.mkdir()
    _scale(folder / "sample" / "media" / _TALK, once)
    lengthen(once, film, round(seconds / length_s(once)))
    return film


def _scale(source: Path, target: Path) -> None:
    """Encode anew at full HD; the sound is taken over."""
    with av.open(str(source)) as read, av.open(str(target), "w") as out:
        pictures, sound = read.streams.video[0], read.streams.audio[0]
        large = out.add_stream("libx264", rate=pictures.average_rate, options={"preset": "veryfast", "crf": "23"})
        large.width, large.height, large.pix_fmt = *_SIZE, "yuv420p"
        copied = out.add_stream_from_template(sound)
        for packet in read.demux(pictures, sound):
            if packet.stream is pictures:
                for frame in packet.decode():
                    out.mux(large.encode(frame.reformat(*_SIZE, "yuv420p")))
            elif packet.dts is not None:
                packet.stream = copied
                out.mux(packet)
        out.mux(large.encode(None))


def _ingest(film: Path, folder: Path) -> tuple[dict[str, object], Counter[str]]:
    words = ["ingest", str(film), "-w", str(folder / "workspace"), "--workers", "1", "--json"]
    peaks: Counter[str] = Counter()
    with (folder / "said").open("w+") as output:
        process = subprocess.Popen([sys.executable, "-m", "heterodub.flows.cli.main", *words], stdout=output)
        while process.poll() is None:
            _look(psutil.Process(process.pid), peaks)
            time.sleep(0.5)
        output.seek(0)
        if process.returncode:
            raise SystemExit(process.returncode)
        return json.load(output), peaks


def _look(driver: psutil.Process, peaks: Counter[str]) -> None:
    """Raise `peaks` (KiB, by kind of process) to the high-water marks of all processes of the run."""
    with contextlib.suppress(psutil.Error, OSError, StopIteration):  # processes come and go
        for process in (driver, *driver.children(recursive=True)):
            words = " ".join(process.cmdline())
            kind = next((kind for word, kind in _KINDS.items() if word in words), None)
            status = Path(f"/proc/{process.pid}/status").read_text()
            mark = next(line for line in status.splitlines() if line.startswith("VmHWM"))
            if kind is not None:
                peaks[kind] = max(peaks[kind], int(mark.split()[1]))


if __name__ == "__main__":
    main()
