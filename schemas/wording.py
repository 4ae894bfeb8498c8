"""Numbers in sentences."""


def counted(count: int, what: str) -> str:
    """Format a count: "1 clip", "2 clips"."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
