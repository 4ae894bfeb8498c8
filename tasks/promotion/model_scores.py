"""Scores of every clip by every candidate under every system, and the costs of each candidate."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from heterodub.model.metrics.clip_scores import ClipScores

Direction = Literal["less", "more", "near one", "up to one"]
"""Direction in which a score is better: less, more, the nearer to 1, or less but not below 1."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """Rendering of one clip. pictures: PNGs by version. film: MP4 of all versions and the truth side by side."""

    pictures: Mapping[int, tuple[bytes, ...]]
    film: bytes


Renderings = Mapping[str, Rendering]
"""Renderings by clip."""


def film_bytes(write: Callable[[Path], object]) -> bytes:
    """Return the film that a function writes to a path."""
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        path = Path(scratch) / "film.mp4"
        write(path)
        return path.read_bytes()


@dataclass(frozen=True, slots=True)
class ModelScores:
    """Scores and costs of one candidate. main_system: name of the system that is the model itself."""

    version: int
    main_system: str
    clip_scores: tuple[ClipScores, ...]
    costs: Mapping[str, float] = field(default_factory=dict)

    def column(self, system: str, score: str, clips: Sequence[str]) -> list[float | None]:
        """Return a score of a system on clips, in their order; None where it was not measured."""
        values = {row.clip_id: row.metrics.get(score) for row in self.clip_scores if row.system == system}
        return [values.get(clip) for clip in clips]

    @property
    def speakers(self) -> dict[str, str]:
        """Speaker of each clip that was scored."""
        return {row.clip_id: row.speaker for row in self.clip_scores if row.system == self.main_system}

    def systems(self) -> tuple[str, ...]:
        """Return every system that was scored, the model itself first."""
        return tuple(dict.fromkeys((self.main_system, *(row.system for row in self.clip_scores))))

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each clip and system, ready for JSON."""
        return [row.row() for row in self.clip_scores]
