"""Files that somebody asks for under a name (`-o`): what is there is replaced only if it is ours, and of that kind."""

from pathlib import Path
from typing import Final

from heterodub.schemas.errors import WorkspaceError

TABLE_HEADER: Final = ("source", "row", "score", "mean", "low", "high", "speakers")
"""Columns of a table's CSV, by which it is known."""

TABLE_ENDS: Final = (".md", ".csv", ".png")
"""Files that a table is written as."""

AUDIT_PAGE: Final = "audit.html"
"""Name of the page about an audit, in the folder `audit` of a workspace."""

_HEAD_BYTES: Final = 4096


def page_mark(kind: str) -> str:
    """Mark in the head of every page of a kind that we write: "report", "trend", "study"."""
    return f'<meta name="generator" content="heterodub {kind}">'


def require_own_page(path: Path, kind: str) -> None:
    """Refuse to replace what is no page of that kind.

    Raises: WorkspaceError - something else is there.
    """
    if not _is_free(path) and page_mark(kind).encode() not in _head(path):
        raise _foreign(path, f"{kind} of heterodub")


def require_own_table(folder: Path, name: str) -> None:
    """Refuse to replace what is no table of that name: its CSV says whose its other files are.

    Raises: WorkspaceError - something else is there.
    """
    paths = [folder / f"{name}{end}" for end in TABLE_ENDS]
    is_ours = _head(folder / f"{name}.csv").startswith(",".join(TABLE_HEADER).encode())
    for path in paths:
        if not _is_free(path) and not (is_ours and path.is_file()):
            raise _foreign(path, "table of heterodub")


def _is_free(path: Path) -> bool:
    """Return True if writing under a name would lose nothing."""
    return not path.exists() or (path.is_file() and not path.stat().st_size)


def _head(path: Path) -> bytes:
    if not path.is_file():  # a pipe would be waited for
        return b""
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def _foreign(path: Path, what: str) -> WorkspaceError:
    return WorkspaceError(f"{path} is there and is no {what}: name another, or remove it first")
