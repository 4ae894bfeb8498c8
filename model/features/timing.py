"""The arithmetic of frames, samples and mel columns. No other module divides by a rate."""

import math

from heterodub.schemas.contract import FPS, MEL_COLUMNS_PER_FRAME, MEL_CONTEXT_COLUMNS, SAMPLE_RATE_HZ, SECTION_FRAMES

SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // FPS
"""Sound samples that belong to one video frame: 640."""


def frame_to_sample(frame: int) -> int:
    """Return the first sound sample of a video frame."""
    return frame * SAMPLES_PER_FRAME


def frame_to_second(frame: int) -> float:
    """Return the time at which a video frame starts, in seconds."""
    return frame / FPS


def seconds_to_frames(seconds: float) -> int:
    """Return the nearest whole number of video frames in a length of time."""
    return round(seconds * FPS)


def section_of(frame: int) -> int:
    """Return the number of the section of a film in which a video frame lies."""
    return frame // SECTION_FRAMES


def section_start(section: int) -> int:
    """Return the first video frame of a section of a film."""
    return section * SECTION_FRAMES


def frames_around(first_s: float, last_s: float) -> tuple[int, int]:
    """Return the half-open range of the fewest video frames whose starts enclose a span of time."""
    return math.floor(first_s * FPS), math.ceil(last_s * FPS) + 1


def mel_columns(frames: int) -> int:
    """Return the number of mel columns of `frames` frames."""
    return frames * MEL_COLUMNS_PER_FRAME


def mel_window(frame: int) -> tuple[int, int]:
    """Return the half-open range of mel columns (200 ms) centred on a frame's first column; may leave the clip."""
    centre = frame * MEL_COLUMNS_PER_FRAME
    return centre - MEL_CONTEXT_COLUMNS // 2, centre + MEL_CONTEXT_COLUMNS // 2
