"""Candidates of a comparison: the models, systems and clips to score, and the scores, costs and renderings of each."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from heterodub.model.evaluation.clip_scores import ClipScores
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.promotion import ModelRule
from heterodub.tasks.releases.benchmarks import Benchmark
from heterodub.tasks.releases.releases import Release
from heterodub.tasks.stores.workspace import Workspace

if TYPE_CHECKING:
    from heterodub.model.evaluation.generator import System as SpeechSystem
    from heterodub.model.evaluation.translator import System as PictureSystem

GENERATOR_SYSTEMS: Final[tuple["SpeechSystem", ...]] = (
    "paired audio",
    "unpaired audio",
    "silent audio",
    "copy",
    "linear",
    "ground truth",
)
"""Systems that are scored, the generator itself first."""

TRANSLATOR_SYSTEMS: Final[tuple["PictureSystem", ...]] = (
    "generated",
    "copy",
    "warp",
    "nearest frame oracle",
    "ground truth",
)
"""Systems that are scored, the translator itself first."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """Rendering of one clip. pictures: PNGs by version. films: MP4s by title, the challenger's first. note: what the
    films lack, and why; else nothing.
    """

    pictures: Mapping[int, tuple[bytes, ...]]
    films: Mapping[str, bytes]
    note: str = ""


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


@dataclass(frozen=True, slots=True)
class Candidates:
    """Models to compare, and the clips and rules by which. folders: of each fetched model, by version."""

    workspace: Workspace
    settings: Settings
    release: Release
    benchmark: Benchmark
    rule: ModelRule
    folders: Mapping[int, Path]
