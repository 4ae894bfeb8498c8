"""The four routes of a clip: to both stages, to one of them, to none."""

from collections.abc import Iterator
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from heterodub.tasks.stores.where import RowCondition, is_set


class Route(StrEnum):
    """Route of a clip."""

    BOTH = "both"
    STAGE1 = "stage1"
    STAGE2 = "stage2"
    REJECTED = "rejected"


def route_of(stage1: bool, stage2: bool) -> Route:
    """Return the route of a clip that these stages admit."""
    return (Route.REJECTED, Route.STAGE1, Route.STAGE2, Route.BOTH)[stage1 + 2 * stage2]


def takes(route: Route) -> RowCondition:
    """Return a condition for the clips of a route."""
    return is_set("stage1", route in (Route.BOTH, Route.STAGE1)) & is_set("stage2", route in (Route.BOTH, Route.STAGE2))


def route_numbers(clips: pa.Table) -> NDArray[np.int64]:
    """Return the place of each clip's route in Route; `clips` has columns stage1 and stage2."""
    first, second = (clips[stage].to_numpy().astype(np.int64) for stage in ("stage1", "stage2"))
    return np.asarray(np.array([3, 1, 2, 0])[first + 2 * second], np.int64)


def count_routes(clips: pa.Table) -> dict[str, int]:
    """Count the clips of every route; `clips` has columns stage1 and stage2."""
    return {str(route): len(chosen) for route, chosen in _divided(clips, "stage1")}


def count_routes_by(clips: pa.Table, column: str) -> dict[str, dict[str, int]]:
    """Count the clips of every route for each value of a column; `clips` has columns stage1 and stage2, too."""
    counts: dict[str, dict[str, int]] = {}
    for route, chosen in _divided(clips, column):
        for entry in pc.value_counts(chosen).to_pylist():
            counts.setdefault(entry["values"], dict.fromkeys(map(str, Route), 0))[str(route)] = entry["counts"]
    return counts


def _divided(clips: pa.Table, column: str) -> Iterator[tuple[Route, pa.ChunkedArray]]:
    """Yield each route with its clips' values of a column. By masks, for expressions load pandas."""
    for route in Route:
        first, second = (
            clips[stage] if route in (Route.BOTH, alone) else pc.invert(clips[stage])
            for stage, alone in (("stage1", Route.STAGE1), ("stage2", Route.STAGE2))
        )
        yield route, clips[column].filter(pc.and_(first, second))
