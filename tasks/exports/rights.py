"""Rights of clips that are to leave the workspace: what a release states of them, and what is stated now."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import ClipReason, FileState
from heterodub.schemas.rights import RIGHTS, Use, checked
from heterodub.tasks.releases import releases
from heterodub.tasks.releases.releases import Release
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

Row = Mapping[str, Any]


def with_rights_of_files(ws: Workspace, release: Release, clips: Iterable[Row]) -> list[dict[str, Any]]:
    """Return clips of a release with the rights that it states of their files, where it states none of the clips:
    those of releases before layout 7.

    Raises: NotFoundError - a file of the release is gone. WorkspaceError - a table cannot be read.
    """
    files = releases.read_table(ws, release, "catalog", ["uri", *RIGHTS]).to_pylist()
    stated = {row["uri"]: row for row in files if any(row[name] for name in RIGHTS)}
    return [{**clip, **_filled(clip, stated.get(clip["uri"], {}))} for clip in clips]


def _filled(clip: Row, file: Row) -> dict[str, str | None]:
    return {name: clip[name] or checked(name, file.get(name)) or file.get(name) for name in RIGHTS}


def export_refusals(ws: Workspace, policy: Policy, clips: Sequence[Row]) -> dict[str, tuple[ClipReason, ...]]:
    """Return, by id, the clips that may not be exported: by their own rights, or by those of their files now, for
    consent may have been withdrawn since. Files that the catalog does not know any more are not asked.

    Raises: WorkspaceError - the catalog cannot be read.
    """
    about = pc.field("media_id").isin(pa.array({clip["media_id"] for clip in clips}, pa.string()))
    about &= pc.field("state") != FileState.DUPLICATE.value
    now: dict[str, list[Row]] = {}
    for row in tables.read(ws, "catalog", ["media_id", *RIGHTS], filter=about).to_pylist():
        now.setdefault(row["media_id"], []).append(row)
    refused = {}
    for clip in clips:
        stated = (clip, *now.get(clip["media_id"], ()))
        if reasons := dict.fromkeys(reason for row in stated for reason in policy.rights.refusals(Use.EXPORT, row)):
            refused[clip["clip_id"]] = tuple(reasons)
    return refused
