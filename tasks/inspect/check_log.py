"""Check of a Delta log's own files. They are read here: Delta takes an empty one for a commit that changed nothing."""

import json
import re
from typing import Final

from heterodub.schemas.errors import WorkspaceError
from heterodub.tasks.stores.remote import as_os_errors
from heterodub.tasks.stores.workspace import Workspace

_COMMIT: Final = re.compile(r"\d{20}\.json")


def require_whole_log(ws: Workspace, table: str) -> None:
    """Hold the log's own files against what each has to be.

    Raises: WorkspaceError - a commit is missing, empty, or cut short.
    """
    files = ws.filesystem()
    with as_os_errors():
        entries = {
            str(entry["name"]).rsplit("/", 1)[-1]: entry["size"] for entry in files.ls(_log(ws, table), detail=True)
        }
    commits = {int(name.removesuffix(".json")): size for name, size in entries.items() if _COMMIT.fullmatch(name)}
    newest = max(commits, default=-1)
    missing = set(range(min(commits, default=0), newest)) - commits.keys()
    broken = sorted(missing | {number for number, size in commits.items() if not size})
    if not broken and commits and not _is_whole(files.cat_file(f"{_log(ws, table)}/{newest:020d}.json")):
        broken = [newest]
    if broken:
        raise WorkspaceError(f"commit {broken[-1]} of its log is missing, empty or cut short: what it changed is lost")


def _log(ws: Workspace, table: str) -> str:
    return ws.path(table, "_delta_log")


def _is_whole(commit: bytes) -> bool:
    """Return True if each line of a commit is one of Delta's actions, and one of them names the operation."""
    try:
        actions = [json.loads(line) for line in commit.splitlines()]
    except ValueError:
        return False
    return any("commitInfo" in action for action in actions)
