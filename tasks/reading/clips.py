"""Rows of a release's clips, with the labels of their files."""

from typing import Final

import pyarrow as pa

from heterodub.schemas.reasons import Stage
from heterodub.tasks.releases import releases
from heterodub.tasks.releases.releases import Release
from heterodub.tasks.stores.workspace import Workspace

LABELS: Final = ("language", "offset_s", "picture_stream", "sound_stream")
"""Columns of `catalog` that belong to each clip of a file: labels, and which streams were read."""


def labelled_clips(workspace: Workspace, release: Release, stage: Stage, split: str | None) -> pa.Table:
    """Return the rows of `clips` of a stage and split, by id, as published, with the labels of their files behind.

    Raises: NotFoundError - a file of the release is gone. WorkspaceError - a table cannot be read.
    """
    clips = releases.release_clips(workspace, release, stage, split).sort_by("clip_id")
    catalog = releases.read_table(workspace, release, "catalog", ["uri", *LABELS])
    at = {uri: number for number, uri in enumerate(catalog["uri"].to_pylist())}
    rows = catalog.take(pa.array([at.get(uri) for uri in clips["uri"].to_pylist()], pa.int64()))
    for name in LABELS:
        clips = clips.append_column(catalog.schema.field(name).with_nullable(True), rows[name])
    return clips
