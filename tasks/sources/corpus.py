"""Corpus files: each names a corpus, its place, its files, and how their paths state the speaker."""

from pathlib import Path
from typing import Final

import regex  # re's own has no time limit, and a corpus file may come with somebody's footage
from pydantic import Field, field_validator

from heterodub.schemas.config.sections import Address, Section
from heterodub.schemas.errors import SourceError
from heterodub.schemas.toml import read_model

_MATCH_S: Final = 1.0
"""Time limit of a pattern, which takes microseconds, or backtracks for years."""


class Corpus(Section):
    """A named corpus. Relative roots are relative to the corpus file."""

    name: str = Field("default", min_length=1, description="name of the corpus, kept on every row")
    root: Address = Field(description="folder or file, or the URI of one (s3://bucket/place)")
    glob: str = Field("**/*", description="which files under the root belong to it")
    speaker: str | None = Field(
        None,
        description="regular expression on the path below the root; its group 'speaker', or its first, says who",
    )
    licence: str | None = Field(None, description="licence of every file")
    consent: str | None = Field(None, description="consent of the people shown")
    language: str | None = Field(None, description="language spoken")

    @field_validator("speaker")
    @classmethod
    def _has_a_group(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = regex.compile(pattern).groups
        except regex.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if not groups:
            raise ValueError("it needs a group that names the speaker, such as (?P<speaker>s\\d+)")
        return pattern

    def speaker_of(self, relative: str) -> str | None:
        """Return the speaker of the file at this path below the root; None when the pattern does not match.

        Raises: SourceError - the pattern takes longer than a second.
        """
        if self.speaker is None:
            return None
        try:
            match = regex.search(self.speaker, relative, timeout=_MATCH_S)
        except TimeoutError as error:
            raise SourceError(
                f"corpus {self.name}: the speaker pattern {self.speaker!r} takes longer than {_MATCH_S:g} s on "
                f"{relative!r}; write it without a repetition inside a repetition"
            ) from error
        if match is None:
            return None
        named = "speaker" in match.re.groupindex
        return match.group("speaker" if named else 1) or None


def load_corpus(path: Path, place: str | None = None) -> Corpus:
    """Read a corpus file. `place` is the folder that its paths are relative to, when it is not its own: a URI.

    Raises: SourceError - it is not TOML or a field is wrong (the text names field and value).
    """
    corpus = read_model(Corpus, path, "corpus file", SourceError)
    if "://" in corpus.root:
        return corpus
    if place is not None and not corpus.root.startswith("/"):
        return corpus.model_copy(update={"root": f"{place}/{corpus.root}".removesuffix("/.")})
    return corpus.model_copy(update={"root": str((path.parent / corpus.root).resolve())})
