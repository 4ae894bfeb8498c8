"""Every clip falls into one stratum of each factor; a bound is the first value of the next stratum."""

import pytest

from heterodub.schemas.records import RawFile
from heterodub.schemas.strata import FACTOR_NAMES, FACTORS, clips_by_stratum, strata_of
from heterodub.tasks.ingestion.catalog import speaker_key

ROW = {
    "language": "en",
    "face_height_px": 120.0,
    "yaw_deg": 4.0,
    "corpus": "grid",
    "licence": None,
    "speaker": "ada",
}


def test_row_has_a_stratum_of_each_factor():
    assert strata_of(ROW) == {
        "language": "en",
        "face_size": "90 to 160 px",
        "head_pose": "below 15 deg",
        "corpus": "grid",
        "licence": "unstated",
        "speaker": "known",
    }


@pytest.mark.parametrize(
    ("column", "value", "stratum"),
    [
        ("face_height_px", 89.9, "below 90 px"),
        ("face_height_px", 90.0, "90 to 160 px"),
        ("face_height_px", 160.0, "from 160 px"),
        ("yaw_deg", 14.9, "below 15 deg"),
        ("yaw_deg", 29.0, "15 to 30 deg"),
        ("yaw_deg", 30.0, "from 30 deg"),
        ("yaw_deg", None, "not measured"),
        ("language", None, "unstated"),
        ("speaker", speaker_key(RawFile("/footage/a.mp4", 1, "1"), "ab" * 32), "unknown"),
    ],
)
def test_bounds_begin_a_stratum_and_missing_values_have_one(column, value, stratum):
    assert next(factor for factor in FACTORS if factor.column == column).stratum(value) == stratum


def test_strata_are_listed_by_factor_bins_in_ascending_order():
    rows = {"c": 200.0, "a": 50.0, "b": 120.0, "d": 55.0}
    listed = list(clips_by_stratum({clip: strata_of(ROW | {"face_height_px": px}) for clip, px in rows.items()}))
    assert tuple(dict.fromkeys(factor for factor, *_ in listed)) == FACTOR_NAMES
    assert [(stratum, clips) for factor, stratum, clips in listed if factor == "face_size"] == [
        ("below 90 px", ["a", "d"]),
        ("90 to 160 px", ["b"]),
        ("from 160 px", ["c"]),
    ]
