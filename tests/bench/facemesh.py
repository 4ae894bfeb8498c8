"""An ingest beside the usual face-mesh loop over the same clips, in processor time of all their processes.

    python -m tests.bench.facemesh FOLDER [--python .venv-facemesh/bin/python] [--rounds 3]

CONTRIBUTING.md says how to make the loop's environment. In turn: the loop; the analysis of the files, which is what an
ingest's children do; the whole ingest. Start-up and models are in all three, a Prefect server in none. Prints
processor seconds a second of film, and the ratio of the loop to each: above 1, the loop costs more.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from heterodub.tasks.ingestion.child import LEAN

PYTHON = Path(".venv-facemesh/bin/python")
_LOOP = Path(__file__).with_name("facemesh_loop.py")


def main() -> None:
    """Measure a folder of .mp4 clips."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", type=Path, default=PYTHON)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    bench(sorted(arguments.folder.glob("*.mp4")), arguments.python, arguments.rounds)


def bench(clips: Sequence[Path], python: Path, rounds: int) -> None:
    """Print the table, or that there is no environment for the loop."""
    if not python.exists():
        print(f"face-mesh loop: left out, {python} is not there (CONTRIBUTING.md)")
        return
    spent: dict[str, list[float]] = {"face-mesh loop": [], "analysis": [], "ingest": []}
    media_s = 0.0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="heterodub-bench-") as place:
            folder = Path(place)
            names = [str(clip.absolute()) for clip in clips]
            seconds, output = _cpu_s([str(python), str(_LOOP), str(folder / "loop"), *names])
            spent["face-mesh loop"].append(seconds)
            media_s = float(output.split()[-1])
            spent["analysis"].append(_cpu_s([sys.executable, "-m", "tests.bench.steps", *names])[0])
            spent["ingest"].append(_cpu_s(_ingest(clips, folder))[0])
    loop = spent["face-mesh loop"]
    for name, seconds in spent.items():
        ratio = statistics.median(one / other for one, other in zip(loop, seconds, strict=True))
        print(f"{name:48s} {1000 * min(seconds) / media_s:.0f} ms a second of film; loop over this: {ratio:.2f}")


def _ingest(clips: Sequence[Path], folder: Path) -> list[str]:
    media = folder / "media"
    media.mkdir()
    for clip in clips:
        (media / clip.name).symlink_to(clip.absolute())
    return [sys.executable, "-m", "heterodub.flows.cli.main", "ingest", str(media), "-w", str(folder / "workspace")]


def _cpu_s(command: list[str]) -> tuple[float, str]:
    """Processor seconds of a command with all that it waited for, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    finished = subprocess.run(command, capture_output=True, text=True, env=os.environ | LEAN)
    if finished.returncode:
        raise SystemExit(finished.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, finished.stdout


if __name__ == "__main__":
    main()
