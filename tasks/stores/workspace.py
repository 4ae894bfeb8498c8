"""The workspace: one root, local or remote, under which every table, document and scratch file lives."""

import contextlib
import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pyarrow.fs

from heterodub.schemas.addresses import without_password
from heterodub.schemas.errors import WorkspaceError
from heterodub.schemas.tables import LAYOUT_VERSION, TABLES

from .remote import STORES, as_os_errors, local_store, open_store

MARKER: Final = "heterodub.json"
"""File that makes a folder a workspace; holds the layout version."""

TRACKING: Final = "mlflow"
"""Folder of a local workspace that holds runs and models, unless the settings name a server."""

STANDBY: Final = "standby"
"""Folder of lines that are being filled, each with tables of its own, beside the ones in use."""

LINE_TABLES: Final = ("stage1", "stage2", "embeddings", "near_pairs", "clips", "catalog")
"""Tables that each line has for itself, in the order in which they are switched: the catalog says what is stored."""

_FLAT: Final = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"})

LEFT_BEHIND_S: Final = 24 * 3600.0
"""Age from which scratch files belong to no run that is still going."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """An opened workspace. `root` is an absolute local path or a place in a store, without a slash at its end.

    Small enough to travel to workers; it holds no open connection. Credentials of object stores come from the
    usual AWS_* variables, which both fsspec and Delta read by themselves.

    line: extractor whose tables are meant, where these stand by until they are whole; empty: the tables in use.
    """

    root: str
    line: str = ""

    @classmethod
    def open(cls, root: str, create: bool = False) -> "Workspace":
        """Open the workspace at `root`; with `create`, make an empty or missing folder into one.

        Raises: WorkspaceError - there is none, the folder belongs to something else, its layout is of another
        version, or it cannot be read or written.
        """
        workspace = cls(_normal(root))
        with _reached(workspace):
            if not _is_marked(workspace):
                _mark(workspace, create)
        return workspace

    @classmethod
    def to_be(cls, root: str) -> "Workspace | None":
        """Return the workspace at `root` if it is there, None if it could be made there. Creates nothing.

        Raises: WorkspaceError - neither: the folder belongs to something else, cannot be written to, or see `open`.
        """
        workspace = cls(_normal(root))
        with _reached(workspace):
            is_there = _is_marked(workspace)
        if workspace.is_local and (trouble := trouble_with_folder(Path(workspace.root))):
            raise WorkspaceError(f"workspace {workspace.root}: {trouble}")
        return workspace if is_there else None

    @property
    def is_local(self) -> bool:
        """True if the workspace is a folder of this machine."""
        return "://" not in self.root

    def filesystem(self) -> Any:
        """Return the fsspec file system that holds the workspace; its paths come from `path`."""
        return local_store() if self.is_local else open_store(self.root)[0]

    def arrow_filesystem(self) -> Any:
        """Return the same for pyarrow. Never deltalake's own: see tasks/stores/delta.py."""
        return pyarrow.fs.LocalFileSystem() if self.is_local else self.filesystem()

    def path(self, *parts: str) -> str:
        """Return the path of something in the workspace, as its file system wants it."""
        base = self.root if self.is_local else open_store(self.root)[1]
        return "/".join((base.rstrip("/"), *self._of_line(parts)))

    def table_uri(self, name: str) -> str:
        """URI of the Delta table `name`; other tools can open it there."""
        return "/".join((self.root, *self._of_line((name,))))

    def of_line(self, extractor: str) -> "Workspace":
        """Return the same workspace with the tables of a line that stands by; of an empty name, with those in use."""
        return replace(self, line=extractor)

    def _of_line(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        is_of_line = self.line and parts and parts[0] in LINE_TABLES
        return (STANDBY, self.line, *parts) if is_of_line else parts

    def folder(self, name: str) -> str:
        """Return the folder for documents and reports, made if missing."""
        path = self.path(name)
        if not self._is_flat:
            self.filesystem().makedirs(path, exist_ok=True)
        return path

    @property
    def _is_flat(self) -> bool:
        """True if the store has keys but no folders; there, making one would make a bucket of a mistyped name."""
        return self.root.partition("://")[0] in _FLAT and not self.is_local

    @property
    def storage_options(self) -> dict[str, str] | None:
        """Options of Delta beyond the AWS_* variables."""
        return None if self.is_local else {"allow_http": "true"}  # an http:// endpoint is named deliberately

    def scratch(self) -> Path:
        """Return the local folder for unfinished files, made if missing.

        In a local workspace it lies inside, so that a finished file is moved to its place in one step.

        Raises: WorkspaceError - what stands under its name is a link or another user's: files are deleted there.
        """
        if self.is_local:
            place = Path(self.root) / "scratch"
        else:
            mark = hashlib.sha256(f"{os.getuid()} {self.root}".encode()).hexdigest()[:12]
            place = Path(tempfile.gettempdir()) / f"heterodub-{mark}"
        place.mkdir(mode=0o777 if self.is_local else 0o700, parents=True, exist_ok=True)
        facts = place.lstat()
        if not stat.S_ISDIR(facts.st_mode) or not (self.is_local or facts.st_uid == os.getuid()):
            raise WorkspaceError(
                f"{place} is not a folder of this user; remove it, for unfinished files are kept there"
            )
        return place

    def sweep_scratch(self, older_than_s: float = LEFT_BEHIND_S) -> int:
        """Delete unfinished files that killed workers left behind, by age in seconds; returns how many."""
        swept = 0
        for path in self.scratch().iterdir():
            with contextlib.suppress(FileNotFoundError):  # another run finished it
                facts = path.lstat()
                if stat.S_ISREG(facts.st_mode) and time.time() - facts.st_mtime > older_than_s:  # folders are Dask's
                    path.unlink()
                    swept += 1
        return swept


def _normal(root: str) -> str:
    if root.startswith("file://"):
        root = unquote(urlsplit(root).path)
    if "://" in root:
        if root.partition("://")[0] not in STORES:
            kinds = ", ".join(f"{scheme}://" for scheme in STORES if scheme != "memory")
            raise WorkspaceError(f"workspace {without_password(root)}: a workspace is a folder, or begins with {kinds}")
        return root.rstrip("/")
    if "%" in root:  # delta-rs decodes percent signs of local paths, and then writes beside the folder it was given
        raise WorkspaceError(f"workspace {root}: a path with '%' cannot hold Delta tables; choose another folder")
    return str(Path(root).expanduser().absolute())


def new_file(folder: Path, suffix: str) -> Path:
    """A new empty file under a name of its own. Who may read it is for the user's umask to say, as of any other file;
    not tempfile's, which none but the user may.
    """
    path = folder / f"{uuid4().hex}{suffix}"
    path.touch(exist_ok=False)
    return path


def trouble_with_folder(folder: Path) -> str | None:
    """Return why nothing can be written into a local folder, which need not exist yet; None if something can."""
    there = next((path for path in (folder, *folder.absolute().parents) if path.exists()), Path("/"))
    if not there.is_dir():
        return f"{there} is a file, not a folder"
    return None if os.access(there, os.W_OK | os.X_OK) else f"{there} cannot be written to"


@contextlib.contextmanager
def _reached(workspace: Workspace) -> Iterator[None]:
    """Turn errors on the way to a workspace into a WorkspaceError."""
    try:
        with as_os_errors():
            yield
    except OSError as error:
        raise WorkspaceError(f"workspace {workspace.root}: {error.strerror or error}") from error
    except (ImportError, ValueError) as error:  # no package for this kind of address, or an invalid name
        raise WorkspaceError(f"workspace {workspace.root} cannot be reached: {error}") from error


def _is_marked(workspace: Workspace) -> bool:
    """Return True if a workspace is there, False if one can be made. Raises: WorkspaceError - neither."""
    root, files = workspace.root, workspace.filesystem()
    marker = workspace.path(MARKER)
    if files.exists(marker):
        _check_layout(root, files.cat_file(marker))
        return True
    entries = _entries(workspace)
    if MARKER in entries or files.exists(marker):  # another run is making the workspace, and begins with this file
        _check_layout(root, files.cat_file(marker))
        return True
    if entries - {*TABLES, "scratch", TRACKING}:
        raise WorkspaceError(f"{root} holds other files and no {MARKER}: not a workspace; name an empty or new folder")
    return False


def _mark(workspace: Workspace, create: bool) -> None:
    if not create:
        raise WorkspaceError(f"there is no workspace at {workspace.root}: make one with `heterodub ingest SOURCE`")
    if workspace.is_local:  # faces and voices: others are let in by who owns them, with chmod
        Path(workspace.root).mkdir(mode=0o700, parents=True, exist_ok=True)
    workspace.folder("")
    marker = workspace.path(MARKER)
    workspace.filesystem().pipe_file(marker, (json.dumps({"layout_version": LAYOUT_VERSION}) + "\n").encode())


def _entries(workspace: Workspace) -> set[str]:
    try:
        listing = workspace.filesystem().ls(workspace.path(), detail=False)
    except FileNotFoundError:
        return set()
    return {str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in listing}


def layout_of(root: str) -> tuple[Workspace, int]:
    """Return the workspace at `root`, whatever its layout is, and the layout.

    Raises: WorkspaceError - there is none, or it cannot be read.
    """
    workspace = Workspace(_normal(root))
    with _reached(workspace):
        files, marker = workspace.filesystem(), workspace.path(MARKER)
        if not files.exists(marker):
            raise WorkspaceError(f"there is no workspace at {workspace.root}")
        return workspace, _layout(workspace.root, files.cat_file(marker))


def _layout(root: str, marker: bytes) -> int:
    try:
        layout = int(json.loads(marker)["layout_version"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise WorkspaceError(f"{root}/{MARKER} is damaged ({error}); it should hold a layout_version") from error
    return layout


def _check_layout(root: str, marker: bytes) -> None:
    layout = _layout(root, marker)
    if layout != LAYOUT_VERSION:
        remedy = (
            f"`heterodub migrate -w {root}` changes it, and with --dry-run says how"
            if layout < LAYOUT_VERSION
            else "a newer one made it, and `heterodub migrate` goes no way back: use that one"
        )
        raise WorkspaceError(
            f"workspace {root} has layout {layout}, this heterodub reads layout {LAYOUT_VERSION}: {remedy}"
        )
