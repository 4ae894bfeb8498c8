"""TOML as people, and strangers, write it."""

import tomllib
from typing import Any


def parse_toml(text: str) -> dict[str, Any]:
    """The tree of a TOML text.

    Raises: ValueError - it is not TOML, or brackets stand in brackets by the hundred.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None
