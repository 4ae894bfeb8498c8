"""Strata: parts of the clips by which scores, promotions and the report look at footage of one kind.

A clip falls into one stratum of each factor. Everything that speaks of strata takes them from here.

Sources of the bounds. Face size: 90 px is stage 2's limit in the default policy; 160 px fill the 256 px crop of the
preset `paper`, since a crop's side is 1.6 face heights (median of 272 clips of real footage; 5 to 95 %: 1.55 to 1.70).
Head pose: the cameras of Multi-PIE stand 15 degrees apart (Ralph Gross et al., Multi-PIE, Image and Vision
Computing, 2010), and 30 degrees end the first part of AFLW2000-3D (Xiangyu Zhu et al., Face Alignment Across Large
Poses, CVPR 2016). Nods are no factor: in the same footage stage 2 admits none beyond 18 degrees.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .licences import UNSTATED

UNMEASURED: Final = "not measured"

UNKNOWN_SPEAKER: Final = "file:"
"""Beginning of the name that stands for the speaker of a file whose manifest states none."""


@dataclass(frozen=True, slots=True)
class StratumFactor:
    """A property that divides clips into strata.

    column: of `clips` with the `language` of the clip's file in `catalog`. bounds: of a measured property, each the
    first value of the next stratum; of a stated one there are none. unit: of the bounds.
    """

    name: str
    column: str
    meaning: str
    bounds: tuple[float, ...] = ()
    unit: str = ""

    @property
    def bins(self) -> tuple[str, ...]:
        """Strata of a measured property, in ascending order."""
        if not self.bounds:
            return ()
        between = zip(self.bounds, self.bounds[1:], strict=False)
        return (
            f"below {self.bounds[0]:g} {self.unit}",
            *(f"{low:g} to {high:g} {self.unit}" for low, high in between),
            f"from {self.bounds[-1]:g} {self.unit}",
        )

    def stratum(self, value: Any) -> str:
        """Return the stratum of a value of the column."""
        if self.bounds:
            return UNMEASURED if value is None else self.bins[bisect_right(self.bounds, value)]
        if self.column == "speaker":
            return "unknown" if value is None or value.startswith(UNKNOWN_SPEAKER) else "known"
        return value or UNSTATED


FACTORS: Final = (
    StratumFactor("language", "language", "language, as stated"),
    StratumFactor("face_size", "face_height_px", "height of the face, brows to chin", (90, 160), "px"),
    StratumFactor("head_pose", "yaw_deg", "turn of the head, left or right", (15, 30), "deg"),
    StratumFactor("corpus", "corpus", "corpus of the file"),
    StratumFactor("licence", "licence", "licence, as stated"),
    StratumFactor("speaker", "speaker", "known where the speaker is stated"),
)

FACTOR_NAMES: Final = tuple(factor.name for factor in FACTORS)

Strata = Mapping[str, str]
"""Strata of a clip: by the name of the factor."""

ClipStrata = Mapping[str, Strata]
"""Strata of clips, by clip id."""


def strata_of(row: Mapping[str, Any]) -> Strata:
    """Return the strata of a clip, from its row with every factor's column."""
    return {factor.name: factor.stratum(row[factor.column]) for factor in FACTORS}


def clips_by_stratum(strata: ClipStrata) -> Iterator[tuple[str, str, list[str]]]:
    """Yield factor, stratum and ids of the clips in it; factors in their order, bins ascending, others by name."""
    for factor in FACTORS:
        members: dict[str, list[str]] = {}
        for clip_id, of_clip in sorted(strata.items()):
            members.setdefault(of_clip[factor.name], []).append(clip_id)
        order = {name: number for number, name in enumerate(factor.bins)}
        for stratum in sorted(members, key=lambda name: (order.get(name, len(order)), name)):
            yield factor.name, stratum, members[stratum]
