"""Counts and durations in sentences."""


def counted(count: int, what: str) -> str:
    """Format a count: "1 clip", "2 clips"."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def duration(seconds: float) -> str:
    """Format a duration with a unit: "90 s", "2 min", "1.5 h". Own code: humanize rounds to whole hours, or writes
    sentences.
    """
    if seconds <= 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
