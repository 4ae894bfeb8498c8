"""Comparison of a listing with the catalog: which files are new, were changed, or have other labels by now.

Both are put aside on disk and compared in parts of a bounded size, each the files whose addresses hash alike. Only
files that need work become records, so memory does not grow with what is known.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.reasons import FileState
from heterodub.schemas.records import RawFile
from heterodub.schemas.tables import CATALOG
from heterodub.tasks.ingestion.catalog import LABELS, RETRIED
from heterodub.tasks.sources.folder import gone
from heterodub.tasks.sources.listing import LISTING, listing_batches, raw_files
from heterodub.tasks.stores.row_spool import (
    PART_ROWS,
    RowSpool,
    UriSet,
    divided,
    part_count,
    places_of_first,
    uris_among,
)

CatalogBatches = Callable[[list[str]], Iterable[pa.RecordBatch]]
"""The catalog's rows, a few at a time, with some of its columns; read anew at each call."""

_COMPARED: Final = ["uri", "media_id", "stamp", "extractor", "offset_s", "state", "reason", *LABELS]
_KNOWN: Final = pa.schema([(name, CATALOG.field(name).type) for name in _COMPARED])
_WAS: Final = "was_"
"""Prefix of the catalog's columns beside those of the listing."""
_BESIDE: Final = pa.schema([*LISTING, *(each.with_name(_WAS + each.name) for each in _KNOWN)])


@dataclass(frozen=True, slots=True)
class IngestPlan:
    """Files that a run has to work on. `relabelled` are done, but have new labels now; `labelled` are the uris
    of files that are done and bear labels, with which labels of equal bytes must agree. speakers_lost: how many of
    `relabelled` had a speaker and have none now. taken_down: files that the source holds besides, of what a takedown
    bars by name.
    """

    fresh: tuple[RawFile, ...]
    relabelled: tuple[RawFile, ...]
    unchanged: int
    labelled: UriSet = field(default_factory=UriSet)
    speakers_lost: int = 0
    taken_down: int = 0

    @property
    def files(self) -> int:
        """Number of files that the source holds."""
        return len(self.fresh) + len(self.relabelled) + self.unchanged


def plan_run(
    files: Iterable[RawFile],
    catalog: CatalogBatches,
    extractor: str,
    retry_quarantined: bool,
    is_gone: Callable[[Iterable[str]], frozenset[str]] = gone,
) -> IngestPlan:
    """Sort the files of a source into those that need work and those that are done under this extractor.

    A file that is listed twice counts once, as it was listed first. A copy needs work again when the file that stood
    for its content may hold other bytes now, or is gone.
    """
    listing = RowSpool(LISTING)
    for batch in listing_batches(files):
        listing.add(batch)
    sorted_out, copies = _SortedOut(), RowSpool(_BESIDE)
    for listed, known in _parts(listing, catalog):
        rows = _beside(_first_of_each(listed), known)
        needs_work = _needs_work(rows, extractor, retry_quarantined)
        is_copy = pc.and_(pc.invert(needs_work), _is(rows[f"{_WAS}state"], FileState.DUPLICATE))
        sorted_out.add_fresh(rows.filter(needs_work))
        copies.add(rows.filter(is_copy))
        sorted_out.add_done(rows.filter(pc.invert(pc.or_(needs_work, is_copy))))
    if copies.rows:
        sound = _sound_contents(copies, listing, catalog, sorted_out.changed, is_gone)
        for batch in copies:
            is_sound = pc.is_in(batch[f"{_WAS}media_id"], value_set=sound)
            sorted_out.add_done(pa.table(batch.filter(is_sound)))
            sorted_out.add_fresh(pa.table(batch.filter(pc.invert(is_sound))))
    return sorted_out.plan()


class _SortedOut:
    """Files by what is to be done with them. changed: addresses that the catalog knows, and that need work."""

    def __init__(self) -> None:
        self.changed: set[str] = set()
        self._fresh: list[RawFile] = []
        self._relabelled: list[RawFile] = []
        self._labelled = UriSet()
        self._unchanged = self._lost = 0

    def add_fresh(self, rows: pa.Table) -> None:
        """Add files that need work."""
        self.changed.update(rows["uri"].filter(pc.is_valid(rows[f"{_WAS}uri"])).to_pylist())
        self._fresh.extend(raw_files(rows))

    def add_done(self, rows: pa.Table) -> None:
        """Add files that need none, but perhaps other labels."""
        if not rows.num_rows:
            return
        others = rows.filter(_any(_differ(rows[label], rows[_WAS + label]) for label in LABELS))
        self._relabelled.extend(raw_files(others))
        self._unchanged += rows.num_rows - others.num_rows
        self._lost += _count(pc.and_(pc.is_null(others["speaker"]), pc.is_valid(others[f"{_WAS}speaker"])))
        says = (_known(pc.not_equal(rows[label], "")) for label in LABELS if label != "corpus")
        self._labelled.add(rows["uri"].filter(_any(says)))

    def plan(self) -> IngestPlan:
        """All of them."""
        return IngestPlan(
            tuple(self._fresh), tuple(self._relabelled), self._unchanged, self._labelled, speakers_lost=self._lost
        )


def _needs_work(rows: pa.Table, extractor: str, retry_quarantined: bool) -> pa.ChunkedArray:
    """Tell of each file beside its row whether it must be read: it is new, changed, or worth another try."""
    is_new = pc.is_null(rows[f"{_WAS}uri"])
    changed = _any(
        (
            _differ(rows["stamp"], rows[f"{_WAS}stamp"]),
            pc.invert(_is(rows[f"{_WAS}extractor"], extractor)),
            _differ(rows["offset_s"], rows[f"{_WAS}offset_s"]),
        )
    )
    again = pc.and_(_is(rows[f"{_WAS}state"], FileState.QUARANTINED), pc.is_null(rows["refusal"]))
    if not retry_quarantined:
        again = pc.and_(again, pc.is_in(rows[f"{_WAS}reason"], value_set=pa.array(sorted(RETRIED), pa.string())))
    return _any((is_new, changed, again))


def _sound_contents(
    copies: RowSpool,
    listing: RowSpool,
    catalog: CatalogBatches,
    changed: set[str],
    is_gone: Callable[[Iterable[str]], frozenset[str]],
) -> pa.Array:
    """Find the contents of these copies for which a file still stands: it is not to be read anew, and is there."""
    media = pc.unique(pa.chunked_array([batch[f"{_WAS}media_id"] for batch in copies]))
    standing = pa.Table.from_batches(
        [
            batch.select(["uri", "media_id"]).filter(
                pc.and_(
                    pc.is_in(batch["media_id"], value_set=media),
                    pc.invert(_is(batch["state"], FileState.DUPLICATE)),
                )
            )
            for batch in catalog(["uri", "media_id", "state"])
        ]
    )
    standing = standing.filter(pc.invert(pc.is_in(standing["uri"], value_set=_texts(changed))))
    newest = standing.take(pa.array(np.arange(standing.num_rows)[::-1]))  # of several the last one stands
    newest = newest.take(places_of_first(newest["media_id"].combine_chunks()))
    uris = set(newest["uri"].to_pylist())
    lost = is_gone(uris - uris_among(listing, uris))
    return newest["media_id"].filter(pc.invert(pc.is_in(newest["uri"], value_set=_texts(lost)))).combine_chunks()


def _beside(listed: pa.Table, known: Iterable[pa.RecordBatch]) -> pa.Table:
    """Return listed files beside their rows of the catalog, with nulls where there is none."""
    uris = listed["uri"].combine_chunks()
    hits = [rows.filter(pc.is_in(rows["uri"], value_set=uris)) for rows in _large(known)]
    rows = pa.concat_tables([_KNOWN.empty_table(), *hits]).combine_chunks()
    places = pc.index_in(uris, value_set=rows["uri"].combine_chunks())
    beside = rows.take(places)
    return pa.Table.from_arrays([*listed.columns, *beside.columns], schema=_BESIDE)


def _large(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield rows of the catalog, many at a time: each look-up among them costs as much as the listed files."""
    gathered: list[pa.RecordBatch] = []
    for batch in batches:
        gathered.append(batch.select(_KNOWN.names).cast(_KNOWN))
        if sum(each.num_rows for each in gathered) >= PART_ROWS:
            yield pa.Table.from_batches(gathered)
            gathered = []
    if gathered:
        yield pa.Table.from_batches(gathered)


def _first_of_each(listed: pa.Table) -> pa.Table:
    places = places_of_first(listed["uri"].combine_chunks())
    return listed if len(places) == listed.num_rows else listed.take(places)


def _parts(listing: RowSpool, catalog: CatalogBatches) -> Iterator[tuple[pa.Table, Iterable[pa.RecordBatch]]]:
    """Yield listed files, a bounded number at a time, each with rows of the catalog among which theirs are."""
    count = part_count(listing.rows)
    if count == 1:
        yield listing.table(), catalog(_COMPARED)
        return
    files, rows = divided(listing, LISTING, count), divided(catalog(_COMPARED), _KNOWN, count)
    for part, beside in zip(files, rows, strict=True):
        yield part.table(), beside


def _is(values: pa.ChunkedArray, wanted: str) -> pa.ChunkedArray:
    return _known(pc.equal(values, str(wanted)))


def _differ(now: pa.ChunkedArray, was: pa.ChunkedArray) -> pa.ChunkedArray:
    """Tell whether values differ; null is a value like another."""
    same = pc.or_(_known(pc.equal(now, was)), pc.and_(pc.is_null(now), pc.is_null(was)))
    return pc.invert(same)


def _known(flags: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(flags, False)


def _any(columns: Iterable[pa.ChunkedArray]) -> pa.ChunkedArray:
    first, *others = columns
    for flags in others:
        first = pc.or_(first, flags)
    return first


def _count(flags: pa.ChunkedArray) -> int:
    return int(pc.sum(flags).as_py() or 0)


def _texts(values: Iterable[str]) -> pa.Array:
    return pa.array(sorted(values), pa.string())
