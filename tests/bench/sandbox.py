"""Cost of the decoding child's sandbox: `python -m tests.bench.sandbox FILE... [--rounds 3]`.

Each file is analysed by a child in the sandbox and by one without, turn by turn, by the worker's own code. Compared is
the processor time, so that other work on the machine disturbs little.
"""

import argparse
import random
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from heterodub.schemas.config.settings import Settings, load_settings
from heterodub.schemas.policy import load_policy
from heterodub.tasks.ingestion import worker
from heterodub.tasks.ingestion.child_process import ChildProcess
from heterodub.tasks.ingestion.job import FileJob
from heterodub.tasks.ingestion.sandbox import Sandbox, missing
from heterodub.tasks.media.paths import fingerprint
from heterodub.tasks.stores.workspace import Workspace


@dataclass(frozen=True)
class Seconds:
    """Processor seconds of a file: of the child that decodes; and of the worker and the child that opens it."""

    decoding: float
    rest: float


def main() -> None:
    """Measure the files of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    bench(arguments.files, arguments.rounds)


def bench(files: Sequence[Path], rounds: int) -> None:
    """Print the ratio of both, with its interval, and the share of what is not decoding."""
    for part in missing():
        print(f"this machine lacks {part}")
    with tempfile.TemporaryDirectory(prefix="heterodub-bench-") as place:
        settings = load_settings(None, workspace=place)
        Workspace.open(place, create=True)
        with _children(settings) as children:
            _measured(files[0], settings, *children)  # models are loaded
            pairs = [_measured(path, settings, *children) for _ in range(rounds) for path in files]
    _report([inside for inside, _ in pairs], [outside for _, outside in pairs])


@contextmanager
def _children(settings: Settings) -> Iterator[tuple[ChildProcess, ChildProcess, ChildProcess]]:
    limit_gib = settings.limits.memory_limit_gib
    with (
        closing(ChildProcess(limit_gib, Sandbox(settings.weights.paths))) as inside,
        closing(ChildProcess(limit_gib, None)) as outside,
        closing(ChildProcess(limit_gib, None)) as reader,
    ):
        yield inside, outside, reader


def _measured(
    path: Path, settings: Settings, inside: ChildProcess, outside: ChildProcess, reader: ChildProcess
) -> tuple[Seconds, Seconds]:
    """A file's seconds inside and outside of the sandbox; which comes first is drawn."""
    job = FileJob(str(path.absolute()), fingerprint(path), path.stat().st_size, "default", "file:x")
    order = random.sample([inside, outside], 2)
    seconds = {decoder: _once(job, settings, decoder, reader) for decoder in order}
    return seconds[inside], seconds[outside]


def _once(job: FileJob, settings: Settings, decoder: ChildProcess, reader: ChildProcess) -> Seconds:
    worker._children = lambda _: (decoder, reader)
    for child in (decoder, reader):
        child.prepare(worker._LOAD, settings)
    before = _cpu_s(decoder), _cpu_s(reader) + _cpu_s(None)
    worker.work_on(job, settings, load_policy(None))
    return Seconds(_cpu_s(decoder) - before[0], _cpu_s(reader) + _cpu_s(None) - before[1])


def _cpu_s(child: ChildProcess | None) -> float:
    times = psutil.Process(child._process.pid if child and child._process else None).cpu_times()
    return float(times.user + times.system)


def _report(inside: list[Seconds], outside: list[Seconds]) -> None:
    total = [sum(one.decoding for one in part) for part in (inside, outside)]
    ratios = []
    for _ in range(2000):  # a bootstrap over the pairs
        drawn = random.choices(range(len(inside)), k=len(inside))
        ratios.append(sum(inside[place].decoding for place in drawn) / sum(outside[place].decoding for place in drawn))
    low, high = (statistics.quantiles(ratios, n=40)[place] for place in (0, -1))
    print(f"{len(inside)} pairs; decoding {total[0]:.1f} s in the sandbox, {total[1]:.1f} s outside")
    print(f"ratio {total[0] / total[1]:.4f} (95 % interval {low:.4f} to {high:.4f}); at most 1.02 is wanted")
    rest = sum(one.rest for one in inside)
    print(f"opening, handing over, checking and storing: {rest:.1f} s, {rest / (rest + total[0]):.1%} of all")


if __name__ == "__main__":
    main()
