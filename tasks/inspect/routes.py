"""The four routes of a clip: to both stages, to one of them, to none."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


class Route(StrEnum):
    """Route of a clip."""

    BOTH = "both"
    STAGE1 = "stage1"
    STAGE2 = "stage2"
    REJECTED = "rejected"


_NUMBERED: Final = (Route.REJECTED, Route.STAGE1, Route.STAGE2, Route.BOTH)


def route_of(stage1: bool, stage2: bool) -> Route:
    """Return the route of a clip that these stages admit."""
    return _NUMBERED[stage1 + 2 * stage2]


def takes(route: Route) -> Any:
    """Return a filter on the columns stage1 and stage2 for the clips of a route."""
    return (pc.field("stage1") == (route in (Route.BOTH, Route.STAGE1))) & (
        pc.field("stage2") == (route in (Route.BOTH, Route.STAGE2))
    )


def count_routes(clips: pa.Table) -> dict[str, int]:
    """Count the clips of every route; `clips` has columns stage1 and stage2."""
    counts = np.bincount(_numbers(clips), minlength=len(_NUMBERED)).tolist()
    return _by_name(counts)


def count_routes_by(clips: pa.Table, column: str) -> dict[str, dict[str, int]]:
    """Count the clips of every route for each value of a column of text."""
    # by numpy, for pyarrow's group_by loads pandas first, which takes longer than the rest of an answer
    groups = clips[column].combine_chunks().dictionary_encode()
    codes = groups.indices.to_numpy(zero_copy_only=False).astype(np.int64) * len(_NUMBERED) + _numbers(clips)
    counts = np.bincount(codes, minlength=len(groups.dictionary) * len(_NUMBERED)).reshape(-1, len(_NUMBERED))
    return dict(zip(groups.dictionary.to_pylist(), map(_by_name, counts.tolist()), strict=True))


def _by_name(counts: Sequence[int]) -> dict[str, int]:
    by_route = dict(zip(_NUMBERED, counts, strict=True))
    return {str(route): by_route[route] for route in Route}


def _numbers(clips: pa.Table) -> NDArray[np.int64]:
    """Return the place of each clip's route in _NUMBERED."""
    stage1, stage2 = (clips[name].to_numpy().astype(np.int64) for name in ("stage1", "stage2"))
    return np.asarray(stage1 + 2 * stage2)
