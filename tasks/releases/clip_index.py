"""Places of a release's clips in merged payload files, by the lists of its files: no footer is read to find a clip."""

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from heterodub.tasks.stores.workspace import Workspace

from .release_files import read_listed


@dataclass(frozen=True, slots=True)
class ClipIndex:
    """Merged files, and of each clip in them, by ascending id, the number of its file and of its row group in it.

    Some 32 bytes a clip, and travels to reader processes.
    """

    names: tuple[str, ...]
    clip_ids: NDArray[np.bytes_]
    files: NDArray[np.int32]
    groups: NDArray[np.int32]

    @classmethod
    def of(cls, ws: Workspace, file_lists: tuple[str, ...], table: str) -> "ClipIndex":
        """Read the index of some lists' files.

        Raises: WorkspaceError - the table of files cannot be read.
        """
        rows = read_listed(ws, file_lists, table, ["name", "clips"], pc.field("clips").is_valid())
        lengths = pc.list_value_length(rows["clips"]).to_numpy()
        clip_ids = np.array(pc.list_flatten(rows["clips"]).to_pylist(), np.bytes_)
        order = np.argsort(clip_ids, kind="stable")
        files = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        groups = np.concatenate([np.arange(length, dtype=np.int32) for length in lengths]) if len(lengths) else files
        return cls(tuple(rows["name"].to_pylist()), clip_ids[order], files[order], groups[order])

    def find(self, clip_id: str) -> tuple[str, int] | None:
        """Return file and row group of a clip; None if it is in a file of its media alone."""
        place = int(np.searchsorted(self.clip_ids, clip_id.encode()))
        if place == len(self.clip_ids) or self.clip_ids[place] != clip_id.encode():
            return None
        return self.names[self.files[place]], int(self.groups[place])
