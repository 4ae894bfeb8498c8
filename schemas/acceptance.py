"""Acceptance of a finished dub: the measures of each shot, the policy's limits on them, and the verdict.

A field's name states its effect: `max_nme_lips` fails a shot whose measure `nme_lips` is higher. A limit that is absent
is not applied; a measure that could not be taken fails nothing and is named with its cause.
tasks/evaluation/verdict.py applies the limits and nothing else. Grounds: docs/acceptance.md.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field

from .config.choices import OnFail
from .config.sections import Section
from .limits import Direction, limit_field, parse_limit
from .reasons import MissingCause
from .toml import read_model

DEFAULT_ACCEPTANCE: Final = Path(__file__).parent / "policies" / "acceptance.toml"

State = Literal["accepted", "failed", "source_kept"]


class ShotLimits(Section):
    """Limits on a shot: consecutive frames that show one dubbed face."""

    min_face_found_frac: float | None = limit_field("share of dubbed frames with a face found again", low=0, high=1)
    max_nme_lips: float | None = limit_field("distance of the lips found again from the wanted ones", low=0)
    min_mouth_opening_corr: float | None = limit_field("correlation of found and wanted opening", low=-1, high=1)
    min_mouth_opening_std_ratio: float | None = limit_field("movement of the opening over the wanted one", low=0)
    max_mouth_opening_std_ratio: float | None = limit_field("movement of the opening over the wanted one", low=0)
    max_source_leak: float | None = limit_field("correlation with the source's mouth beyond the wanted", low=0, high=1)
    max_silent_motion: float | None = limit_field("movement of the opening while nobody speaks", low=0)
    max_silent_opening: float | None = limit_field("opening while nobody speaks", low=0)
    max_seam: float | None = limit_field("step of luma along the border, levels", low=0)
    max_colour_step: float | None = limit_field("step of colour across the border, levels", low=0)
    min_sharpness: float | None = limit_field("sharpness of the mouth beside that of the eyes", low=0)
    max_sharpness: float | None = limit_field("sharpness of the mouth beside that of the eyes", low=0)
    max_flicker: float | None = limit_field("change of the skin around the mouth from frame to frame, levels", low=0)
    max_identity_distance: float | None = limit_field("distance of the face's descriptor from the source's", low=0)
    max_covered_frac: float | None = limit_field("share of frames in which something over the mouth is painted over")
    max_passed_through: float | None = limit_field("share of the face's frames that were left alone", low=0, high=1)
    min_outside_psnr_db: float | None = limit_field("likeness to the source beside the face, dB", low=0)
    max_abs_sync_offset_s: float | None = limit_field("seconds between sound and lips", low=0)
    min_sound_match: float | None = limit_field("correlation of the file's sound with the speech", low=0, high=1)


class AcceptancePolicy(Section):
    """Limits on every shot of a dub. `version` grows with every change of a published policy."""

    name: str = Field(description="name of the policy, for people")
    version: int = Field(ge=1, description="grows with every change")
    shot: ShotLimits

    @property
    def hash(self) -> str:
        """Identity of the policy by content: 12 hex digits over every limit."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    def limits(self) -> Iterator[tuple[str, Direction, str, float]]:
        """Yield every limit that is set: field, direction, measure, value."""
        for field, limit in self.shot.model_dump(exclude_none=True).items():
            yield field, *parse_limit(field), limit


def load_acceptance_policy(path: str | Path | None = None) -> AcceptancePolicy:
    """Read an acceptance policy; without a path, the default one.

    Raises: SettingsError - the file is missing, not TOML, or holds a bad value (the text names field and value).
    """
    return read_model(AcceptancePolicy, path or DEFAULT_ACCEPTANCE, "acceptance policy")


@dataclass(frozen=True, slots=True)
class ShotMeasures:
    """Measures of one shot. first, stop: output frames. start_s, end_s: seconds. values: by measure; None: not
    measured, for the cause in `missing`. worst_s: of measures that each frame has, the time where it is worst.
    """

    shot: int
    first: int
    stop: int
    start_s: float
    end_s: float
    values: dict[str, float | None]
    missing: dict[str, MissingCause]
    worst_s: dict[str, float]

    @property
    def frames(self) -> int:
        """Number of its output frames."""
        return self.stop - self.first

    def seen_at_s(self, measure: str) -> float:
        """Time at which a measure is seen best: where a frame is worst, else where the lips are, else the start."""
        return self.worst_s.get(measure, self.worst_s.get("nme_lips", self.start_s))


@dataclass(frozen=True, slots=True)
class BrokenLimit:
    """A limit that a shot breaks. at_s: time at which it is seen best, seconds of the output."""

    measure: str
    value: float
    limit: str
    limit_value: float
    at_s: float


@dataclass(frozen=True, slots=True)
class ShotVerdict:
    """Measures of a shot, and the limits that it breaks. state: source_kept: it failed, and now shows the source."""

    measures: ShotMeasures
    broken: tuple[BrokenLimit, ...] = ()
    state: State = "accepted"


@dataclass(frozen=True, slots=True)
class ShotEvidence:
    """Curves of a shot, thinned, by name (time_s too); None where there is no value. stills: JPEGs by measure."""

    curves: dict[str, list[float | None]]
    stills: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Verdict on a finished file. policy: name, version and hash. passed_through: share of all its frames that are the
    source's. cpu_s: processor seconds of measuring. on_fail: done with shots that failed.
    """

    policy: str
    on_fail: OnFail
    shots: tuple[ShotVerdict, ...]
    passed_through: float
    cpu_s: float

    @property
    def failed(self) -> tuple[ShotVerdict, ...]:
        """Shots that broke a limit, those that now show the source included."""
        return tuple(shot for shot in self.shots if shot.state != "accepted")

    @property
    def state(self) -> State:
        """Of the file: failed where a shot that broke a limit is in it."""
        states = {shot.state for shot in self.shots}
        return "failed" if "failed" in states else "source_kept" if "source_kept" in states else "accepted"

    def lines(self) -> Iterator[str]:
        """Yield a sentence for each failed shot."""
        for verdict in self.failed:
            shot = verdict.measures
            broken = ", ".join(
                f"{one.measure} {one.value:.3g} ({one.limit} {one.limit_value:g})" for one in verdict.broken
            )
            kept = "; the source's picture was put back" if verdict.state == "source_kept" else ""
            yield f"shot {shot.shot + 1}, {shot.start_s:.2f} to {shot.end_s:.2f} s, failed acceptance: {broken}{kept}"

    def summary(self) -> dict[str, Any]:
        """Return a short form for outcomes of jobs, ready for JSON."""
        return {
            "state": self.state,
            "policy": self.policy,
            "on_fail": self.on_fail,
            "shots": len(self.shots),
            "failed": [
                {
                    "shot": verdict.measures.shot + 1,
                    "start_s": round(verdict.measures.start_s, 3),
                    "end_s": round(verdict.measures.end_s, 3),
                    "state": verdict.state,
                    "broken": {one.limit: round(one.value, 4) for one in verdict.broken},
                }
                for verdict in self.failed
            ],
            "measure_cpu_s": round(self.cpu_s, 3),
        }
