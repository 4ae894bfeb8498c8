"""Choice of the clips that the page shows as thumbnails and in detail."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from heterodub.tasks.identity.units import counted_as
from heterodub.tasks.inspect.routes import Route, route_numbers
from heterodub.tasks.stores.tables import in_order

Places = NDArray[np.int64]
"""Numbers of rows, in ascending order."""

_STAGES: Final = ("stage1", "stage2")
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


def choose(clips: pa.Table, requested: Iterable[str]) -> Choice:
    """Choose among rows of `clips` with clip_id, speaker, person, stage1, stage2 and reasons; the same rows give the
    same choice. `requested` clips are shown in detail.
    """
    # clip ids are hashes, so their order is random and the same in every run
    shuffled = in_order(clips, ["clip_id"])
    routes = {str(route): np.flatnonzero(route_numbers(shuffled) == number) for number, route in enumerate(Route)}
    reasons = _by_reason(shuffled)
    picker = _Picker(shuffled)
    details = picker.details([*routes.values(), *reasons.values()], requested)
    by_route = {route: picker.examples(places, _PER_ROUTE) for route, places in routes.items()}
    by_reason = {key: picker.examples(places, _PER_REASON) for key, places in reasons.items()}
    thumbnails = dict.fromkeys(
        [*details, *(clip for group in (by_route, by_reason) for ids in group.values() for clip in ids)]
    )
    for clip in shuffled["clip_id"].slice(0, _THUMBNAILS).to_pylist():
        if len(thumbnails) >= _THUMBNAILS:
            break
        thumbnails.setdefault(clip)
    return Choice(by_route, by_reason, frozenset(thumbnails), details)


def _by_reason(clips: pa.Table) -> dict[tuple[str, str], Places]:
    """Return the clips that each stage refuses for each reason, in the order in which the reasons come up."""
    found: list[tuple[tuple[int, int, int], tuple[str, str], Places]] = []
    for number, stage in enumerate(_STAGES):
        lists = clips[f"{stage}_reasons"].combine_chunks()
        clip = pc.list_parent_indices(lists).to_numpy()
        codes = pc.list_flatten(lists).dictionary_encode()
        code = codes.indices.to_numpy()
        for each, reason in enumerate(codes.dictionary.to_pylist()):
            at = np.flatnonzero(code == each)
            found.append(((int(clip[at[0]]), number, int(at[0])), (stage, reason), clip[at].astype(np.int64)))
    return {key: places for _, key, places in sorted(found, key=lambda entry: entry[0])}


class _Picker:
    """Chooses among clips by their places in a table."""

    def __init__(self, clips: pa.Table) -> None:
        self._ids = clips["clip_id"]
        self._speaker = counted_as(clips).dictionary_encode().indices.to_numpy()

    def examples(self, places: Places, count: int) -> tuple[str, ...]:
        """Return up to `count` clips, of different people as far as there are so many."""
        firsts = np.sort(np.unique(self._speaker[places], return_index=True)[1])[:count]
        others = np.setdiff1d(np.arange(min(2 * count, len(places))), firsts)[: count - len(firsts)]
        return self._named(places[np.concatenate([firsts, others])])

    def details(self, groups: Sequence[Places], requested: Iterable[str]) -> tuple[str, ...]:
        """Pick two clips of every group; a clip that was picked for one group counts for all it belongs to."""
        asked = [*dict.fromkeys(requested)]
        at = pc.index_in(pa.array(asked, pa.string()), self._ids) if asked else pa.array([], pa.int32())
        picked = dict.fromkeys(at.drop_null().to_pylist())
        limit = len(asked) + _DETAILS
        chosen = dict.fromkeys(asked)
        for places in groups:
            missing = max(_DETAILS_PER_GROUP - _count_among(places, [*picked]), 0)
            first = [place for place in places[: len(picked) + missing].tolist() if place not in picked]
            for place in first[:missing]:
                if len(chosen) < limit:
                    picked[place] = None
                    chosen[self._ids[place].as_py()] = None
        return tuple(chosen)

    def _named(self, places: Places) -> tuple[str, ...]:
        return tuple(self._ids[place].as_py() for place in places.tolist())


def _count_among(places: Places, some: Sequence[int]) -> int:
    at = np.searchsorted(places, some)
    there = at < len(places)
    return int((places[at[there]] == np.array(some, np.int64)[there]).sum())
