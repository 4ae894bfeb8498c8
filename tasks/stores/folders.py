"""Files in the folders of tables, as the store lists them."""

from typing import Final, NamedTuple

from heterodub.schemas.display import message_of
from heterodub.schemas.errors import WorkspaceError

from .remote import as_os_errors
from .workspace import Workspace

_MARKS: Final = ("ETag", "etag", "mtime", "LastModified", "last_modified", "created")
"""Names that file systems give to the mark of a file's content, or of its last change."""


class StoredFile(NamedTuple):
    """A file in a table's folder. mark: its ETag, or time of change where there is none."""

    size_bytes: int
    mark: str


def files_in_folder(ws: Workspace, table: str) -> dict[str, StoredFile]:
    """List the data files in the table's folder as they are, whether a version names them or not; none is opened.

    Raises: WorkspaceError - the folder cannot be listed.
    """
    files = ws.filesystem()
    try:
        with as_os_errors():
            entries = files.ls(ws.path(table), detail=True) if files.exists(ws.path(table)) else []
    except OSError as error:
        raise WorkspaceError(f"table {table} of {ws.root} cannot be listed: {message_of(error)}") from error
    return {
        str(entry["name"]).rsplit("/", 1)[-1]: StoredFile(
            int(entry["size"]), str(next(filter(None, map(entry.get, _MARKS)), ""))
        )
        for entry in entries
        if str(entry["name"]).endswith(".parquet")
    }
