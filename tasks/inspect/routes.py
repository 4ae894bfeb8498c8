"""The four routes of a clip: to both stages, to one of them, to none."""

from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


class Route(StrEnum):
    """Route of a clip."""

    BOTH = "both"
    STAGE1 = "stage1"
    STAGE2 = "stage2"
    REJECTED = "rejected"


def route_of(stage1: bool, stage2: bool) -> Route:
    """Return the route of a clip that these stages admit."""
    return (Route.REJECTED, Route.STAGE1, Route.STAGE2, Route.BOTH)[stage1 + 2 * stage2]


def takes(route: Route) -> Any:
    """Return a filter on the columns stage1 and stage2 for the clips of a route."""
    return (pc.field("stage1") == (route in (Route.BOTH, Route.STAGE1))) & (
        pc.field("stage2") == (route in (Route.BOTH, Route.STAGE2))
    )


def count_routes(clips: pa.Table) -> dict[str, int]:
    """Count the clips of every route; `clips` has columns stage1 and stage2."""
    return {str(route): clips.filter(takes(route)).num_rows for route in Route}
