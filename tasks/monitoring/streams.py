"""The command's stdout and stderr, on which nothing that came from outside is obeyed by a terminal.

Names of files, speakers and corpora, texts of errors and log lines may hold control characters and direction marks.
They become escapes in the stream itself, so that no print, log handler, traceback or library has to think of it.
"""

import re
import sys
from collections.abc import Iterable
from typing import Any, Final, TextIO, cast

from schemas.display import visible

_OWN: Final = "\n\t"
"""What lines are made of: a stream cannot know whose they are. Where a name stands in a line, `paragraph` does."""

_COLOUR: Final = re.compile(r"(\x1b\[(?:[0-4]|[39][0-7]|38;5;\d{1,3})?(?:;(?:[0-4]|[39][0-7]|38;5;\d{1,3}))*m)")


class EscapingStream:
    """A text stream that writes escapes for what is not printable; all else is the inner stream's.

    It shows no `buffer`, past which bytes would go unseen. colours: let foreground colours and bold pass.
    """

    def __init__(self, inner: TextIO, colours: bool = False) -> None:
        self.inner = inner
        self._colours = colours

    def write(self, text: str) -> int:
        """Write a text with its escapes; returns the length of what was given."""
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
        """What the library rich writes to instead, its own name for it: where it colours a terminal, colours pass."""
        return EscapingStream(self.inner, colours=self.inner.isatty())

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            raise AttributeError(name)
        return getattr(self.inner, name)


def escape_output() -> None:
    """Put escaping streams in the places of this process's stdout and stderr, where there are none yet."""
    sys.stdout, sys.stderr = _escaping(sys.stdout), _escaping(sys.stderr)


def _escaping(stream: TextIO) -> TextIO:
    return stream if isinstance(stream, EscapingStream) else cast(TextIO, EscapingStream(stream))


def bare(stream: TextIO) -> TextIO:
    """The stream under an escaping one, for who escapes texts itself and moves the cursor."""
    return stream.inner if isinstance(stream, EscapingStream) else stream


def paragraph(text: str) -> str:
    """A text as one line: line breaks at its ends are our own, those within came with a name and become escapes."""
    core = text.strip("\n")
    return text.replace(core, visible(core), 1) if core else text


def say(text: str, error: bool = False) -> None:
    """Print one line that may hold names, on stdout, or on stderr."""
    print(paragraph(text), file=sys.stderr if error else sys.stdout, flush=error)


def complain(text: str) -> None:
    """Print the text of an error on stderr. It may have lines: all but the first are indented, so that none that came
    with a name passes for one of ours.
    """
    sys.stderr.write(text.replace("\n", "\n  ") + "\n")
    sys.stderr.flush()
