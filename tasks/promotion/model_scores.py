"""What a judge hands in: every clip's scores of every candidate under every system, and what each candidate costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Direction = Literal["less", "more", "near one", "up to one"]
"""Which way a score is better: less of it, more of it, the nearer to 1, or less of it but not below 1."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One clip for people to see. pictures: PNGs by version. film: MP4 of all versions and the truth side by side."""

    pictures: Mapping[int, tuple[bytes, ...]]
    film: bytes


Drawings = Mapping[str, Drawn]
"""By clip."""


@dataclass(frozen=True, slots=True)
class SystemScores:
    """Scores of one clip by one system: the model itself or one of its controls. None: not measured."""

    clip_id: str
    speaker: str
    system: str
    scores: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class ModelScores:
    """One candidate's outcome. own: name of the system that is the model itself."""

    version: int
    own: str
    graded: tuple[SystemScores, ...]
    costs: Mapping[str, float] = field(default_factory=dict)

    def column(self, system: str, score: str, clips: Sequence[str]) -> list[float | None]:
        """A score of a system on clips, in their order; None where it was not measured."""
        known = {one.clip_id: one.scores.get(score) for one in self.graded if one.system == system}
        return [known.get(clip) for clip in clips]

    @property
    def speakers(self) -> dict[str, str]:
        """Speaker of each clip that was graded."""
        return {one.clip_id: one.speaker for one in self.graded if one.system == self.own}

    def systems(self) -> tuple[str, ...]:
        """Every system that was graded, the model itself first."""
        return tuple(dict.fromkeys((self.own, *(one.system for one in self.graded))))

    def rows(self) -> list[dict[str, Any]]:
        """A row for each clip and system, ready for JSON."""
        return [
            {"clip_id": one.clip_id, "speaker": one.speaker, "system": one.system, **one.scores} for one in self.graded
        ]
