"""Runs the benches and prints ratios. `make bench`, or `python -m tests.bench --corpus FOLDER --rounds 3`."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from heterodub.flows.cli.environment import configure_environment
from heterodub.tasks.ingestion.child import LEAN
from tests.bench import catalogue, facemesh, feeding, growth, sandbox

_TALKS = ("s01-clean.mp4", "s02-clean.mp4", "s03-clean.mp4", "s06-clean.mp4")
_FILES_PER_TALK = 2
_MINUTES = 40
"""Footage that keeps a core busy for more than five minutes. An ingest pays some ten seconds of start-up and audit,
whatever its size: over one minute of work they decide every ratio, over the hours of a real corpus none."""


def main() -> None:
    """Run everything and print a table."""
    configure_environment()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, help="folder of talking-head videos; else the embedded sample")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=_MINUTES, help="length of the sample's footage")
    parser.add_argument("--facemesh-python", type=Path, default=facemesh.PYTHON, help="environment of the usual loop")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="heterodub-bench-") as place, _prefect_server(Path(place)):
        folder = Path(place)
        media = _media(arguments.corpus, folder, arguments.minutes)
        _say("media", f"{len(list(media.iterdir()))} files")
        _ingest(media, folder, arguments.rounds)
        _answers(folder / "w-1-0", min(path.name for path in media.iterdir()), arguments.rounds)
        _nothing_new(media, folder / "w-1-0", arguments.rounds)
        sandbox.bench(sorted(media.iterdir()), 1)
        facemesh.bench(sorted(media.iterdir()), arguments.facemesh_python, 1)
        catalogue.bench(folder / "million", 1_000_000)
        growth.bench()
        feeding.bench()


def _ingest(media: Path, folder: Path, rounds: int) -> None:
    loops, pairs, ones, twos, seconds = [], [], [], [], []
    for number in range(rounds):  # in turn, so that the machine's moods hit all alike
        loops.append(_bare(media))
        pairs.append(_bare_pair(media))
        ones.append(_run(media, folder / f"w-1-{number}", 1))
        twos.append(_run(media, folder / f"w-2-{number}", 2))
        seconds.append(_run(media, folder / f"w-1-{number}", 1))
    bare = [loop["seconds"] for loop in loops]
    one, two, again = ([run["seconds"] for run in runs] for runs in (ones, twos, seconds))
    _ratio("ingest on one worker over the bare loop", one, bare, "at most 1.15")
    _ratio("one worker over two workers", one, two, "at least 1.8")
    _ratio("one bare loop over two at once", bare, pairs, "what the cores themselves give")
    _ratio("second run over first, start-up apart", again, one, "at most 0.02")
    _say("times real time on one core, bare loop", f"{statistics.median(loop['factor'] for loop in loops):.1f}")
    _say("times real time on one core, ingest", f"{statistics.median(run['realtime_factor'] for run in ones):.1f}")
    _say("peak memory of the bare loop", f"{max(loop['peak_mib'] for loop in loops):.0f} MiB")
    total = sum(loops[-1]["spent"].values())
    for kernel, spent in sorted(loops[-1]["spent"].items(), key=lambda item: -item[1]):
        _say(f"  {kernel}", f"{spent / total:6.1%}  {1000 * spent / (25 * loops[-1]['media_s']):.2f} ms a frame")


def _answers(workspace: Path, file: str, rounds: int) -> None:
    for command in (["--help"], ["--version"], ["status"], ["list", "--files"], ["list", "--clips"], ["explain", file]):
        arguments = command if command[0].startswith("--") else [*command, "-w", str(workspace)]
        times = [_time([sys.executable, "-m", "heterodub.flows.cli.main", *arguments]) for _ in range(rounds)]
        _say(f"heterodub {' '.join(command)}", f"{statistics.median(times):.2f} s")


def _nothing_new(media: Path, workspace: Path, rounds: int) -> None:
    """An ingest of what is done already, with a Prefect server of its own, whose database is there."""
    command = [sys.executable, "-m", "heterodub.flows.cli.main", "ingest", str(media), "-w", str(workspace)]
    times = [_time(command, PREFECT_API_URL="") for _ in range(rounds)]
    _say("heterodub ingest, nothing new", f"{statistics.median(times):.2f} s")


def _bare(media: Path) -> dict[str, Any]:
    return _answer_of(_start_bare(sorted(media.iterdir())))


def _bare_pair(media: Path) -> float:
    """Seconds of two bare loops at once, each over every second file: no orchestration can be faster on two cores."""
    files = sorted(media.iterdir())
    return max(float(_answer_of(loop)["seconds"]) for loop in [_start_bare(files[::2]), _start_bare(files[1::2])])


def _start_bare(files: list[Path]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.bench.bare", *map(str, files)]
    threads = os.environ | LEAN  # as children have
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=threads)


def _answer_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, complaint = process.communicate()
    if process.returncode:
        raise SystemExit(complaint)
    return dict(json.loads(output))


def _run(media: Path, workspace: Path, workers: int) -> dict[str, Any]:
    command = [
        sys.executable,
        "-m",
        "heterodub.flows.cli.main",
        "ingest",
        str(media),
        "-w",
        str(workspace),
        "--workers",
        str(workers),
    ]
    answer = subprocess.run([*command, "--json"], capture_output=True, text=True)
    if answer.returncode:
        raise SystemExit(answer.stderr)
    return dict(json.loads(answer.stdout))


def _time(command: list[str], **more: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, capture_output=True, env=os.environ | more)
    return time.perf_counter() - started


def _media(corpus: Path | None, folder: Path, minutes: float) -> Path:
    """A folder of talking heads: the user's, or talks of the sample, each of some six seconds, lengthened."""
    media = folder / "media"
    media.mkdir()
    if corpus is not None:
        for path in sorted(corpus.iterdir()):
            (media / path.name).symlink_to(path.absolute())
        return media
    from heterodub.tasks.synthetic.make import make_sample

    make_sample(folder / "sample", only=_TALKS)
    for name in _TALKS:
        talk = folder / "sample" / "media" / name
        times = round(60 * minutes / (len(_TALKS) * _FILES_PER_TALK) / length_s(talk))
        for more in range(_FILES_PER_TALK):  # files of equal bytes would be worked on once
            lengthen(talk, media / f"{times + more}-{name}", times + more)
    return media


def length_s(film: Path) -> float:
    """Seconds by the file's header."""
    with av.open(str(film)) as read:
        return float(read.duration or 0) / av.time_base


def lengthen(source: Path, target: Path, times: int) -> None:
    """Write a file several times behind itself, without encoding it anew: long footage in no time."""
    with av.open(str(target), "w") as out:
        streams: dict[int, Any] = {}
        shift_s = Fraction(0)
        for _ in range(times):
            end_s = Fraction(0)
            with av.open(str(source)) as read:
                if not streams:  # all of them before the first packet, which writes the header
                    streams = {stream.index: out.add_stream_from_template(stream) for stream in read.streams}
                for packet in read.demux():
                    if packet.dts is None or packet.pts is None:
                        continue
                    base = packet.time_base
                    end_s = max(end_s, (packet.pts + (packet.duration or 0)) * base)
                    packet.pts, packet.dts = packet.pts + round(shift_s / base), packet.dts + round(shift_s / base)
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)
            shift_s += end_s + Fraction(1, 5)  # decoding times reach back before the first picture


@contextmanager
def _prefect_server(folder: Path) -> Iterator[None]:
    """A Prefect server for all runs, so that its start-up is in none of them."""
    port = 4317
    os.environ |= {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _await_server(port)
            yield
        finally:
            server.terminate()


def _await_server(port: int) -> None:
    import urllib.request

    for _ in range(240):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=1)
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise SystemExit("the Prefect server did not start")


def _ratio(what: str, above: list[float], below: list[float], wanted: str) -> None:
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    _say(what, f"{statistics.median(ratios):.3f}  ({spread}; {wanted})")


def _say(what: str, value: str) -> None:
    print(f"{what:48s} {value}", flush=True)


if __name__ == "__main__":
    main()
