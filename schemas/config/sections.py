"""Base of the settings and of every record kept in a file: frozen, closed, and, where it has presets, filled in from
one. Then the small sections: limits of what one file may cost and of what may be opened, warnings and logs, retraining.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from heterodub.schemas.addresses import origin_of, require_no_credentials

Address = Annotated[str, AfterValidator(require_no_credentials)]
"""A path or address in a settings file or a list, which holds no credentials."""


class Section(BaseModel):
    """A part of the settings or of a stored record. Unknown fields and numbers that are not finite are refused: nan
    compares as false with everything, so a limit of it would silently never refuse.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge `over` into `base`, section by section."""
    both = dict(base)
    for name, value in over.items():
        below = both.get(name)
        both[name] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return both


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


class LimitSettings(Section):
    """Limits on what one file may cost before it is set aside, and the web servers files may lie on."""

    max_pixels: int = Field(7680 * 4320, gt=0, description="largest picture that is decoded, pixels")
    max_duration_s: float = Field(24 * 3600, gt=0, description="longest file that is worked on, seconds")
    time_limit_s: float = Field(120, gt=0, description="seconds of work any file may take")
    time_limit_factor: float = Field(5, gt=0, description="and in addition this many seconds per second of media")
    least_fetch_bytes_per_s: float = Field(
        200_000, gt=0, description="slowest disk or store that is waited for, bytes per second"
    )
    memory_limit_gib: float = Field(4, gt=0.5, description="memory of the process that works on a file, GiB")
    attempts: int = Field(
        3,
        ge=1,
        le=10,
        description="times a file is tried when its process is killed, or its worker lost (local workers alone; before"
        " that, a bundle of files that are identified together is tried as often)",
    )
    web_origins: tuple[str, ...] = Field(
        (), description="web servers that sources may name or redirect to, such as https://host or http://host:8080"
    )

    @field_validator("web_origins")
    @classmethod
    def _are_origins(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        origins = {origin_of(address): address for address in addresses}
        for origin, address in origins.items():
            if origin is None or origin != address.lower().rstrip("/"):
                raise ValueError(f"{address!r} is no origin: name scheme and host alone, such as https://host")
        return tuple(str(origin) for origin in origins)

    kept_copies_gib: float = Field(
        32,
        ge=0,
        description="remote files that a worker's machine keeps in its temporary folder between hash and analysis, GiB;"
        " never more than half of what is free; 0: each file is fetched anew",
    )
    require_sandbox: bool = Field(
        False, description="open nothing on a machine whose kernel cannot hold decoders in the whole sandbox"
    )
    trust_footage: bool = Field(
        False,
        description="footage is trusted as this program is, so decord, whose FFmpeg is of 2020, may decode short files",
    )


StageName = Literal["stage1", "stage2"]


class StageRule(Section):
    """New footage in a stage's train split that is worth a training; any one of the three is enough."""

    new_clips: int = Field(200, ge=1, description="clips that were not learned from yet")
    new_hours: float = Field(1.0, gt=0, description="hours of footage that was not learned from yet")
    new_speakers: int = Field(10, ge=1, description="speakers of whom nothing was learned from yet")


class RetrainSettings(Section):
    """Sources and thresholds of a retraining. Why these numbers: docs/operations.md."""

    corpora: tuple[Address, ...] = Field(
        (), description="what is ingested first: corpus files, manifests, folders or URIs; none: what is stored counts"
    )
    stage1: StageRule = Field(default_factory=StageRule, description="when the landmark generator is trained anew")
    stage2: StageRule = Field(default_factory=StageRule, description="when the landmark translator is trained anew")

    def rule(self, stage: StageName) -> StageRule:
        """Return the rule of a stage."""
        return self.stage1 if stage == "stage1" else self.stage2


class SplitSettings(Section):
    """Division of speakers."""

    val_share: float = Field(0.1, ge=0, le=0.5, description="share of speakers held out while training")
    test_share: float = Field(0.1, ge=0, le=0.5, description="share of speakers frozen for evaluation")
    small_clips: int = Field(20, ge=0, description="a split with fewer clips is reported as small")
