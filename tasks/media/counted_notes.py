"""Notes on what was done to a film, whose numbers are added up over its parts."""

from collections.abc import Iterable, Mapping, Sequence

CountedNotes = Mapping[str, Sequence[int]]
"""Sentences, and the numbers that belong into their braces: those of the parts of a film are added up."""


def note_lines(notes: CountedNotes) -> tuple[str, ...]:
    """Return the sentences with their numbers."""
    return tuple(text.format(*numbers) for text, numbers in notes.items())


def added_notes(parts: Iterable[CountedNotes]) -> CountedNotes:
    """Return the notes on a film from those on its parts, in order."""
    whole: dict[str, Sequence[int]] = {}
    for part in parts:
        for text, numbers in part.items():
            whole[text] = [sum(pair) for pair in zip(whole.get(text, [0] * len(numbers)), numbers, strict=True)]
    return whole
