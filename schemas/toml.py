"""Reading of TOML that may come from strangers, and pydantic's errors as sentences."""

import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from heterodub.schemas.addresses import without_password

from .errors import HeterodubError, SettingsError


def describe(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """Format one sentence per bad field, joined by '; '. Of `model`, the field that an unknown one may stand for is
    named: of the same name in another section, else one spelt alike.
    """
    known = list(_fields(model)) if model else []
    parts = []
    for problem in error.errors(include_url=False):
        field = ".".join(str(step) for step in problem["loc"]) or "(the whole file)"
        if problem["type"] == "missing":
            parts.append(f"{field} is missing")
        elif problem["type"] == "extra_forbidden":
            parts.append(f"{field} is not a known field{_meant(field, known)}")
        else:
            value = without_password(repr(problem["input"]))
            parts.append(f"{field} = {value}: {problem['msg'][0].lower()}{problem['msg'][1:]}")
    return "; ".join(parts)


def _fields(model: type[BaseModel], section: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield section + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _fields(field.annotation, f"{section}{name}.")


def _meant(field: str, known: list[str]) -> str:
    name = field.rpartition(".")[2]
    meant = [one for one in known if one.rpartition(".")[2] == name] or get_close_matches(field, known, 1)
    return f" (did you mean {' or '.join(meant[:3])}?)" if meant else ""


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
        raise error(f"{source}: {describe(cause, model)}") from cause
    except ValueError as cause:
        raise error(f"{source} is not TOML: {cause}") from cause
