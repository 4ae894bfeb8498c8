"""Columns of a manifest, and the mapping that names them in a table of other columns."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final

KNOWN: Final = ("uri", "speaker", "licence", "consent", "purpose", "language", "corpus", "offset")
"""Columns of a manifest; all but the first are optional."""


def plain(name: str) -> str:
    """Return a column's name as it is compared: in small letters, without spaces around it."""
    return name.strip().casefold()


def parse_columns(text: str) -> dict[str, str]:
    """Parse a mapping such as `uri=file,speaker=speaker_id`: the table's column by the manifest's.

    Raises: ValueError - it is not of this form, names an unknown column, or gives one column two sources.
    """
    mapping = dict[str, str]()
    for part in text.split(","):
        target, is_pair, source = (plain(word) for word in part.partition("="))
        if not (target and is_pair and source):
            raise ValueError(f"{part!r} is not COLUMN=COLUMN OF THE TABLE, as in uri=file,speaker=speaker_id")
        if target in mapping:
            raise ValueError(f"two sources for {target}: {mapping[target]} and {source}")
        mapping[target] = source
    return check_columns(mapping)


def check_columns(mapping: Mapping[str, str]) -> dict[str, str]:
    """Return a mapping with its names as they are compared.

    Raises: ValueError - it names a column that manifests do not have, no column of the table, or one column twice.
    """
    checked = dict[str, str]()
    for name, source in mapping.items():
        target = plain(name)
        if target not in KNOWN:
            raise ValueError(f"unknown column {name!r}; known are {', '.join(KNOWN)}{_guesses([target])}")
        if not plain(source):
            raise ValueError(f"{name} needs the name of a column of the table")
        if target in checked:
            raise ValueError(f"two sources for {target}: {checked[target]} and {source}")
        checked[target] = plain(source)
    return checked


def resolve(mapping: Mapping[str, str], header: Sequence[str]) -> dict[str, str]:
    """Return the table's column for each of the manifest's that the table gives.

    With a mapping, a column of the table that is mapped stands only for what it is mapped to, one that is called as a
    manifest's stands for that unless another is mapped to it, and others are left out. Without one, others are errors.

    Raises: ValueError - a column is missing or, without a mapping, unknown.
    """
    if missing := [f"{source} (for {target})" for target, source in mapping.items() if source not in header]:
        raise ValueError(f"it has no column {', '.join(missing)}; it has {', '.join(header) or 'none'}")
    unknown = [name for name in header if name not in KNOWN]
    same_named = {name: name for name in header if name in KNOWN and name not in mapping.values()}
    columns = same_named | dict(mapping)
    if "uri" not in columns:
        raise ValueError(
            f"it needs a column 'uri', and has {', '.join(header) or 'none'}; a column of another name is named by "
            "--columns uri=NAME, or by [columns] in a corpus file"
        )
    if unknown and not mapping:
        raise ValueError(f"unknown columns {', '.join(unknown)}; known are {', '.join(KNOWN)}{_guesses(unknown)}")
    return columns


def _guesses(unknown: Sequence[str]) -> str:
    near = {name: get_close_matches(name, KNOWN, 1) for name in unknown}
    return "".join(f"; is {name} meant to be {matches[0]}?" for name, matches in near.items() if matches)
