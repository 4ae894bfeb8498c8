"""Damage by chance: bytes and words of a small sound file, changed by a seeded draw."""

import random
from collections.abc import Callable
from typing import Final

_NUMBERS: Final = (b"\x00" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\x00\x00\x00\x01", b"\xff" * 8)
_WORDS: Final = (
    *(
        "0",
        "-1",
        "1e999",
        "nan",
        "-inf",
        "9" * 30,
        "99999999999999999999",
        "null",
        "true",
        '""',
        "''",
        "[]",
        "{}",
        "[[]]",
    ),
    *("\x00", "\x1b]0;x\x07", "\u202e", "\ud7ff", "\ufeff", "\r", "\n", ",", ";", '"', "'", "\\", "=", "%s", "%00"),
    *("../" * 9 + "etc/passwd", "/", "file:///etc/passwd", "http://127.0.0.1:9/x", "dask://x", "simplecache::x"),
    *("(a+)+$", "(?P<speaker>", "[" * 2000, "{" * 2000, "a" * 70000, "é", "1970-01-01", "0x10", "1_0", "on"),
)


def damaged(content: bytes, chance: random.Random) -> bytes:
    """A copy with one to six changes; of a long one, half of the changes fall into its first kilobyte."""
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        content = chance.choice(_CHANGES)(content, chance)
    return content[: 1 << 20]


def _place(content: bytes, chance: random.Random) -> int:
    return chance.randrange(len(content) + 1 if chance.random() < 0.5 else min(1024, len(content)) + 1)


def _span(content: bytes, chance: random.Random) -> tuple[int, int]:
    start = _place(content, chance)
    return start, min(len(content), start + chance.choice((1, 2, 4, 8, 64, 512)))


def _flip(content: bytes, chance: random.Random) -> bytes:
    start, stop = _span(content, chance)
    return content[:start] + bytes(one ^ 1 << chance.randrange(8) for one in content[start:stop]) + content[stop:]


def _cut(content: bytes, chance: random.Random) -> bytes:
    start, stop = _span(content, chance)
    return content[:start] if chance.random() < 0.3 else content[:start] + content[stop:]


def _repeat(content: bytes, chance: random.Random) -> bytes:
    start, stop = _span(content, chance)
    return content[:stop] + content[start:stop] * chance.choice((1, 3, 200)) + content[stop:]


def _number(content: bytes, chance: random.Random) -> bytes:
    start, number = _place(content, chance), chance.choice(_NUMBERS)
    return content[:start] + number + content[start + len(number) :]


def _insert(content: bytes, chance: random.Random) -> bytes:
    start = _place(content, chance)
    return content[:start] + chance.choice(_WORDS).encode("utf-8", "surrogatepass") + content[start:]


def _replace(content: bytes, chance: random.Random) -> bytes:
    """Another word where one was: in texts between spaces, quotation marks, brackets and signs."""
    marks = [i for i, one in enumerate(content[:65536]) if one in b" \n\t,;:=\"'[]{}|"]
    if len(marks) < 2:
        return _insert(content, chance)
    i = chance.randrange(len(marks) - 1)
    word = chance.choice(_WORDS).encode("utf-8", "surrogatepass")
    return content[: marks[i] + 1] + word + content[marks[i + 1] :]


def _swap(content: bytes, chance: random.Random) -> bytes:
    """Two lines change places; or one is there twice."""
    lines = content.split(b"\n")
    i, j = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i] if chance.random() < 0.7 else lines[j]
    return b"\n".join(lines)


_CHANGES: Final[tuple[Callable[[bytes, random.Random], bytes], ...]] = (
    *(_flip, _flip, _cut, _repeat, _number, _insert, _replace, _replace, _swap),
)
