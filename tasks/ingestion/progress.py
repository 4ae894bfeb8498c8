"""Counts of an ingest while it runs."""

from collections import Counter
from dataclasses import dataclass, field

_ROUTES = ("both", "stage1", "stage2", "rejected")


@dataclass(slots=True)
class Tally:
    """Counts of a run so far, and the work ahead. reasons: "file: no_face", "stage1: noisy", ..."""

    files: int = 0
    files_done: int = 0
    bytes: int = 0
    bytes_done: int = 0
    media_s: float = 0.0
    states: Counter[str] = field(default_factory=Counter)
    routes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        """Share of the work that is done, 0 to 1; by bytes, since large files come first."""
        return self.bytes_done / max(1, self.bytes)

    @property
    def routes_text(self) -> str:
        """Clips of each route, in words."""
        return "  ".join(f"{route} {self.routes[route]}" for route in _ROUTES)
