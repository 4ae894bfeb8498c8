"""Cells that hold JSON: names and values, in all of our tables."""

import json
from collections.abc import Mapping
from typing import Any

from heterodub.schemas.errors import WorkspaceError


def json_cell(row: Mapping[str, Any], column: str) -> dict[str, Any]:
    """Return the content of a JSON cell: all of ours hold names and values.

    Raises: WorkspaceError - it holds something else: the table was damaged, or others wrote it.
    """
    try:
        content = json.loads(row[column])
    except (ValueError, TypeError, RecursionError) as error:
        raise WorkspaceError(f"column {column} of a table is not the JSON that it should be: {error}") from error
    if not isinstance(content, dict):
        raise WorkspaceError(f"column {column} of a table is not the JSON that it should be, but {content!r:.80}")
    return content
