"""`make fuzz`, or `python -m tests.fuzz [--seed WORD] [--inputs N] [--target NAME] [--only NUMBER]`.

Every input ends as a result or as a refusal with its reason: what raises something else, crashes, hangs, connects,
starts a process or writes elsewhere is printed with target, seed and number, and its input kept below build/fuzz. The
same words make the same input again: `--target TARGET --seed WORD --only NUMBER` is a replay.
"""

import argparse
import tempfile
from pathlib import Path

from tests.fuzz.runner import FuzzFinding, fuzz, keep

KEPT = Path("build/fuzz")
TARGETS = (
    *("probe", "manifest", "corpus", "settings", "policy", "promotion policy", "jobs", "videos", "study", "workspace"),
    *(
        "labels",
        "delta log",
        "export",
        "data sets",
        "takedown",
        "sound",
        "checkpoint",
        "checkpoint's bytes",
        "generator",
        "translator",
        "baseline",
        "seal",
        "signed film",
        "signed source",
    ),
    *("inputs of the generator", "inputs of the translator", "inputs of a baseline"),
)


def main() -> int:
    """Go through the targets; returns the exit code, 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--inputs", type=int, default=300, help="for each target")
    parser.add_argument("--target", choices=TARGETS, action="append")
    parser.add_argument("--only", type=int, help="replay the input of this number")
    given = parser.parse_args()
    first, last = (0, given.inputs) if given.only is None else (given.only, given.only + 1)
    collected: list[FuzzFinding] = []
    with tempfile.TemporaryDirectory(prefix="heterodub-fuzz-") as home:
        reports = fuzz(Path(home), given.target or TARGETS, given.seed, first, last)
    for target, report in reports.items():
        print(f"{target}: {dict(report.counts)}", flush=True)
        collected += report.findings
    for one in collected:
        print(f"  {one}\n    kept in {keep(one, KEPT)}", flush=True)
    print(f"{len(collected)} inputs ended as they should not" if collected else "every input ended as it should")
    return bool(collected)


if __name__ == "__main__":
    raise SystemExit(main())
