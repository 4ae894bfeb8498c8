"""Labels that a listing gives a file: a manifest's columns, a data set's."""

import math
from collections.abc import Mapping
from typing import Any, Final

from heterodub.schemas.rights import CHECKED
from heterodub.tasks.sources.columns import KNOWN
from heterodub.tasks.sources.tabular import cell_text

LABELS: Final = KNOWN[1:]
"""Columns of a listing that are labels; offset: seconds that the sound is late."""


def labels_in(cells: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what cells or fields of these names say, as fields of RawFile; empty ones and others are left out.

    Raises: ValueError - a label is no text, has no known value, or an offset is no number.
    """
    texts: dict[str, str] = {}
    for key, value in cells.items():
        name = str(key).strip().casefold()
        if name in LABELS and (text := cell_text(value)) is not None:
            texts[name] = text
    return as_fields(texts)


def as_fields(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return labels as fields of RawFile: rights in one spelling, the offset as a number.

    Raises: ValueError - a consent or a purpose has no known value, or an offset is no number.
    """
    labels: dict[str, Any] = {name: CHECKED[name](text) if name in CHECKED else text for name, text in texts.items()}
    if "offset" in labels:
        labels["offset_s"] = seconds(labels.pop("offset"))
    return labels


def seconds(text: str) -> float:
    """Return an offset in seconds. Raises: ValueError - it is no finite number."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"offset is in seconds, not {text!r}")
    return number
