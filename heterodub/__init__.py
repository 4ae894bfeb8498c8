"""Sorts raw, mixed-quality footage into training data for two-stage visual dubbing, trains both stages, and dubs.

`open_workspace` reads releases from Python; see docs/python.md.

In a checkout `flows`, `model`, `schemas` and `tasks` are links to the folders beside this one.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heterodub.tasks.reading.workspace import WorkspaceReader

__all__ = ["open_workspace"]


def open_workspace(uri: str) -> "WorkspaceReader":
    """Open a workspace to read its releases: a folder, or a place in an object store such as s3://bucket/place.

    Raises: WorkspaceError - there is none at `uri`, or its layout is of another version.
    """
    from heterodub.tasks.reading import workspace  # here: logged models hold this file, and not the tasks

    return workspace.open_workspace(uri)
