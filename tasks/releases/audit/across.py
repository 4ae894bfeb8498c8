"""Rows that may contradict each other, within a table or between tables: found among hashes of all rows, then fetched.

A pass over narrow columns of `catalog` and `clips` keeps 8 bytes a row, an id's hash and its split. Payload is not
opened: the sum of the hashes of its rows, which is known of each file, is to be that of the clips that are admitted.
What this cannot rule out (two hashes that are equal by chance, too) is a suspect, whose rows are read and judged.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.reasons import ClipReason, FileState
from heterodub.schemas.tables import NEAR_PAIRS
from heterodub.tasks.identity.units import with_units
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.delta import DataFile
from heterodub.tasks.stores.parquet import PAYLOAD, read_files
from heterodub.tasks.stores.workspace import Workspace

from .ahead import map_ahead
from .row_hashes import IDENTITY, SPLIT_BITS, Hashes, hash_rows, hash_texts, is_any_of, sum_of

CLIP_COLUMNS: Final = [
    *IDENTITY, "speaker", "person_found", "split_group", "split", "extractor", "stage1", "stage2", "stage1_reasons",
]  # fmt: skip
PAIR: Final = ["clip_id", "other_id"]
_CATALOG_COLUMNS: Final = ["uri", "media_id", "state"]
_COMMON: Final = ("extractor", "backend")
_KEYS: Final = {"clips": "clip_id", "speakers": "speaker", "groups": "split_group", "media": "media_id"}
"""Column whose hashes name the suspects of a kind."""

_NONE, _OTHER = np.uint64(0), np.uint64(4)
_SPLITS: Final = pa.array(["train", "val", "test"])
"""Codes of splits, beside a hash: 0 without one, 1 to 3, and 4 for one that is unknown."""


@dataclass(frozen=True, slots=True)
class Suspects:
    """Hashes, in ascending order, of what rows that may contradict others have in common. payload: clips that a stage
    and `clips` may not both have, or not alike. common: the value that most clips have of a column of which all should
    have the same; of those of which they do not.
    """

    uris: Hashes
    clips: Hashes
    speakers: Hashes
    groups: Hashes
    media: Hashes
    payload: Mapping[str, Hashes]
    common: Mapping[str, str]

    @property
    def has_clips(self) -> bool:
        """True if rows of `clips` or payload are among them."""
        named = (self.clips, self.speakers, self.groups, self.media, *self.payload.values())
        return bool(self.common) or any(map(len, named))

    def among(self, rows: pa.Table) -> pa.Array:
        """Return True for each row of `clips` that is one."""
        rows = with_units(rows)
        odd = np.zeros(rows.num_rows, bool)
        for kind, column in _KEYS.items():
            odd |= is_any_of(hash_texts(rows[column]), getattr(self, kind))
        for hashes in self.payload.values():
            odd |= is_any_of(hash_texts(rows["clip_id"]), hashes)
        for column, value in self.common.items():
            odd |= pc.fill_null(pc.not_equal(rows[column], value), True).to_numpy()
        return pa.array(odd)


@dataclass
class _Pass:
    """Values that a pass over all rows keeps."""

    uris: list[Hashes] = field(default_factory=list)
    measured: list[Hashes] = field(default_factory=list)
    clips: list[Hashes] = field(default_factory=list)
    speakers: list[Hashes] = field(default_factory=list)
    groups: list[Hashes] = field(default_factory=list)
    media: list[Hashes] = field(default_factory=list)
    admitted: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PAYLOAD, 0))
    values: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in _COMMON})

    def add_catalog(self, rows: pa.Table) -> None:
        self.uris.append(hash_texts(rows["uri"]))
        is_measured = pc.equal(rows["state"], FileState.MEASURED.value)
        self.measured.append(np.unique(hash_texts(rows["media_id"].filter(is_measured).drop_null())))

    def add_clips(self, rows: pa.Table) -> None:
        splits = _split_codes(rows)
        counts = np.where(_is_refused(rows), _NONE, splits)  # a refused clip may have near-copies in other splits
        self.clips.append(hash_texts(rows["clip_id"]) | counts)
        self.speakers.append(_with_splits(rows["speaker"], splits))
        self.groups.append(_with_splits(rows["split_group"], splits))
        self.media.append(np.unique(hash_texts(rows["media_id"])))
        for stage in PAYLOAD:
            self.admitted[stage] = sum_of(hash_rows(rows.filter(rows[stage])), self.admitted[stage])
        for name, counter in self.values.items():
            for pair in pc.value_counts(rows[name]).to_pylist():
                counter[pair["values"]] += pair["counts"]


def find_suspects(
    ws: Workspace, files: Mapping[str, Sequence[DataFile]], payload_sums: Mapping[str, Iterable[int]]
) -> Suspects:
    """Compare all rows of catalog, clips and payload. payload_sums: sums of the hashes of each stage's files.

    Raises: NotFoundError - a file is gone. WorkspaceError - one is damaged.
    """
    seen = _Pass()
    for rows in _read(ws, "catalog", files["catalog"], _CATALOG_COLUMNS):
        seen.add_catalog(rows)
    for rows in _read(ws, "clips", files["clips"], CLIP_COLUMNS):
        seen.add_clips(with_units(rows))
    clips = np.sort(_joined(seen.clips))
    twice = _repeated(clips & ~SPLIT_BITS)
    near = _apart(clips, tables.read_any(ws, "near_pairs", PAIR))
    unmatched = {}
    for stage in PAYLOAD:
        if len(twice) or sum(payload_sums[stage]) % 2**64 != seen.admitted[stage]:
            unmatched[stage] = np.union1d(_unmatched(ws, stage, files), twice)
    common = {name: _most_common(values) for name, values in seen.values.items() if len(values) > 1}
    media, measured = np.unique(_joined(seen.media)), np.unique(_joined(seen.measured))
    return Suspects(
        uris=_repeated(np.sort(_joined(seen.uris))),
        clips=np.unique(np.concatenate([twice, near])),
        speakers=_in_several_splits(seen.speakers),
        groups=_in_several_splits(seen.groups),
        media=media[~is_any_of(media, measured)],
        payload=unmatched,
        common=common,
    )


def _read(ws: Workspace, table: str, files: Iterable[DataFile], columns: list[str]) -> Iterator[pa.Table]:
    return map_ahead(lambda file: read_files(ws, table, (file,), columns, None), files)


def rows_where(
    ws: Workspace, table: str, files: Iterable[DataFile], columns: list[str], chosen: Callable[[pa.Table], pa.Array]
) -> pa.Table:
    """Read the rows of a table that are chosen, file by file."""
    pieces = (rows.filter(chosen(rows)) for rows in _read(ws, table, files, columns))
    return pa.concat_tables([read_files(ws, table, (), columns, None), *pieces]).combine_chunks()


def is_hashed(column: str, hashes: Hashes) -> Callable[[pa.Table], pa.Array]:
    """Return a choice of the rows whose value of a column has one of the hashes."""
    return lambda rows: pa.array(is_any_of(hash_texts(rows[column]), hashes))


def pairs_of(ws: Workspace, clips: Collection[str]) -> pa.Table:
    """Return the near-copies of which either is among some clips."""
    if not clips:
        return NEAR_PAIRS.empty_table().select(PAIR)
    ids = pa.array(sorted(clips), pa.string())
    return tables.read_any(ws, "near_pairs", PAIR, pc.field("clip_id").isin(ids) | pc.field("other_id").isin(ids))


def _unmatched(ws: Workspace, stage: str, files: Mapping[str, Sequence[DataFile]]) -> Hashes:
    """Return the clips of rows that either a stage or its admitted clips do not have, or have twice."""
    admitted = [rows.filter(rows[stage]) for rows in _read(ws, "clips", files["clips"], [*IDENTITY, stage])]
    stored = list(_read(ws, stage, files[stage], IDENTITY))
    one, other = (_ids_and_rows(pieces) for pieces in (admitted, stored))
    odd = [ids[~is_any_of(rows, np.unique(of))] for (ids, rows), (_, of) in ((one, other), (other, one))]
    again = [_repeated(np.sort(ids)) for ids, _ in (one, other)]
    return np.unique(np.concatenate([*odd, *again]))


def _ids_and_rows(pieces: Iterable[pa.Table]) -> tuple[Hashes, Hashes]:
    hashed = [(hash_texts(rows["clip_id"]), hash_rows(rows)) for rows in pieces]
    return _joined([ids for ids, _ in hashed]), _joined([rows for _, rows in hashed])


def _apart(clips: Hashes, pairs: pa.Table) -> Hashes:
    """Return the clips of pairs whose splits differ. clips: in ascending order, with the bits of their splits."""
    ends = [hash_texts(pairs[name]) for name in PAIR]
    splits = [_split_of(hashes, clips) for hashes in ends]
    apart = (splits[0] != splits[1]) & (splits[0] != _NONE) & (splits[1] != _NONE)
    apart |= (splits[0] == _OTHER) & (splits[1] == _OTHER)
    return np.unique(np.concatenate([hashes[apart] for hashes in ends]))


def _split_of(hashes: Hashes, clips: Hashes) -> Hashes:
    """Return the split of each clip; 0 for one that is not stored, or has none."""
    if not len(clips):
        return np.zeros(len(hashes), np.uint64)
    found = clips[np.minimum(np.searchsorted(clips, hashes), len(clips) - 1)]
    return np.where(_bare(found) == hashes, found & SPLIT_BITS, _NONE)


def _in_several_splits(parts: list[Hashes]) -> Hashes:
    named = np.unique(_joined(parts))
    return np.unique(np.concatenate([_repeated(_bare(named)), _bare(named[named & SPLIT_BITS == _OTHER])]))


def _with_splits(column: pa.ChunkedArray, splits: Hashes) -> Hashes:
    """Return the hashes of a column with the splits they were seen in, each once; of rows that have both."""
    there = pc.is_valid(column).to_numpy() & (splits != _NONE)
    return np.unique(hash_texts(column)[there] | splits[there])


def _split_codes(rows: pa.Table) -> Hashes:
    places = pc.index_in(rows["split"].combine_chunks(), value_set=_SPLITS)
    codes = pc.if_else(pc.is_valid(rows["split"]), pc.add(pc.fill_null(places, 3), 1), 0)
    return np.asarray(codes.combine_chunks() if isinstance(codes, pa.ChunkedArray) else codes).astype(np.uint64)


def _is_refused(rows: pa.Table) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    reasons = rows["stage1_reasons"].combine_chunks()
    hit = pc.equal(reasons.flatten(), ClipReason.STRADDLES_SPLITS.value)
    refused = np.zeros(rows.num_rows, bool)
    refused[pc.list_parent_indices(reasons).filter(hit).to_numpy()] = True
    return refused


def _most_common(values: Counter[str]) -> str:
    return min(values, key=lambda value: (-values[value], value))


def _bare(hashes: Hashes) -> Hashes:
    return hashes & ~SPLIT_BITS


def _repeated(ordered: Hashes) -> Hashes:
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def _joined(parts: Collection[Hashes]) -> Hashes:
    return np.concatenate([np.zeros(0, np.uint64), *parts])
