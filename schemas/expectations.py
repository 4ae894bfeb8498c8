"""Expectations that every stored table must meet before it is released. Plain data; tasks/releases/audit runs it.

The audit lays each table out as one narrow row per stored row: small columns as they are, and in the place of
payload what was counted in it (tasks/releases/audit/frames.py). Each expectation names these columns, so a failure can
name its rows. Most are decided by the row alone, and not again for a file that met them; those `across` rows are
decided anew at each audit.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from .config.settings import ClipSettings
from .contract import FPS
from .reasons import ClipReason, FileReason, FileState, MissingCause
from .signals import SIGNALS, Signal
from .tables import TABLES

Kind = Literal["unique", "not_null", "between", "in_set", "equal"]
"""Forms an expectation takes; `equal` compares two columns."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """A condition that must hold for every row. Null passes all kinds but `not_null`."""

    name: str
    kind: Kind
    column: str
    meaning: str
    options: Mapping[str, Any] = field(default_factory=dict)
    across: bool = False
    """Decided by other rows, too, of this table or of others."""


@dataclass(frozen=True, slots=True)
class Suite:
    """All expectations of one table. `row_name` is the column that names a row to people."""

    table: str
    row_name: str
    expectations: tuple[Expectation, ...]

    def part(self, across: bool) -> "Suite":
        """Return the suite with the expectations across rows only, or with the others only."""
        return replace(self, expectations=tuple(each for each in self.expectations if each.across is across))


_SHARE: Final = (0.0, 1.0)
_POSITIVE: Final = (0.0, 1e9)
_BY_UNIT: Final[Mapping[str, tuple[float, float]]] = {
    "px": (0.0, 1e5),
    "deg": (0.0, 180.0),
    "1/s": (0.0, 1000.0),
    "dBFS": (-400.0, 6.0),
    "dB": (-400.0, 400.0),
    "Hz": (0.0, 8000.0),
    "MOS": (1.0, 5.0),
    "s": (0.0, 60.0),
    "frames": (-1500.0, 1500.0),
}
_BY_NAME: Final[Mapping[str, tuple[float, float]]] = {
    "mesh_score": _SHARE,
    "mouth_visibility": _SHARE,
    "brightness": _SHARE,
    "av_sync_corr": (-1.0, 1.0),
    "av_sync_score": (-1e9, 1e9),
    "speaking_margin": (-1e9, 1e9),
}


def possible_range(signal: Signal) -> tuple[float, float]:
    """Return the smallest and largest value a signal can physically have."""
    if signal.name in _BY_NAME:
        return _BY_NAME[signal.name]
    if signal.name.endswith("_share"):
        return _SHARE
    return _BY_UNIT.get(signal.unit, _POSITIVE)


def suites(settings: ClipSettings) -> tuple[Suite, ...]:
    """Return the suites of all audited tables; clip lengths follow from the settings the clips were cut with."""
    return (_CATALOG, _clips(settings), _STAGE1, _STAGE2, _EMBEDDINGS)


def row_columns(table: str) -> list[str]:
    """List the columns of a table that expectations of single rows name and that are stored as they are."""
    suite = next(suite for suite in suites(ClipSettings()) if suite.table == table).part(across=False)
    named = {suite.row_name}
    for expectation in suite.expectations:
        named |= {expectation.column, *([expectation.options["other"]] if expectation.kind == "equal" else [])}
    return [name for name in TABLES[table].names if name in named]


def _across(*expectations: Expectation) -> tuple[Expectation, ...]:
    return tuple(replace(expectation, across=True) for expectation in expectations)


def _unique(column: str) -> Expectation:
    return Expectation(f"{column} is unique", "unique", column, f"no two rows share a {column}")


def _between(column: str, low: float | None, high: float | None, meaning: str) -> Expectation:
    return Expectation(f"{column} is possible", "between", column, meaning, {"low": low, "high": high})


def _none(column: str, meaning: str) -> Expectation:
    return Expectation(f"no {column}", "between", column, meaning, {"low": 0, "high": 0})


def _in_set(column: str, values: list[Any], meaning: str) -> Expectation:
    return Expectation(f"{column} is known", "in_set", column, meaning, {"values": values})


def _holds(column: str, meaning: str) -> Expectation:
    return Expectation(column, "in_set", column, meaning, {"values": [True]})


def _equal(column: str, other: str, meaning: str) -> Expectation:
    return Expectation(f"{column} equals {other}", "equal", column, meaning, {"other": other})


def _filled(table: str) -> tuple[Expectation, ...]:
    flat = [f.name for f in TABLES[table] if not f.nullable and f.type.num_fields == 0 and f.name not in _PAYLOAD]
    return tuple(Expectation(f"{name} is there", "not_null", name, "a column that is never null") for name in flat)


_PAYLOAD: Final = ("picture_hash", "sound_hash", "face_motion")


_CATALOG: Final = Suite(
    "catalog",
    "uri",
    (
        *_across(_unique("uri")),
        *_filled("catalog"),
        _in_set("state", [state.value for state in FileState], "a file ends in one of four states"),
        _in_set("reason", [reason.value for reason in FileReason], "a reason is a known code"),
        _holds("reason_fits_state", "a reason is given if and only if the file was not measured"),
        _holds("media_id_fits_state", "a measured file could be read"),
        _between("clips", 0, None, "a count"),
        _between("size_bytes", 0, None, "a size"),
        _between("media_s", 0, None, "a length"),
        _between("dropped_s", 0, None, "a length"),
    ),
)


def _clips(settings: ClipSettings) -> Suite:
    shortest, longest = math.floor(settings.min_s * FPS), math.ceil(settings.max_s * FPS)
    return Suite(
        "clips",
        "clip_id",
        (
            *_filled("clips"),
            _between("frames", shortest, longest, f"a clip is {shortest} to {longest} frames long"),
            _between("start_frame", 0, None, "a position"),
            *(_between(signal.name, *possible_range(signal), signal.meaning) for signal in SIGNALS),
            _none("not_finite", "a signal is a number or null"),
            _none("unexplained", "a signal is null if and only if its cause is given"),
            _none("unknown_reasons", f"reasons are among {len(ClipReason)}, causes among {len(MissingCause)} codes"),
            _holds("stage1_agrees", "admitted to stage 1 if and only if it has nothing against the clip"),
            _holds("stage2_agrees", "admitted to stage 2 if and only if it has nothing against the clip"),
            _in_set("split", ["train", "val", "test"], "a split is one of three"),
            *_across(
                _unique("clip_id"),
                _between("splits_of_group", 0, 1, "a group of speakers has one split"),
                _between("splits_of_speaker", 0, 1, "a speaker, or a person whom no file names, has one split"),
                _none("near_in_other_splits", "near-copies have one split, but for those refused since they have not"),
                _equal("extractor", "common_extractor", "all clips come from one extractor"),
                _equal("backend", "common_backend", "all landmarks come from one backend"),
                _holds("in_catalog", "a clip's file is measured in the catalog"),
                _equal("stage1", "in_stage1", "stage1 holds the clips it admits and no others"),
                _equal("stage2", "in_stage2", "stage2 holds the clips it admits and no others"),
            ),
        ),
    )


def _stage(*more: Expectation) -> tuple[Expectation, ...]:
    return (
        _between("frames", 1, None, "a clip has frames"),
        _equal("landmark_rows", "frames", "one row of landmarks per frame"),
        _equal("tracked_flags", "frames", "one tracked flag per frame"),
        _none("bad_landmarks", "landmarks are 216 points of finite numbers"),
        *more,
        *_across(
            _unique("clip_id"),
            _holds("admitted", "clips admits it to this stage"),
            _equal("frames", "clip_frames", "as long as clips says"),
            _equal("backend", "clip_backend", "the landmark backend that clips gives"),
            _equal("media_id", "clip_media", "cut from the file that clips gives"),
        ),
    )


_STAGE1: Final = Suite(
    "stage1",
    "clip_id",
    _stage(
        _equal("mel_columns", "mel_columns_due", "four mel columns per frame"),
        _none("bad_mel", "mel columns are 80 finite numbers"),
        _none("bad_senones", "senone scores are 126 for each mel column, of a named recogniser, or there are none"),
    ),
)

_STAGE2: Final = Suite(
    "stage2",
    "clip_id",
    _stage(
        _equal("pictures", "frames", "one crop per frame"),
        _none("bad_pictures", "a crop is a JPEG, PNG or WebP picture of the stated size"),
        _equal("boxes", "frames", "one crop box per frame"),
        _none("bad_boxes", "a crop box is finite and has a side"),
        _between("crop_px", 1, None, "a size"),
    ),
)

_EMBEDDINGS: Final = Suite(
    "embeddings",
    "clip_id",
    (
        *_filled("embeddings"),
        _between("frames", 1, None, "a clip has frames"),
        _between("voice_s", 0, 60, "seconds of speech"),
        _none("bad_face", "a face is 128 finite numbers of a named recogniser and of a length it gives, or null"),
        _none("bad_face_frames", "it is the mean over frames of the clip, in order"),
        _none("bad_voice", "a voice is 256 finite numbers of unit length of a named recogniser, or null"),
        _none("unexplained", "a kind is null if and only if its cause is given, of a known code"),
    ),
)
