"""Log lines on stderr for people and machines: key=value pairs (logfmt) or a JSON object a line.

Own code: python-json-logger writes JSON alone, and both forms hold the same fields.
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from heterodub.schemas.config.sections import LogSettings

PAIRS: Final = "pairs"
"""Attribute of a log record that holds its pairs: `_LOG.info("step", extra={PAIRS: {...}})`. A pair `message` stands in
the place of the record's own.
"""

_OURS: Final = "heterodub"


@contextmanager
def log_lines(settings: LogSettings) -> Iterator[None]:
    """Write the records of our own loggers inside the block to stderr, once; a nested block adds nothing."""
    logger = logging.getLogger(_OURS)
    if any(isinstance(handler, _Stderr) for handler in logger.handlers):
        yield
        return
    level = settings.level or ("warning" if sys.stderr.isatty() else "info")
    handler, before = _Stderr(settings.format), logger.level
    others = [other for other in logging.getLogger().handlers if getattr(other, "stream", None) is sys.stderr]
    logger.addHandler(handler)
    logger.setLevel(level.upper())
    for other in others:  # Prefect's console, which would write each line a second time
        other.addFilter(_is_not_ours)
    try:
        yield
    finally:
        for other in others:
            other.removeFilter(_is_not_ours)
        logger.removeHandler(handler)
        logger.setLevel(before)


def _is_not_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] != _OURS


class _Stderr(logging.Handler):
    """Handler that looks up stderr at each line, since a live bar replaces it for a while."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self._write = _as_json if form == "json" else _as_pairs

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's line."""
        try:
            sys.stderr.write(self._write(_fields_of(record)) + "\n")
        except Exception:  # noqa: BLE001 - as logging handles a closed stream
            self.handleError(record)


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    head = {"at": at, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
    pairs: Mapping[str, Any] = getattr(record, PAIRS, {})
    tail = {"trace": logging.Formatter().formatException(record.exc_info)} if record.exc_info else {}
    return head | {name: value for name, value in pairs.items() if value is not None} | tail


def _as_json(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, default=str)


def _as_pairs(fields: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={_value(value)}" for name, value in fields.items())


def _value(value: Any) -> str:
    """Format a value for logfmt: bare if it can be, else quoted and escaped, so that a line stays a line."""
    text = (
        f"{value:.6g}"
        if isinstance(value, float)
        else value
        if isinstance(value, str)
        else json.dumps(value, default=str)
    )
    plain = text and text.isascii() and text.isprintable() and not any(mark in text for mark in ' ="\\')
    return text if plain else json.dumps(text)
