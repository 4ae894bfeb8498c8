"""Corpus files: each names a corpus, its place, its files, and how their paths state the speaker."""

from pathlib import Path
from typing import Any, Final, Self

import regex  # re's own has no time limit, and a corpus file may come with somebody's footage
from pydantic import Field, ValidationInfo, field_validator, model_validator

from heterodub.schemas.config.sections import Address, Section
from heterodub.schemas.errors import SourceError
from heterodub.schemas.rights import CHECKED
from heterodub.schemas.toml import read_model
from heterodub.tasks.sources.columns import check_columns
from heterodub.tasks.sources.tabular import SUFFIXES, suffix_of

_MATCH_S: Final = 1.0
"""Time limit of a pattern, which takes microseconds, or backtracks for years."""


class Corpus(Section):
    """A named corpus: a folder, or the files that a manifest or an inventory lists. Relative paths are relative to the
    corpus file.
    """

    name: str = Field("default", min_length=1, description="name of the corpus, kept on every row")
    root: Address = Field(description="folder or file, or the URI of one (s3://bucket/place)")
    glob: str = Field("**/*", description="which files under the root belong to it")
    speaker: str | None = Field(
        None,
        description="regular expression on the path below the root; its group 'speaker', or its first, says who",
    )
    licence: str | None = Field(None, description="licence of every file; of a manifest, where a row states none")
    consent: str | None = Field(None, description="consent of the people shown, likewise")
    purpose: str | None = Field(None, description="purposes that the footage may serve, likewise")
    language: str | None = Field(None, description="language spoken, likewise")
    manifest: Address | None = Field(
        None, description="table that lists the files, in place of glob and speaker; its paths are below the root"
    )
    inventory: Address | None = Field(
        None, description="manifest.json of an S3 Inventory that lists the bucket's objects, so that it is not asked"
    )
    columns: dict[str, str] = Field(
        {}, description="the table's column for each of a manifest's that is called otherwise, such as uri = 'file'"
    )

    @model_validator(mode="after")
    def _is_folder_or_list(self) -> Self:
        if self.inventory is not None and (self.manifest is not None or not self.root.startswith("s3://")):
            raise ValueError("an inventory takes a root s3://BUCKET or s3://BUCKET/PLACE, and no manifest")
        if self.manifest is None and self.columns:
            raise ValueError("columns are those of a manifest, and none is named")
        if self.manifest is not None and not suffix_of(self.manifest):
            raise ValueError(f"manifest = {self.manifest!r}: a manifest is {', '.join(SUFFIXES)}")
        if self.manifest is not None and not {"glob", "speaker"}.isdisjoint(self.model_fields_set):
            raise ValueError("a manifest lists files and speakers itself: leave out glob and speaker")
        return self

    @field_validator(*CHECKED)
    @classmethod
    def _is_known(cls, text: str | None, info: ValidationInfo) -> str | None:
        return CHECKED[str(info.field_name)](text) if text else None

    @property
    def labels(self) -> dict[str, Any]:
        """Labels of all files alike."""
        return {name: getattr(self, name) for name in ("licence", "consent", "purpose", "language")}

    @field_validator("columns")
    @classmethod
    def _are_of_manifests(cls, columns: dict[str, str]) -> dict[str, str]:
        return check_columns(columns)

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
    base = place or str(path.parent)
    manifest = corpus.manifest and _below(base, corpus.manifest)
    inventory = corpus.inventory and _below(base, corpus.inventory)
    return corpus.model_copy(update={"root": _below(base, corpus.root), "manifest": manifest, "inventory": inventory})


def _below(base: str, name: str) -> str:
    """Return a path or URI, and a relative path as one below the base, which is a folder or a URI."""
    if "://" in name:
        return name
    if "://" in base:
        return name if name.startswith("/") else f"{base}/{name}".removesuffix("/.")
    return str((Path(base) / name).resolve())
