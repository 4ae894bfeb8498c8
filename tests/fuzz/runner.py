"""Puts inputs through a target in a child process, which may crash or hang, and collects wrong outcomes."""

import json
import os
import select
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

LIMIT_S: Final = 20.0
"""An input that takes longer hangs. Most take milliseconds."""

_START_S: Final = 300.0
"""For imports and sound inputs, on a busy machine."""

_ALLOWED: Final = ("result", "refused")

ROOT: Final = Path(__file__).parents[2]

Work = tuple[str, int, int]
"""A target, and the numbers of its first input and of the one behind its last."""


@dataclass(frozen=True)
class FuzzFinding:
    """Outcome of one input; target, seed and number reproduce it."""

    target: str
    seed: str
    number: int
    outcome: str
    what: str

    def __str__(self) -> str:
        last = self.what.strip().splitlines()[-1] if self.what.strip() else ""
        return f"{self.target}, seed {self.seed}, input {self.number}: {self.outcome}: {last}"


@dataclass
class TargetReport:
    """Counts of the outcomes of a target's inputs."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[FuzzFinding] = field(default_factory=list)

    def add(self, one: FuzzFinding) -> None:
        """Count an input, and keep it where it did not end as it should."""
        self.counts[one.outcome if one.outcome in _ALLOWED else "found"] += 1
        if one.outcome not in _ALLOWED:
            self.findings.append(one)


def fuzz(home: Path, names: Sequence[str], seed: str, first: int, last: int) -> dict[str, TargetReport]:
    """Put inputs through targets; those that kill or hang the child cost it alone, and a new one continues."""
    reports = {name: TargetReport() for name in names}
    (home / "outside").mkdir(parents=True, exist_ok=True)
    (home / "inside").mkdir(exist_ok=True)
    (home / "outside" / "kept").write_text("kept")
    todo = [(name, first, last) for name in names]
    while todo:
        todo = _some(home, seed, todo, reports)
    return reports


def _some(home: Path, seed: str, todo: list[Work], reports: dict[str, TargetReport]) -> list[Work]:
    """One child's inputs; returns what is left to do."""
    words = [sys.executable, "-B", "-m", "tests.fuzz.child", str(home / "inside"), seed, json.dumps(todo)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as child:
        begun: tuple[str, int] | None = None
        for result in _lines(child, home):
            if result is None:
                child.kill()
                child.wait()
                if begun is None:
                    raise RuntimeError(f"no input was reached: {(home / 'errors').read_text()[-3000:]}")
                target, number = begun
                reports[target].add(FuzzFinding(target, seed, number, "crash or hang", f"exit code {child.returncode}"))
                left = [one[0] for one in todo].index(target)
                return [(target, number + 1, todo[left][2]), *todo[left + 1 :]]
            if "target" in result:
                begun = result["target"], result["number"]
            elif begun:
                reports[begun[0]].add(FuzzFinding(*begun[:1], seed, begun[1], result["outcome"], result["what"]))
                if elsewhere := _elsewhere(home):
                    reports[begun[0]].add(FuzzFinding(*begun[:1], seed, begun[1], "wrote elsewhere", elsewhere))
    return []


def _elsewhere(home: Path) -> str:
    """Files beside the folder that inputs lie in; empty where there are none but ours."""
    result = {str(path.relative_to(home)) for one in ("", "outside") for path in (home / one).iterdir()}
    return ", ".join(sorted(result - {"errors", "inside", "outside", "outside/kept"}))


def _lines(child: subprocess.Popen[bytes], home: Path) -> Iterator[dict[str, Any] | None]:
    """Yield the child's lines; None once it is silent for too long or has died. Ends where it ends well."""
    assert child.stdout
    assert child.stderr
    limit, rest, errors = _START_S, b"", (home / "errors").open("wb")
    with errors:
        streams = [child.stdout, child.stderr]
        while True:
            ready = select.select(streams, [], [], limit)[0]
            if not ready:
                yield None
                return
            if child.stderr in ready:
                part = os.read(child.stderr.fileno(), 65536)
                errors.write(part[-65536:])
                errors.flush()
                if not part:
                    streams.remove(child.stderr)
            if child.stdout in ready:
                part = os.read(child.stdout.fileno(), 65536)
                if not part:
                    if child.wait() != 0:
                        yield None
                    return
                *lines, rest = (rest + part).split(b"\n")
                for line in lines:
                    limit = LIMIT_S
                    yield json.loads(line)


def keep(finding: FuzzFinding, folder: Path) -> Path:
    """Make a finding's input again and keep it, with what was found."""
    from tests.fuzz.child import damage
    from tests.fuzz.targets import targets

    place = folder / f"{finding.target.replace(' ', '-')}-{finding.seed}-{finding.number}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    (folder / "sound").mkdir(exist_ok=True)
    damage(targets(folder / "sound")[finding.target], finding.target, finding.seed, finding.number, place / "input")
    (place / "found.txt").write_text(f"{finding}\n\n{finding.what}\n")
    return place
