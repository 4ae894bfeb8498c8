"""Reading of TOML that may come from strangers, and pydantic's errors as sentences."""

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from heterodub.schemas.addresses import without_password

from .errors import HeterodubError, SettingsError


def describe(error: ValidationError) -> str:
    """Format one sentence per bad field, joined by '; '."""
    parts = []
    for problem in error.errors(include_url=False):
        field = ".".join(str(step) for step in problem["loc"]) or "(the whole file)"
        if problem["type"] == "missing":
            parts.append(f"{field} is missing")
        elif problem["type"] == "extra_forbidden":
            parts.append(f"{field} is not a known field")
        else:
            value = without_password(repr(problem["input"]))
            parts.append(f"{field} = {value}: {problem['msg'][0].lower()}{problem['msg'][1:]}")
    return "; ".join(parts)


Model = TypeVar("Model", bound=BaseModel)


def parse_toml(text: str) -> dict[str, Any]:
    """Parse a TOML text to a tree.

    Raises: ValueError - it is not TOML, or is nested too deeply.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


def read_model(model: type[Model], path: str | Path, what: str, error: type[HeterodubError] = SettingsError) -> Model:
    """Read a TOML file as a model; `what` names its kind in messages.

    Raises: `error` - the file is missing, not TOML, or holds a bad value (the text names field and value).
    """
    try:
        text = Path(path).read_text("utf-8")
    except OSError as cause:
        raise error(f"{what} {path}: {cause.strerror or cause}") from cause
    except UnicodeDecodeError as cause:
        raise error(f"{what} {path} is not TOML: {cause}") from cause
    return parse_model(model, text, f"{what} {path}", error)


def parse_model(model: type[Model], text: str, source: str, error: type[HeterodubError] = SettingsError) -> Model:
    """Parse a TOML text as a model; `source` is named in messages.

    Raises: `error` - it is not TOML or holds a bad value.
    """
    try:
        return model.model_validate(parse_toml(text))
    except ValidationError as cause:
        raise error(f"{source}: {describe(cause)}") from cause
    except ValueError as cause:
        raise error(f"{source} is not TOML: {cause}") from cause
