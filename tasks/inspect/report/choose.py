"""Choice of the clips that the page shows as thumbnails and in detail."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from heterodub.tasks.inspect.routes import Route, route_of

Row = Mapping[str, Any]

_PER_ROUTE, _PER_REASON = 10, 6
_THUMBNAILS: Final = 360
"""Thumbnails on a page: 3 kB each, so about 1.5 MB."""

_DETAILS_PER_GROUP: Final = 2
_DETAILS: Final = 40
"""Clips that are picked for detail; requested ones come on top."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Clip ids: examples by route, examples by (stage, reason), thumbnails of any kind, and clips shown in detail."""

    by_route: Mapping[str, tuple[str, ...]]
    by_reason: Mapping[tuple[str, str], tuple[str, ...]]
    thumbnails: frozenset[str]
    details: tuple[str, ...]

    @property
    def shown(self) -> frozenset[str]:
        """Every clip that needs a picture."""
        return self.thumbnails | frozenset(self.details)


def choose(clips: Sequence[Row], requested: Iterable[str]) -> Choice:
    """Choose among rows of `clips`; the same rows give the same choice. `requested` clips are shown in detail."""
    # clip ids are hashes, so their order is random and the same in every run
    shuffled = sorted(clips, key=lambda row: row["clip_id"])
    routes: dict[str, list[Row]] = {str(route): [] for route in Route}
    reasons: dict[tuple[str, str], list[Row]] = {}
    for row in shuffled:
        routes[str(route_of(row["stage1"], row["stage2"]))].append(row)
        for stage in ("stage1", "stage2"):
            for reason in row[f"{stage}_reasons"]:
                reasons.setdefault((stage, reason), []).append(row)
    details = _details([*routes.values(), *reasons.values()], requested)
    by_route = {route: _examples(rows, _PER_ROUTE) for route, rows in routes.items()}
    by_reason = {key: _examples(rows, _PER_REASON) for key, rows in reasons.items()}
    thumbnails = dict.fromkeys(
        [*details, *(clip for group in (by_route, by_reason) for ids in group.values() for clip in ids)]
    )
    for row in shuffled:
        if len(thumbnails) >= _THUMBNAILS:
            break
        thumbnails.setdefault(row["clip_id"])
    return Choice(by_route, by_reason, frozenset(thumbnails), details)


def _examples(rows: Sequence[Row], count: int) -> tuple[str, ...]:
    """Return up to `count` clips, of different people as far as there are so many."""
    firsts: dict[str, Row] = {}
    for row in rows:
        firsts.setdefault(row["speaker"], row)
        if len(firsts) == count:
            break
    ids = [row["clip_id"] for row in firsts.values()]
    others = (row["clip_id"] for row in rows if row["clip_id"] not in ids)
    return (*ids, *islice(others, count - len(ids)))


def _details(groups: Sequence[Sequence[Row]], requested: Iterable[str]) -> tuple[str, ...]:
    """Pick two clips of every group; a clip that was picked for one group counts for all it belongs to."""
    picked = dict.fromkeys(requested)
    limit = len(picked) + _DETAILS
    for group in groups:
        ids = [row["clip_id"] for row in group]
        missing = _DETAILS_PER_GROUP - sum(clip in picked for clip in ids)
        for clip in [clip for clip in ids if clip not in picked][: max(missing, 0)]:
            if len(picked) < limit:
                picked[clip] = None
    return tuple(picked)
