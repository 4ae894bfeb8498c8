"""Takes damaged inputs, one after the other, and says what became of each: `python -m tests.fuzz.child`.

What it does besides is watched: files opened for writing elsewhere, connections, new processes.
"""

import json
import os
import random
import resource
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tests.fuzz.target import FuzzTarget
from tests.fuzz.targets import targets

_MEMORY: Final = 6 << 30
"""Bytes of address space: a claim of more ends in a MemoryError, as under the limits of the program itself."""

_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_ELSEWHERE: Final = (
    "socket.connect",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
)
_MOVES: Final = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod")


class Watch:
    """Notes what a target does that reading an input does not need. An audit hook stays, so it is put to rest."""

    def __init__(self, home: Path) -> None:
        self._home, self.seen, self.awake = os.path.realpath(home), list[str](), False
        sys.addaudithook(self._hook)

    def _hook(self, event: str, given: tuple[Any, ...]) -> None:
        if not self.awake:
            return
        if event in _ELSEWHERE:
            self.seen.append(f"{event} {given[-1] if event == 'socket.connect' else given[0]!r}")
        elif event in _MOVES and not self._inside(given[0]):
            self.seen.append(f"{event} {given[0]!r}")
        elif event == "open" and (given[2] or 0) & _WRITES and not self._inside(given[0]):
            self.seen.append(f"write {given[0]!r}")

    def _inside(self, path: Any) -> bool:
        if isinstance(path, int) or path is None:
            return True
        real = os.path.realpath(os.fsdecode(path))
        return real.startswith((self._home + os.sep, "/dev/")) or real == self._home


def renew(target: FuzzTarget, folder: Path) -> None:
    """Put a target's sound input into a folder, in place of what lay there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    target.make(folder)


def damage(target: FuzzTarget, name: str, seed: str, number: int, folder: Path) -> None:
    """Make the input of that number. The same words give the same input."""
    renew(target, folder)
    chance = random.Random(f"{seed} {name} {number}")
    if target.draws:
        (folder / "draw").write_text(str(chance.random()))
    else:
        target.damage(folder, chance)


def take(target: FuzzTarget, folder: Path, watch: Watch) -> dict[str, str]:
    """Return the outcome of an input: a result, a refusal, or something else."""
    watch.seen.clear()
    watch.awake = True
    try:
        target.take(folder)
        outcome = {"outcome": "result", "what": ""}
    except target.raises as error:
        outcome = {"outcome": "refused", "what": f"{type(error).__name__}: {error}"[:300]}
    except BaseException as error:  # noqa: BLE001 - that is what is looked for
        outcome = {"outcome": type(error).__name__, "what": traceback.format_exc()[-3000:]}
    finally:
        watch.awake = False
    if watch.seen:
        outcome = {"outcome": "reached out", "what": "; ".join(watch.seen[:5])}
    return outcome


def outcomes(home: Path, seed: str, work: Sequence[tuple[str, int, int]]) -> Iterator[dict[str, Any]]:
    """Each input as it begins, by target and number, then what became of it. All lies in `home`.

    Raises: RuntimeError - a target does not take its own undamaged input, so what is found there says nothing.
    """
    (home / "sound").mkdir(exist_ok=True)
    all_targets, watch, place = targets(home / "sound"), Watch(home), home / "input"
    for name, first, last in work:
        target = all_targets[name]
        renew(target, place)
        if (result := take(target, place, watch))[
            "outcome"
        ] == "refused" and not target.draws:  # imports what is imported late, too
            raise RuntimeError(f"{name}: {result}")
        for number in range(first, last):
            damage(target, name, seed, number, place)
            yield {"target": name, "number": number}
            yield take(target, place, watch)


def main(home: Path, seed: str, work: list[tuple[str, int, int]]) -> None:
    """Print a line of JSON for each step."""
    (home / "tmp").mkdir(exist_ok=True)
    tempfile.tempdir = str(home / "tmp")
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    for step in outcomes(home, seed, work):
        print(json.dumps(step), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))
