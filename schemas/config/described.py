"""Every setting with its description and default, for the commented settings file and for the documentation."""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .settings import Settings


class DescribedSetting(NamedTuple):
    """A setting: its name in its section, what it is, and its default as TOML, or None where there is none."""

    name: str
    description: str
    default: str | None
    choices: tuple[str, ...]


class DescribedSection(NamedTuple):
    """A section of the settings file: its name with dots, empty at the top, what it is about, and its settings."""

    name: str
    description: str
    settings: tuple[DescribedSetting, ...]


def described_settings() -> Iterator[DescribedSection]:
    """Yield the sections of the settings file in its order, with the defaults of this machine."""
    yield from _sections(Settings(), "", "")


def settings_template() -> str:
    """Return a settings file that says what each setting is, and sets none: each stands behind a # with its default."""
    sections = (_section_text(section) for section in described_settings())
    return "\n".join(
        (
            "# Settings of heterodub. Each stands here with its default; take its # away to change it.",
            "# Variables go before this file (HETERODUB_RUN__WORKERS=8 sets [run] workers), options before variables.",
            "# Of trainings these are the defaults of the preset cpu; another preset has others, where nothing is set.",
            "",
            *sections,
        )
    )


def _sections(value: BaseModel, name: str, description: str) -> Iterator[DescribedSection]:
    """Yield a section before those in it, as TOML needs it."""
    fields = type(value).model_fields
    inner = {key: getattr(value, key) for key in fields if isinstance(getattr(value, key), BaseModel)}
    settings = tuple(_setting(key, field, getattr(value, key)) for key, field in fields.items() if key not in inner)
    yield DescribedSection(name, description, settings)
    for key, section in inner.items():
        words = fields[key].description or _first_sentence(type(section))
        yield from _sections(section, f"{name}.{key}".lstrip("."), words)


def _setting(name: str, field: FieldInfo, value: Any) -> DescribedSetting:
    return DescribedSetting(name, field.description or "", _toml(value), tuple(_choices(field.annotation)))


def _choices(annotation: Any) -> Iterator[str]:
    """Yield the words of a Literal, also of one that may be None."""
    for part in get_args(annotation):
        if isinstance(part, str):
            yield part
        elif get_origin(part) is Literal:
            yield from _choices(part)


def _toml(value: Any) -> str | None:
    match value:
        case None:
            return None
        case tuple():
            return json.dumps(list(value))
        case Path():
            return json.dumps(str(value))
    return json.dumps(value)  # numbers, flags and plain text are the same in both


def _first_sentence(section: type[BaseModel]) -> str:
    return (section.__doc__ or "").strip().partition(".")[0]


def _section_text(section: DescribedSection) -> str:
    head = (*_comment(section.description), f"[{section.name}]") if section.name else ()
    return "\n".join((*head, *(line for setting in section.settings for line in _setting_lines(setting)), ""))


def _setting_lines(setting: DescribedSetting) -> tuple[str, ...]:
    """Return what a setting is, and the setting, one that has no default without a value."""
    choices = f" ({', '.join(setting.choices)})" if setting.choices else ""
    value = f"#{setting.name} = {setting.default or ''}".rstrip()
    return (*_comment(setting.description + choices), value)


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, 118, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
