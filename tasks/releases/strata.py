"""Strata of a release's clips, as they were published."""

from collections.abc import Collection
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.strata import FACTORS, ClipStrata, strata_of
from heterodub.tasks.stores.workspace import Workspace

from .releases import Release, read_table

_LANGUAGE: Final = "language"
"""The one column of a factor that `catalog` holds; the others stand in `clips`."""


def clip_strata(ws: Workspace, release: Release, clip_ids: Collection[str]) -> ClipStrata:
    """Return the strata of clips by id; those that the release does not hold are missing.

    Raises: NotFoundError - a file of the release is gone. WorkspaceError - a table cannot be read.
    """
    columns = ["clip_id", "uri", *(factor.column for factor in FACTORS if factor.column != _LANGUAGE)]
    clips = read_table(ws, release, "clips", columns, pc.field("clip_id").isin(pa.array(clip_ids, pa.string())))
    files = read_table(ws, release, "catalog", ["uri", _LANGUAGE], pc.field("uri").isin(pc.unique(clips["uri"])))
    languages = dict(zip(files["uri"].to_pylist(), files[_LANGUAGE].to_pylist(), strict=True))
    return {row["clip_id"]: strata_of(row | {_LANGUAGE: languages.get(row["uri"])}) for row in clips.to_pylist()}
