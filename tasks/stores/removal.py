"""The one way in which files and folders of a workspace are deleted: below a folder of one's own, past no link.

A workspace may be a copy with links into the one it was copied from, or come from a stranger.
"""

import shutil
from pathlib import Path

from heterodub.schemas.errors import WorkspaceError

from .workspace import Workspace


def remove(ws: Workspace, *parts: str) -> None:
    """Delete a file or a folder of the workspace, with all that is in it. A table's own folder may be a link, whose
    log then lies there, too.

    Raises: WorkspaceError - it is a link, or leads out of its folder. FileNotFoundError.
    """
    if ws.is_local:
        path = Path(ws.path(*parts))
        remove_below(path.parent, path)
    else:
        ws.filesystem().rm(ws.path(*parts), recursive=True)


def remove_below(root: Path, path: Path) -> None:
    """Delete a file or a folder that lies somewhere in the folder `root`.

    Raises: WorkspaceError - it does not lie there. FileNotFoundError.
    """
    require_below(root, path)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def require_below(root: Path, path: Path) -> None:
    """Refuse a path that does not lie in the folder `root`, once links are followed, or is a link itself.

    Raises: WorkspaceError - the text says where it leads.
    """
    real, place = path.resolve(), root.resolve()
    if real == place or not real.is_relative_to(place) or path.is_symlink():
        raise WorkspaceError(
            f"{path} leads to {real}, which is not deleted from here: only what lies in {place} itself is. Put it "
            "there in the place of the link (or mount it), or delete it by hand where it lies"
        )
