"""Messages to a worker and back. Light: drivers and workers import this, not the decoders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Final

import pyarrow as pa
from pydantic import PlainValidator

from heterodub.schemas.reasons import Stage
from heterodub.schemas.records import WHOLE_FILM, FileOutcome, FilmSegment, MediaFacts, RawFile
from heterodub.schemas.tables import CLIPS, EMBEDDINGS
from heterodub.tasks.ingestion.messages import plain
from heterodub.tasks.stores.parts import PartFile


@dataclass(frozen=True, slots=True)
class Admission:
    """Payload that is wanted of one known clip, and by how many frames its sound is moved earlier."""

    stage1: bool
    stage2: bool
    shift_frames: int


@dataclass(frozen=True, slots=True)
class FileJob:
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
    segment: FilmSegment = WHOLE_FILM
    """Part of the film to work on."""
    labels: Mapping[str, Mapping[Stage, bool]] = field(default_factory=dict)
    """Labels of people on its clips, by clip id: a file that is measured anew keeps them."""
    licence: str | None = None
    consent: str | None = None
    purpose: str | None = None
    line: str = ""
    """Line that its payload belongs to, if it is one that stands by."""


@dataclass(frozen=True, slots=True)
class Identification:
    """Files to be read for the sha256 of their bytes, one after the other."""

    files: tuple[RawFile, ...]


@dataclass(frozen=True, slots=True)
class Cutting:
    """A film to be cut into segments, at most so many, of at least so many seconds each."""

    job: FileJob
    most: int
    least_s: float


@plain.register
def _(value: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, value.schema) as stream:
        stream.write_table(value)
    return bytes(sink.getvalue().to_pybytes())


def _rows(schema: pa.Schema, value: Any) -> pa.Table:
    """Rows of a table from the bytes that a child made of them, whose offsets and lengths are not believed."""
    if isinstance(value, pa.Table):
        return value
    try:
        with pa.ipc.open_stream(value) as stream:
            table = stream.read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, TypeError) as error:
        raise ValueError(f"rows that cannot be read: {error}") from error
    if not table.schema.equals(schema):
        raise ValueError("rows with other columns")
    return table


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """Result of one file, or of one segment of a film. `clips`, `embeddings`: rows of these tables. `parts` are in
    the store's folder, and are added by who put them there.
    """

    outcome: FileOutcome
    facts: MediaFacts | None
    clips: Annotated[pa.Table, PlainValidator(partial(_rows, CLIPS))]
    media_s: float
    dropped_s: float
    picture_notes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Notes of the outcome with numbers that are added up over segments; see heterodub.tasks.media.frame_converter."""
    parts: Mapping[str, PartFile] = field(default_factory=dict)
    embeddings: Annotated[pa.Table, PlainValidator(partial(_rows, EMBEDDINGS))] = field(
        default_factory=EMBEDDINGS.empty_table
    )


_SAID_BY_JOB: Final = ("media_id", "corpus", "speaker", "licence", "consent", "purpose")


def require_own(analysis: Analysis, job: FileJob) -> None:
    """See that the clips are those of the job: who analysed it may be in other hands since.

    Raises: ValueError - they are of other media.
    """
    for name in _SAID_BY_JOB:
        if set(analysis.clips[name].to_pylist()) - {getattr(job, name)}:
            raise ValueError(f"clips of another {name}")
    if set(analysis.embeddings["media_id"].to_pylist()) - {job.media_id}:
        raise ValueError("embeddings of another media_id")
