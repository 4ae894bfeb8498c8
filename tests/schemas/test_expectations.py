import pytest

from heterodub.schemas.config.settings import ClipSettings
from heterodub.schemas.expectations import possible_range, row_columns, suites
from heterodub.schemas.signals import BY_NAME, SIGNALS

_SUITES = suites(ClipSettings())


def test_every_audited_table_has_a_suite_with_names_of_its_own():
    assert [suite.table for suite in _SUITES] == ["catalog", "clips", "stage1", "stage2", "embeddings"]
    for suite in _SUITES:
        names = [expectation.name for expectation in suite.expectations]
        assert len(set(names)) == len(names)
        assert all(expectation.meaning for expectation in suite.expectations)


def test_every_signal_is_bounded_and_ranges_are_ranges():
    clips = next(suite for suite in _SUITES if suite.table == "clips")
    bounded = {expectation.column for expectation in clips.expectations if expectation.kind == "between"}
    assert {signal.name for signal in SIGNALS} <= bounded
    assert all(low < high for low, high in map(possible_range, SIGNALS))


@pytest.mark.parametrize(
    "signal, expected",
    [
        ("speech_share", (0, 1)),
        ("mesh_score", (0, 1)),
        ("dnsmos_bak", (1, 5)),
        ("av_sync_corr", (-1, 1)),
        ("bandwidth_hz", (0, 8000)),
    ],
)
def test_ranges_follow_units_and_names(signal, expected):
    assert possible_range(BY_NAME[signal]) == expected


def test_clip_lengths_follow_the_settings():
    clips = suites(ClipSettings(min_s=2, max_s=4))[1]
    (frames,) = [each for each in clips.expectations if each.column == "frames" and each.kind == "between"]
    assert frames.options == {"low": 50, "high": 100}


def test_only_narrow_columns_are_read_as_they_are():
    for table, heavy in (("stage1", {"landmarks", "mel"}), ("stage2", {"landmarks", "crops", "crop_boxes"})):
        assert heavy.isdisjoint(row_columns(table))
    assert "picture_hash" not in row_columns("clips")
    assert {"face", "voice"}.isdisjoint(row_columns("embeddings"))
