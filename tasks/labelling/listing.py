"""Standing labels as plain rows."""

from typing import Any, Final

from heterodub.schemas.policy import Policy
from heterodub.tasks.labelling.applied import label_effects
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.labels import read_labels
from heterodub.tasks.stores.workspace import Workspace

COLUMNS: Final = ("clip", "stage", "verdict", "reason", "by", "draw", "created_utc", "effect", "uri")


def list_labels(ws: Workspace, policy: Policy) -> list[dict[str, Any]]:
    """List rows of COLUMNS, by clip and stage. effect: of applied.LabelEffect. uri: None without a clip.

    Raises: WorkspaceError - a table cannot be read.
    """
    effects = label_effects(ws, policy)
    uris = {row["clip_id"]: row["uri"] for row in tables.read_any(ws, "clips", ["clip_id", "uri"]).to_pylist()}
    return [
        {
            "clip": label.clip_id,
            "stage": str(label.stage),
            "verdict": "keep" if label.keep else "refuse",
            "reason": label.reason,
            "by": label.by,
            "draw": label.draw,
            "created_utc": label.created_utc,
            "effect": effects[key].value,
            "uri": uris.get(label.clip_id),
        }
        for key, label in read_labels(ws).items()
    ]
