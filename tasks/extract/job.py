"""What goes to a worker and what comes back. Light: drivers and workers import this, not the decoders."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from schemas.records import FileOutcome, MediaFacts
from tasks.stores.parts import Part


@dataclass(frozen=True, slots=True)
class Admission:
    """What is wanted of one known clip, and by how many frames its sound is moved earlier."""

    stage1: bool
    stage2: bool
    shift_frames: int


@dataclass(frozen=True, slots=True)
class Job:
    """One file to work on. `admit` is None for a first look; else it says which payload of which clip is wanted,
    and nothing is measured again.
    """

    uri: str
    media_id: str
    size_bytes: int
    corpus: str
    speaker: str
    offset_s: float = 0.0
    admit: Mapping[str, Admission] | None = None
    suffix: str = ""
    streams: tuple[int, int | None] | None = None
    """Numbers of the picture and sound streams that its clips came from; None: they are chosen."""


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """What came out of one file. `clips` are rows of the clips table; `parts` are already in the store's folder."""

    outcome: FileOutcome
    facts: MediaFacts | None
    clips: pa.Table
    parts: Mapping[str, Part]
    media_s: float
    dropped_s: float
