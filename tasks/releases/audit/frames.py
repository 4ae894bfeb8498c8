"""Narrow frames of the stored tables, one row per stored row, on which expectations are evaluated.

Payload is streamed a few clips at a time and only counted, so memory does not grow with the corpus.
"""

import html
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from heterodub.schemas.contract import LANDMARK_POINTS, MEL_BANDS, MEL_COLUMNS_PER_FRAME, SENONES
from heterodub.schemas.expectations import row_columns
from heterodub.schemas.reasons import ClipReason, FileState, MissingCause
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.schemas.tables import CLIPS
from heterodub.tasks.releases.speakers import refused_clips
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.delta import DataFile
from heterodub.tasks.stores.workspace import Workspace

Size = tuple[int, int]


def picture_size(data: bytes) -> Size | None:
    """Read width and height of a JPEG, PNG or WebP picture in pixels; None if it is none of these or is cut off."""
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    return None


def _jpeg(data: bytes) -> Size | None:
    if not data.rstrip(b"\x00").endswith(b"\xff\xd9"):  # the end marker: without it the picture is cut off
        return None
    for marker, start in _segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and start + 7 <= len(data):
            height, width = struct.unpack_from(">HH", data, start + 3)
            return (width, height) if width and height else None
    return None


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield marker and start of each segment before the picture itself."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == 0xDA:
            return
        yield marker, at + 2
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]


def _png(data: bytes) -> Size | None:
    if len(data) < 45 or data[12:16] != b"IHDR" or data[-8:-4] != b"IEND":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return (width, height) if width and height else None


def _webp(data: bytes) -> Size | None:
    if len(data) < 30 or struct.unpack_from("<I", data, 4)[0] + 8 > len(data):
        return None
    form = data[12:16]
    if form == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if form == b"VP8L" and data[20] == 0x2F:
        bits = struct.unpack_from("<I", data, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if form == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    return None


_REASONS: Final = frozenset(reason.value for reason in ClipReason)
_CAUSES: Final = frozenset(cause.value for cause in MissingCause)
_HASHES: Final = ("picture_hash", "sound_hash", "face_motion")
_PAIR: Final = ["clip_id", "other_id"]
_NARROW: Final = {
    "stage1": ["clip_id", "media_id", "backend", "frames"],
    "stage2": ["clip_id", "media_id", "backend", "frames", "crop_px"],
}


def all_frames(
    ws: Workspace, versions: Mapping[str, int], audited: Mapping[str, Collection[tuple[str, int]]]
) -> dict[str, pd.DataFrame]:
    """Build the narrow frame of each audited table.

    `audited` names payload files, by name and size, whose payload was counted for an earlier release: they are
    not opened for it again. What compares rows with each other or with other tables always covers all rows.

    Raises: NotFoundError - there is no such version.
    """
    catalog = _catalog(tables.read(ws, "catalog", [*row_columns("catalog"), "media_id"], versions["catalog"]))
    stored = tables.read(ws, "clips", [name for name in CLIPS.names if name not in _HASHES], versions["clips"])
    stages = {
        table: _payload(ws, table, versions[table], audited.get(table, ()), stored) for table in ("stage1", "stage2")
    }
    measured = _measured_media(ws, versions["catalog"])
    payload_clips = {table: set(frame["clip_id"]) for table, frame in stages.items()}
    clips = _clips(stored, measured, payload_clips)
    clips["near_in_other_splits"] = _near_in_other_splits(stored, tables.read_any(ws, "near_pairs", _PAIR))
    return {"catalog": catalog, "clips": clips, **stages}


def _near_in_other_splits(clips: pa.Table, pairs: pa.Table) -> "pd.Series[int]":
    """Count for each clip its near-copies in other splits; refused ones do not count, and have none."""
    rows = clips.filter(pc.invert(pc.is_in(clips["clip_id"], refused_clips(clips))))
    split_of = pd.Series(_text(rows["split"]).to_numpy(), rows["clip_id"].to_pylist())
    split_of = split_of[~split_of.index.duplicated()]  # that a clip is stored twice is another failure
    ends = pairs.to_pandas()
    splits = ends.apply(lambda column: column.map(split_of))
    apart = ends[splits.notna().all(axis=1) & (splits["clip_id"] != splits["other_id"])]
    counts = pd.concat([apart[name] for name in _PAIR]).value_counts()
    return _text(clips["clip_id"]).map(counts).fillna(0).astype(int)


def _measured_media(ws: Workspace, version: int) -> set[str]:
    state = pc.field("state") == FileState.MEASURED.value
    return set(tables.read(ws, "catalog", ["media_id"], version, state)["media_id"].to_pylist())


def _catalog(rows: pa.Table) -> pd.DataFrame:
    frame = _plain(rows)
    measured = frame["state"] == FileState.MEASURED.value
    frame["reason_fits_state"] = frame["reason"].isna() == measured
    frame["media_id_fits_state"] = ~measured | frame["media_id"].notna()
    return _escaped(frame)


def _clips(rows: pa.Table, measured: set[str], payload_clips: Mapping[str, set[str]]) -> pd.DataFrame:
    frame = _plain(rows.select(row_columns("clips")))
    signals = {name: rows[name].combine_chunks() for name in SIGNAL_NAMES}
    values = np.array([column.to_numpy(zero_copy_only=False) for column in signals.values()], float).T
    nulls = np.array([pc.is_null(column).to_numpy(zero_copy_only=False) for column in signals.values()], bool).T
    frame["not_finite"] = (~np.isfinite(values) & ~nulls).sum(axis=1)
    causes = [dict(pairs) for pairs in rows["missing"].to_pylist()]
    frame["unexplained"] = [_unexplained(explained, missing) for explained, missing in zip(causes, nulls, strict=True)]
    reasons = [(stage, rows[f"{stage}_reasons"].to_pylist()) for stage in ("stage1", "stage2")]
    for stage, of_clip in reasons:
        frame[f"{stage}_agrees"] = [flag == (not why) for flag, why in zip(frame[stage], of_clip, strict=True)]
        frame[f"in_{stage}"] = frame["clip_id"].isin(payload_clips[stage])
    codes = zip(causes, *(of_clip for _, of_clip in reasons), strict=True)
    frame["unknown_reasons"] = [
        len({*stage1, *stage2} - _REASONS) + len({*m.values()} - _CAUSES) for m, stage1, stage2 in codes
    ]
    for kind, column in (("group", "split_group"), ("speaker", "speaker")):
        frame[f"splits_of_{kind}"] = _text(rows[column]).map(
            _text(rows["split"]).groupby(_text(rows[column])).nunique()
        )
    for column in ("extractor", "backend"):
        frame[f"common_{column}"] = frame[column].mode().iloc[0] if len(frame) else ""
    frame["in_catalog"] = frame["media_id"].isin(measured)
    return _escaped(frame)


def _unexplained(causes: Mapping[str, str], nulls: Any) -> int:
    missing = {name for name, null in zip(SIGNAL_NAMES, nulls, strict=True) if null}
    return len(missing ^ set(causes))


def _payload(
    ws: Workspace, table: str, version: int, audited: Collection[tuple[str, int]], clips: pa.Table
) -> pd.DataFrame:
    audited_files, (count, counts) = frozenset(audited), _COUNTERS[table]

    def is_known(file: DataFile) -> bool:
        return (file.name, file.size_bytes) in audited_files

    old = tables.batches(ws, table, version, _NARROW[table], is_known)
    new = tables.batches(ws, table, version, None, lambda file: not is_known(file))
    pieces = [piece.to_pandas() for piece in old]
    pieces += [piece.select(_NARROW[table]).to_pandas().assign(**count(piece)) for piece in new]
    # Counts of files that were audited before stay null, and null passes.
    frame = pd.concat(pieces or [pd.DataFrame({"clip_id": pd.Series(dtype="str")})], ignore_index=True)
    frame = frame.reindex(columns=[*_NARROW[table], *counts])
    return _with_clips(frame, clips, table)


def _with_clips(frame: pd.DataFrame, clips: pa.Table, table: str) -> pd.DataFrame:
    rows = clips.select(["clip_id", "media_id", "backend", "frames", table]).to_pandas()
    rows = rows.drop_duplicates("clip_id").set_index("clip_id").reindex(frame["clip_id"])
    frame["admitted"] = (rows[table] == True).to_numpy()  # noqa: E712 - null, for a clip that is not there, is not
    for column, name in (("frames", "clip_frames"), ("backend", "clip_backend"), ("media_id", "clip_media")):
        frame[name] = rows[column].to_numpy()
    return frame


def _count_stage1(batch: pa.RecordBatch) -> dict[str, Any]:
    columns, bad = _matrix(batch["mel"], MEL_BANDS)
    due = np.asarray(batch["frames"]) * MEL_COLUMNS_PER_FRAME
    counts = {"mel_columns": columns, "mel_columns_due": due, "bad_mel": bad, "bad_senones": _bad_senones(batch, due)}
    return _count_face(batch) | counts


def _bad_senones(batch: pa.RecordBatch, due: NDArray[np.int64]) -> NDArray[np.bool_]:
    sizes = pc.binary_length(batch["senones"])
    as_due = pc.equal(sizes, pa.array(due * SENONES, sizes.type))
    fits = pc.if_else(pc.is_null(sizes), pc.is_null(batch["senones_version"]), as_due)
    named = pc.or_(pc.is_null(sizes), pc.is_valid(batch["senones_version"]))
    return np.asarray(pc.invert(pc.and_(fits, named)))


def _count_stage2(batch: pa.RecordBatch) -> dict[str, Any]:
    boxes, bad_boxes = _matrix(batch["crop_boxes"], 3, lambda rows: rows[:, 2] > 0)
    sides = batch["crop_px"].to_pylist()
    bad = [
        sum(picture_size(crop.as_py() or b"") != (side, side) for crop in crops.values)
        for crops, side in zip(batch["crops"], sides, strict=True)
    ]
    counts = {"boxes": boxes, "bad_boxes": bad_boxes, "pictures": _lengths(batch["crops"]), "bad_pictures": bad}
    return _count_face(batch) | counts


_FACE_COUNTS: Final = ("landmark_rows", "bad_landmarks", "tracked_flags")
_COUNTERS: Final = {
    "stage1": (_count_stage1, (*_FACE_COUNTS, "mel_columns", "mel_columns_due", "bad_mel", "bad_senones")),
    "stage2": (_count_stage2, (*_FACE_COUNTS, "boxes", "bad_boxes", "pictures", "bad_pictures")),
}
"""Counts taken of the payload of each table: the function, and the columns that it gives."""


def _count_face(batch: pa.RecordBatch) -> dict[str, Any]:
    rows, bad = _matrix(batch["landmarks"], LANDMARK_POINTS * 2)
    return {"landmark_rows": rows, "bad_landmarks": bad, "tracked_flags": _lengths(batch["tracked"])}


def _lengths(column: pa.Array) -> Any:
    return pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)


def _matrix(column: pa.Array, width: int, fits: Callable[[Any], Any] | None = None) -> tuple[Any, Any]:
    """Count rows of each clip's matrix, and of those the ones that are null or of another width, that hold a number
    which is not finite, or that do not fit.
    """
    lengths = _lengths(column)
    rows = column.flatten()
    as_wide = pc.fill_null(pc.equal(pc.list_value_length(rows), width), False)
    good = as_wide.to_numpy(zero_copy_only=False).copy()
    numbers = rows.filter(as_wide).flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
    good[good] = np.isfinite(numbers).all(axis=1) & (fits(numbers) if fits else True)
    owner = np.repeat(np.arange(len(column)), lengths)
    return lengths, np.bincount(owner, ~good, len(column)).astype(int)


def _text(column: pa.ChunkedArray) -> "pd.Series[Any]":
    return pd.Series(column.to_pandas(), dtype="str")


def _escaped(frame: pd.DataFrame) -> pd.DataFrame:
    """Escape file and speaker names: foreign text that Great Expectations writes into its pages as it is."""
    texts: list[str] = list(frame.select_dtypes("str").columns)
    return frame.assign(**{name: frame[name].map(html.escape, na_action="ignore") for name in texts})


def _plain(rows: pa.Table) -> pd.DataFrame:
    """Return a frame whose text columns are text and whose numbers are numbers, also where all of them are null."""
    kinds = {"string": "str", "int64": "float64", "double": "float64", "bool": "bool"}
    frame: pd.DataFrame = rows.to_pandas()
    return frame.astype({field.name: kinds[str(field.type)] for field in rows.schema})
