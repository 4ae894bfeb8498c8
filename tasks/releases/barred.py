"""Recordings that were taken down and must not come back as a remux, a re-encoding or a part of another film.

Of each clip no more is kept than what a copy is recognised by: the movement of the face, or, of one that hardly moves,
the fingerprint of its sound. Nobody can be seen in the one or heard in the other.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.policy import OWN_SOUND_SCORE
from heterodub.schemas.tables import CLIPS
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.tombstones import PRINTS, Print
from heterodub.tasks.stores.workspace import Workspace

from .near_duplicates import find_near_copies
from .recordings import MIN_MOTION, MIN_MOTION_FRAMES, MIN_SOUND_FRAMES, SIGNALS

_READ: Final = ("clip_id", "media_id", "frames", "picture_hash", "sound_hash", "face_motion", "av_sync_score")


def prints_of(clips: pa.Table) -> Iterator[Print]:
    """Fingerprints of clips with columns sound_hash, face_motion and av_sync_score; nothing of one that has neither a
    moving face nor a sound that is the face's own.
    """
    for row in clips.to_pylist():
        track = np.frombuffer(row["face_motion"], np.int8).astype(float)
        frames = len(track) // SIGNALS
        if frames >= MIN_MOTION_FRAMES and (track**2).sum() >= MIN_MOTION**2 * frames:
            yield "motion", b64encode(row["face_motion"]).decode()
        elif len(row["sound_hash"]) >= 4 * MIN_SOUND_FRAMES and (row["av_sync_score"] or 0) >= OWN_SOUND_SCORE:
            yield "sound", b64encode(row["sound_hash"]).decode()


@dataclass(frozen=True, slots=True)
class Barred:
    """The recordings that are barred, as clips of which little is known; takedown: whose each is, by clip_id."""

    clips: pa.Table
    takedown: dict[str, str]

    @classmethod
    def standing(cls, ws: Workspace) -> Self:
        """Those of all takedowns of a workspace."""
        prints = pc.field("kind").isin(PRINTS)
        rows = tables.read_any(ws, "tombstones", ["takedown", "kind", "mark"], prints).to_pylist()
        clips, whose = [], {}
        for number, row in enumerate(rows):
            name, mark = f"barred {number}", b64decode(row["mark"])
            blank = {"clip_id": name, "media_id": "barred", "picture_hash": b"", "sound_hash": b"", "face_motion": b""}
            hashes = {"face_motion" if row["kind"] == "motion" else "sound_hash": mark}
            clips.append(blank | hashes | {"frames": len(mark) // 4, "av_sync_score": OWN_SOUND_SCORE})
            whose[name] = row["takedown"]
        return cls(pa.Table.from_pylist(clips, schema=_schema()), whose)

    def takedown_of(self, clips: pa.Table) -> str | None:
        """The takedown that bars one of the clips of a file; None where they may come in."""
        if not self.clips.num_rows or not clips.num_rows:
            return None
        pairs = find_near_copies(pa.concat_tables([self.clips, clips.select(_READ).cast(_schema())])).pairs
        copies = pairs[pairs["copy"]]
        matches = {*copies["a"], *copies["b"]} & self.takedown.keys()
        return self.takedown[min(matches)] if matches else None


def _schema() -> pa.Schema:
    return pa.schema([CLIPS.field(name) for name in _READ])
