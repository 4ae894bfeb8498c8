"""Drawn people for tests: faces of 128 numbers, as near each other as real ones are, and rows that show them."""

from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from heterodub.schemas.config.sections import SplitSettings
from heterodub.schemas.tables import EMBEDDINGS
from heterodub.tasks.releases.publishing import assign
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.stores import sample_rows as sample

NUMBERS = 128


def person(seed: int) -> np.ndarray:
    """A face some 0.8 away from all others."""
    drawn = np.random.default_rng(seed).normal(size=NUMBERS)
    return 0.57 * drawn / np.linalg.norm(drawn)


def look(face: np.ndarray, seed: int, spread: float = 0.2) -> np.ndarray:
    """One look at a face: two are some 1.4 x spread apart."""
    drawn = np.random.default_rng([7, seed]).normal(size=NUMBERS)
    return face + spread * drawn / np.linalg.norm(drawn)


Rows = tuple[list[dict[str, Any]], list[dict[str, Any]]]
"""Those of `clips`, and those of `embeddings`."""


def rows_of(media: int, *faces: np.ndarray | None, number: int = 0, voice: Any = None, **changes: Any) -> Rows:
    """Rows of a file whose clips show these faces, all at once; None: one that was not measured."""
    rows, embeddings = [], []
    for place, face in enumerate(faces, number):
        stated = changes.get("speaker") or f"file:{sample.media_id(media)}"
        row = sample.clip_row(media, place, split=None, split_group=None, **changes | {"speaker": stated})
        rows.append(row)
        base = {name: row[name] for name in ("clip_id", "media_id", "backend", "frames")}
        seen = {"face": None if face is None else face.tolist(), "face_frames": [0], "face_version": "drawn"}
        heard = {"voice": None if voice is None else voice.tolist(), "voice_s": 3.0, "voice_version": "drawn"}
        embeddings.append(dict.fromkeys(EMBEDDINGS.names) | base | seen | heard | {"missing": []})
    return rows, embeddings


def add_all(ws: Workspace, files: Iterable[Rows]) -> None:
    """Store files in one batch, as an ingest does: a commit for each would take longer than what is tested of them."""
    rows, embeddings = zip(*files, strict=True)
    tables.append_rows(ws, "clips", sample.clips(*chain(*rows)))
    tables.append_rows(ws, "embeddings", pa.Table.from_pylist([*chain(*embeddings)], schema=EMBEDDINGS))


def add(ws: Workspace, media: int, *faces: np.ndarray | None, **more: Any) -> None:
    """Store one file of `rows_of`."""
    add_all(ws, [rows_of(media, *faces, **more)])


def publish(ws: Workspace) -> tuple[str, ...]:
    """Divide all clips; returns the notes."""
    return assign(ws, SplitSettings(test_share=0.3)).notes


def people(ws: Workspace, column: str = "person") -> dict[tuple[int, int], str | None]:
    """Return a column of clips by number of file and clip."""
    names = {sample.clip_id(media, number): (media, number) for media in range(200) for number in range(6)}
    rows = tables.read(ws, "clips", ["clip_id", column]).to_pylist()
    return {names[row["clip_id"]]: row[column] for row in rows}
