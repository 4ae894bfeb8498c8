"""Settings of warnings and logs: how far a corpus may drift before a warning, and how runs are logged."""

from typing import Literal

from pydantic import Field

from .sections import Section


class CorpusLimit(Section):
    """Limit of one corpus."""

    name: str = Field(min_length=1, description="name of the corpus")
    limit: float = Field(gt=0, le=1, description="drift beyond which it is warned of; 1: never")


class DriftSettings(Section):
    """Distance of the clips that a run adds to a corpus from those of the last release. A warning, never a stop.

    A drift is the largest change of the share of clips that any one limit on a signal could refuse, 0 to 1; what
    chance alone explains is never warned of. docs/watching.md says where the default comes from.
    """

    limit: float = Field(0.25, gt=0, le=1, description="drift of a signal beyond which its corpus is warned of")
    corpora: tuple[CorpusLimit, ...] = Field((), description="the same for single corpora, in place of it")

    def of(self, corpus: str) -> float:
        """Return the limit for a corpus."""
        return next((entry.limit for entry in self.corpora if entry.name == corpus), self.limit)


class LogSettings(Section):
    """Lines on stderr: one for each step of a run, with ids, counts and seconds, and one for each warning."""

    format: Literal["keyvalue", "json"] = Field("keyvalue", description="key=value pairs, or a JSON object a line")
    level: Literal["debug", "info", "warning", "error"] | None = Field(
        None, description="lowest level logged; default: info, or warning on a terminal, where bars show the rest"
    )
