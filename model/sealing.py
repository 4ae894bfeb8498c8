"""A seal over a model's folder: the sha256 of every file, so that no other or damaged file passes for it."""

import hashlib
import json
from pathlib import Path
from typing import Final

from schemas.errors import ModelFileError

SEAL: Final = "seal.json"


def file_hashes(folder: Path) -> dict[str, str]:
    """sha256 in hex of every file in a folder but the seal, by name; memory stays small.

    Raises: OSError - a file cannot be read.
    """
    hashes = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name != SEAL:
            with path.open("rb") as file:
                hashes[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes


def seal(folder: Path) -> dict[str, str]:
    """Write the seal, and return the hashes in it.

    Raises: OSError - a file cannot be read, or the folder cannot be written.
    """
    hashes = file_hashes(folder)
    (folder / SEAL).write_text(json.dumps(hashes, indent=2) + "\n")
    return hashes


def check_seal(folder: Path, expected: dict[str, str] | None = None) -> None:
    """Hold a folder against hashes: those of its seal, and the `expected` ones, which were kept elsewhere.

    Raises: ModelFileError - a file is missing or damaged, was swapped or added, or there is no seal.
    """
    try:
        told, found = json.loads((folder / SEAL).read_text()), file_hashes(folder)
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{folder} cannot be held against its seal: {error}") from error
    for promised in (told, told | (expected or {})):
        wrong = [name for name in sorted({*promised, *found}) if promised.get(name) != found.get(name)]
        if wrong:
            raise ModelFileError(
                f"{folder}: {', '.join(wrong)} is not what was logged (sha256 differs): damaged or swapped"
            )
