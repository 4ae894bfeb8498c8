"""One way in for what strangers hand in."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from heterodub.schemas.errors import HeterodubError, MediaRefusedError
from tests.fuzz.mutations import damaged

OWN: Final = (HeterodubError, MediaRefusedError)


@dataclass(frozen=True)
class FuzzTarget:
    """One way in. make: writes a sound input into a folder. take: reads what lies there then. files: which of them are
    damaged. raises: errors that are a refusal here. draws: a file "draw" says how `take` changes arrays of its own.
    """

    make: Callable[[Path], object]
    take: Callable[[Path], object]
    files: str = "*"
    raises: tuple[type[Exception], ...] = OWN
    draws: bool = False

    def damage(self, folder: Path, chance: random.Random) -> None:
        """Damage one file of the input."""
        path = chance.choice(sorted(path for path in folder.glob(self.files) if path.is_file()))
        path.write_bytes(damaged(path.read_bytes(), chance))


def text(name: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content)
