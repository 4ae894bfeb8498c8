"""Texts for people: file names, which are data and must be safe for terminals and not misleading; counts; durations."""

import os
import re
from collections.abc import Iterable, Sequence
from os.path import commonprefix
from typing import Any, Final
from urllib.parse import unquote_to_bytes

_FILE: Final = "file://"

_FORMULA: Final = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
"""First characters of a formula, also in full width; a tab or carriage return before it is escaped by then."""

SHORT_ID: Final = 12
"""Digits of an id that are shown where a whole one would be too long; commands accept any unique start."""


def visible(text: str, but: str = "") -> str:
    r"""Replace everything that is not printable by an escape: \n, \x1b, \u202e. but: letters to leave.

    Terminals would act on control characters, and direction marks would make a name read as another one.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in but else _escape(letter) for letter in text)


def message_of(error: BaseException) -> str:
    """Return the text of an error without the system's number, as in "[Errno 2] No such file or directory: 'a'"."""
    return re.sub(r"\[errno -?\d+\] ", "", str(error), flags=re.IGNORECASE)


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def csv_line(values: Iterable[Any]) -> str:
    """Format a line of CSV for people and their spreadsheets, quoted as in RFC 4180, with its end.

    None is an empty field, a list its words with spaces between. Texts are escaped, and one that a spreadsheet would
    take for a formula gets a quotation mark before it; exact names are in the JSON output.
    """
    return ",".join(map(_csv_field, values)) + "\n"


def _csv_field(value: Any) -> str:
    if value is None or isinstance(value, int | float):
        return "" if value is None else str(value)
    text = visible(" ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
    if text.startswith(_FORMULA):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"') else text


def printable_bytes(name: str) -> str:
    r"""Replace the bytes of a file's name that are not UTF-8, which Python holds as surrogates, by \xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def readable_path(uri: str) -> str:
    """Format a path or URI for people: printable, and a file:// name (a path not in UTF-8) with its bytes shown."""
    if uri.startswith(_FILE):
        return visible(unquote_to_bytes(uri.removeprefix(_FILE)).decode("utf-8", "backslashreplace"))
    return visible(uri)


def base_name(uri: str) -> str:
    """Return the last part of the path, for people."""
    return readable_path(uri).rstrip("/").rsplit("/", 1)[-1]


def common_folder(paths: Sequence[str]) -> str:
    """Return the folder that all paths lie below, with a slash at its end; empty where there is none but the root."""
    folder = commonprefix(paths).rpartition("/")[0] + "/"  # noqa: RUF071 - letters, then up to a slash: URIs, too
    return "" if folder == "/" or folder.endswith("://") else folder


def counted(count: int, what: str) -> str:
    """Format a count: "1 clip", "2 clips"."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def duration(seconds: float) -> str:
    """Format a duration with a unit: "90 s", "2 min", "1.5 h". Own code: humanize rounds to whole hours, or writes
    sentences.
    """
    if seconds <= 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
