"""Stdout and stderr of a command, with control characters escaped.

Names of files, speakers and corpora, texts of errors and log lines may hold control characters and direction marks.
The stream itself escapes them, so no print, log handler, traceback or library has to.
"""

import re
import sys
from collections.abc import Iterable
from typing import Any, Final, TextIO, cast

from heterodub.schemas.display import visible

_OWN: Final = "\n\t"
"""Characters that pass: a stream cannot know whose line breaks they are. `paragraph` escapes those within a line."""

_COLOUR: Final = re.compile(r"(\x1b\[(?:[0-4]|[39][0-7]|38;5;\d{1,3})?(?:;(?:[0-4]|[39][0-7]|38;5;\d{1,3}))*m)")


class EscapingStream:
    """Text stream that writes escapes for what is not printable; all else is the inner stream's.

    It has no `buffer`, through which bytes would go unescaped. colours: let foreground colours and bold pass.
    """

    def __init__(self, inner: TextIO, colours: bool = False) -> None:
        self.inner = inner
        self._colours = colours

    def write(self, text: str) -> int:
        """Write a text with its escapes; returns the length of the text."""
        if text.isascii() and text.isprintable():
            self.inner.write(text)
        elif self._colours:
            parts = _COLOUR.split(text)  # texts and colours in turn
            self.inner.write("".join(part if i % 2 else visible(part, _OWN) for i, part in enumerate(parts)))
        else:
            self.inner.write(visible(text, _OWN))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts one after the other."""
        for line in lines:
            self.write(line)

    @property
    def rich_proxied_file(self) -> "EscapingStream":
        """Stream for the library rich, which looks this name up: on a terminal, colours pass."""
        return EscapingStream(self.inner, colours=self.inner.isatty())

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            raise AttributeError(name)
        return getattr(self.inner, name)


def escape_output() -> None:
    """Replace this process's stdout and stderr by escaping streams, if they are not."""
    sys.stdout, sys.stderr = _escaping(sys.stdout), _escaping(sys.stderr)


def _escaping(stream: TextIO) -> TextIO:
    return stream if isinstance(stream, EscapingStream) else cast(TextIO, EscapingStream(stream))


def bare(stream: TextIO) -> TextIO:
    """Return the stream under an escaping one, for callers that escape texts themselves and move the cursor."""
    return stream.inner if isinstance(stream, EscapingStream) else stream


def paragraph(text: str) -> str:
    """Return a text as one line: line breaks at its ends are kept, those within are escaped."""
    core = text.strip("\n")
    return text.replace(core, visible(core), 1) if core else text


def say(text: str, error: bool = False) -> None:
    """Print one line that may hold names, on stdout, or on stderr."""
    print(paragraph(text), file=sys.stderr if error else sys.stdout, flush=error)


def complain(text: str) -> None:
    """Print the text of an error on stderr. All lines but the first are indented, so that none from a name looks like
    one of ours.
    """
    sys.stderr.write(text.replace("\n", "\n  ") + "\n")
    sys.stderr.flush()
