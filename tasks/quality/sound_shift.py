"""Frames by which late sound is moved when stage 1 is written. Light: commands that only route import this."""

from typing import Final

CORRECTABLE_FRAMES: Final = 6
"""Offsets up to 240 ms are searched and can be corrected; the same limit as in others' sync filters."""

_WELL_MEASURED: Final = 3.0
"""Score from which an offset is trusted enough to move the sound by it: of 100 clips from here on whose sound was made
0.2 s later, the offset of each followed within a frame (docs/policy.md)."""

_LEAST_CORRECTION: Final = 2
"""Smaller offsets lie within the measure's own error on clean clips and are left alone."""


def correction_frames(score: float | None, offset_frames: float | None) -> int:
    """Frames by which the sound is moved earlier when stage 1 is written; 0 unless well measured and small."""
    if score is None or offset_frames is None or score < _WELL_MEASURED:
        return 0
    offset = round(offset_frames)
    return offset if _LEAST_CORRECTION <= abs(offset) <= CORRECTABLE_FRAMES else 0
