"""Models that ship in the package.

They lie beside this file, a folder for each kind, in the format of model/io.py with a MODEL_CARD.md and checksums.
Imports no network, so that commands which only name them stay light.
"""

from pathlib import Path
from typing import Final

from heterodub.model.checksums import file_hash, verify_checksums
from heterodub.schemas.cards import WEIGHTS
from heterodub.schemas.config.dubbing import BUILTIN
from heterodub.schemas.errors import ModelFileError

SHIPPED: Final = Path(__file__).parent
"""Folder that holds a folder for each kind of shipped model."""

MODEL_CARD: Final = "MODEL_CARD.md"
"""File in a shipped model's folder, for people: data, scores beside controls, limits."""


def builtin_model(kind: str, folder: Path = SHIPPED) -> tuple[Path, str]:
    """Return the folder of the shipped model of a kind, verified by its checksums, and the model's name with the
    beginning of its weights' sha256.

    Raises: ModelFileError - none of that kind ships, or a file is damaged, swapped or added.
    """
    place = folder / kind
    if not place.is_dir():
        raise ModelFileError(f"no {kind} ships with heterodub: name a folder or a version")
    verify_checksums(place)
    return place, f"{BUILTIN} {kind}, weights {file_hash(place / WEIGHTS)[:12]}"
