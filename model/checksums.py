"""Checksums of a model's folder: the sha256 of every file, against swapped, added and damaged files."""

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Final

from heterodub.schemas.display import message_of
from heterodub.schemas.errors import ModelFileError

CHECKSUMS: Final = "checksums.json"

NEVER_LOGGED: Final = ("__pycache__", "registered_model_meta")
"""Folders that Python and MLflow leave in a model's folder when it is loaded in place; never copied, one is code."""


def file_hash(path: Path) -> str:
    """Return the sha256 of a file in hex, read in blocks. Raises: OSError - it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def regular_files(folder: Path) -> list[str]:
    """List all files below a folder, as sorted relative paths with slashes, without NEVER_LOGGED.

    Raises: OSError - a folder cannot be read. ModelFileError - there is a link, a pipe or the like.
    """
    names, open_folders = [], [folder]
    while open_folders:
        for entry in os.scandir(open_folders.pop()):
            mode = entry.stat(follow_symlinks=False).st_mode
            if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
                raise ModelFileError(f"{entry.path} is a link or a special file, and no model is logged with one")
            if entry.name in NEVER_LOGGED:
                continue
            if stat.S_ISDIR(mode):
                open_folders.append(Path(entry.path))
            else:
                names.append(Path(entry.path).relative_to(folder).as_posix())
    return sorted(names)


def file_hashes(folder: Path) -> dict[str, str]:
    """Return the sha256 in hex of every file below a folder but CHECKSUMS, by relative path.

    Raises: as regular_files.
    """
    return {name: file_hash(folder / name) for name in regular_files(folder) if name != CHECKSUMS}


def write_checksums(folder: Path) -> str:
    """Write CHECKSUMS and return its own sha256, which identifies the folder's content.

    Raises: as regular_files; OSError - the folder cannot be written.
    """
    (folder / CHECKSUMS).write_text(json.dumps(file_hashes(folder), indent=2) + "\n")
    return file_hash(folder / CHECKSUMS)


def verify_checksums(folder: Path, expected: str | None = None) -> None:
    """Check a folder against its CHECKSUMS, and that file against its `expected` sha256, which was kept elsewhere.

    Raises: ModelFileError - a file is missing, damaged, swapped, added or a link, or there is no CHECKSUMS.
    """
    try:
        stated, actual = json.loads((folder / CHECKSUMS).read_bytes()), file_hashes(folder)
        is_other = expected is not None and file_hash(folder / CHECKSUMS) != expected
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFileError(f"the checksums of {folder} cannot be verified: {message_of(error)}") from error
    if not isinstance(stated, dict):
        raise ModelFileError(f"{folder / CHECKSUMS} is no mapping of files to sha256")
    wrong = [name for name in sorted({*stated, *actual}) if stated.get(name) != actual.get(name)]
    if wrong or is_other:
        raise ModelFileError(
            f"{folder}: {', '.join(wrong or [CHECKSUMS])} is not what was logged (sha256 differs): damaged or swapped"
        )
