"""Checkpoints, written atomically and read without running code.

A checkpoint is written beside its place, synced to the disk, and renamed. A training that is killed at any moment, or
whose disk fills up, keeps the previous checkpoint.
"""

from pathlib import Path
from typing import Any, Final

import torch

from heterodub.model.files import atomic_path
from heterodub.schemas.errors import TrainingError

LAST: Final = "last.pt"
"""State to resume from: model, optimiser, average, counters."""
BEST: Final = "best.pt"
"""Averaged weights with the lowest validation loss so far."""


class Checkpoints:
    """The checkpoints of one training, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, name: str, state: dict[str, Any]) -> Path:
        """Write a checkpoint, replacing the one of that name.

        Raises: TrainingError - it cannot be written; the one before is still there.
        """
        target = self.folder / name
        try:
            with atomic_path(target) as partial, partial.open("wb") as file:
                torch.save(state, file)
        except (OSError, RuntimeError) as error:  # torch's writer turns a full disk into a RuntimeError
            last = self.folder / LAST
            advice = f"training resumes from {last}, which is kept" if last.exists() else "there is no earlier one"
            raise TrainingError(f"checkpoint {target} cannot be written ({_cause(error)}); {advice}") from error
        return target

    def load(self, name: str) -> dict[str, Any] | None:
        """Read a checkpoint onto the CPU; None if there is none of that name.

        Raises: TrainingError - it cannot be read.
        """
        path = self.folder / name
        if not path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise TrainingError(f"checkpoint {path} cannot be read ({error}); delete it to start anew") from error
        return state


def _cause(error: Exception) -> str:
    first = error.__context__ if isinstance(error, RuntimeError) and isinstance(error.__context__, OSError) else error
    return str(first)
