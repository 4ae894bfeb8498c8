"""A seal over a model's folder: the sha256 of every file, so that no other, added or damaged file passes for it."""

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Final

from schemas.errors import ModelFileError

SEAL: Final = "seal.json"

NEVER_LOGGED: Final = ("__pycache__", "registered_model_meta")
"""What Python and MLflow leave in a model's folder that is loaded where it lies; never copied, for one is code."""


def file_hash(path: Path) -> str:
    """sha256 of a file in hex; memory stays small. Raises: OSError - it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def regular_files(folder: Path) -> list[str]:
    """Every file below a folder, as sorted relative paths with slashes, without what NEVER_LOGGED names.

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
    """sha256 in hex of every file below a folder but its seal, by relative path.

    Raises: as regular_files.
    """
    return {name: file_hash(folder / name) for name in regular_files(folder) if name != SEAL}


def seal(folder: Path) -> str:
    """Write the seal, and return its own sha256, which vouches for all that is in the folder.

    Raises: as regular_files; OSError - the folder cannot be written.
    """
    (folder / SEAL).write_text(json.dumps(file_hashes(folder), indent=2) + "\n")
    return file_hash(folder / SEAL)


def check_seal(folder: Path, expected: str | None = None) -> None:
    """Hold a folder against its seal, and the seal against its `expected` sha256, which was kept elsewhere.

    Raises: ModelFileError - a file is missing, damaged, swapped, added or a link, or there is no seal.
    """
    try:
        sealed, found = json.loads((folder / SEAL).read_bytes()), file_hashes(folder)
        is_other = expected is not None and file_hash(folder / SEAL) != expected
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{folder} cannot be held against its seal: {error}") from error
    if not isinstance(sealed, dict):
        raise ModelFileError(f"{folder / SEAL} is no list of files with their sha256")
    wrong = [name for name in sorted({*sealed, *found}) if sealed.get(name) != found.get(name)]
    if wrong or is_other:
        raise ModelFileError(
            f"{folder}: {', '.join(wrong or [SEAL])} is not what was logged (sha256 differs): damaged or swapped"
        )
