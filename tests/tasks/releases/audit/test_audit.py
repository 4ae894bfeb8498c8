import re

import numpy as np
import pyarrow.parquet as pq
import pytest

from heterodub.schemas.config.settings import ClipSettings
from heterodub.schemas.errors import AuditFailedError, NotFoundError, WorkspaceError
from heterodub.tasks.releases.audit.audit import audit
from heterodub.tasks.releases.releases import ReleaseProvenance, current_versions, publish
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.parts import commit_parts
from tests.tasks.releases.audit import plain_audit
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import fill, new_workspace, write_part

_NAN_POINTS = [[float("nan")] * 432] * sample.FRAMES
_FRAMES = sample.FRAMES


@pytest.fixture
def ws(tmp_path):
    return new_workspace(tmp_path)


def _audit(ws, tmp_path, **given):
    return audit(ws, current_versions(ws), tmp_path / "docs", **given)


def _failures(result):
    return {(check.table, check.name): set(check.examples) for check in result.failures}


def _add(ws, media, catalog=None, clip=None, stage1=None, stage2=None):
    """Store one media with one clip, changed as given; False leaves a row out."""
    kinds = {"catalog": catalog, "clips": clip, "stage1": stage1, "stage2": stage2}
    makers = {"catalog": sample.catalog_row, "clips": sample.clip_row}
    for table, maker in makers.items():
        if kinds[table] is not False:
            row = maker(media, **(kinds[table] or {}))
            tables.append_rows(ws, table, {"catalog": sample.catalog, "clips": sample.clips}[table](row))
    _add_payload(ws, "stage1", sample.stage1, sample.stage1_row, media, stage1)
    _add_payload(ws, "stage2", sample.stage2, sample.stage2_row, media, stage2)


def _add_payload(ws, table, gather, make, media, changes, suffix=""):
    if changes is not False:
        rows = gather(make(media, **(changes or {})))
        part = write_part(ws, table, rows["media_id"][0].as_py(), sample.EXTRACTOR, rows, suffix)
        commit_parts(ws, table, [part])


# What is wrong with one clip, and every expectation that must name it.
_BAD_CLIPS = {
    "NaN landmark": ({"stage1": {"landmarks": _NAN_POINTS}}, [("stage1", "no bad_landmarks")]),
    "infinite landmark, stage 2": (
        {"stage2": {"landmarks": [[float("inf")] * 432] * _FRAMES}},
        [("stage2", "no bad_landmarks")],
    ),
    "too few landmarks": (
        {"stage1": {"landmarks": sample.stage1_row(0)["landmarks"][1:]}},
        [("stage1", "landmark_rows equals frames")],
    ),
    "too few flags": ({"stage2": {"tracked": [True]}}, [("stage2", "tracked_flags equals frames")]),
    "a landmark row that is null and one that is too short": (
        {"stage1": {"landmarks": [None, [1.0], *sample.stage1_row(0)["landmarks"][2:]]}},
        [("stage1", "no bad_landmarks")],
    ),
    "mel of the wrong length": (
        {"stage1": {"mel": [[0.0] * 80] * (4 * _FRAMES - 1)}},
        [("stage1", "mel_columns equals mel_columns_due")],
    ),
    "mel that is not a number": (
        {"stage1": {"mel": [[float("-inf")] * 80] * 4 * _FRAMES}},
        [("stage1", "no bad_mel")],
    ),
    "wrong frames": (
        {"stage1": {"frames": _FRAMES + 1}},
        [
            ("stage1", "frames equals clip_frames"),
            ("stage1", "landmark_rows equals frames"),
            ("stage1", "tracked_flags equals frames"),
            ("stage1", "mel_columns equals mel_columns_due"),
        ],
    ),
    "crops of garbage": (
        {"stage2": {"crops": [b"not a picture"] * _FRAMES}},
        [("stage2", "no bad_pictures")],
    ),
    "an empty crop": (
        {"stage2": {"crops": [b"", *sample.stage2_row(0)["crops"][1:]]}},
        [("stage2", "no bad_pictures")],
    ),
    "crops of another size": ({"stage2": {"crop_px": 128}}, [("stage2", "no bad_pictures")]),
    "too few crops": (
        {"stage2": {"crops": sample.stage2_row(0)["crops"][1:]}},
        [("stage2", "pictures equals frames")],
    ),
    "a box without a side": (
        {"stage2": {"crop_boxes": [[1.0, 1.0, 0.0]] * _FRAMES}},
        [("stage2", "no bad_boxes")],
    ),
    "too few boxes": ({"stage2": {"crop_boxes": [[1.0, 1.0, 9.0]]}}, [("stage2", "boxes equals frames")]),
    "another backend in the payload": ({"stage1": {"backend": "fan"}}, [("stage1", "backend equals clip_backend")]),
    "a stage row that clips refuse": (
        {"clip": {"stage1": False, "stage1_reasons": ["noisy"]}},
        [("stage1", "admitted"), ("clips", "stage1 equals in_stage1")],
    ),
    "an admitted clip without a stage row": ({"stage2": False}, [("clips", "stage2 equals in_stage2")]),
    "a reason with the flag true": ({"clip": {"stage1_reasons": ["noisy"]}}, [("clips", "stage1_agrees")]),
    "a refusal without a reason": (
        {"clip": {"stage2": False}, "stage2": False},
        [("clips", "stage2_agrees")],
    ),
    "an unknown reason": (
        {"clip": {"stage1": False, "stage1_reasons": ["ugly"]}, "stage1": False},
        [("clips", "no unknown_reasons")],
    ),
    "a null signal without a cause": ({"clip": {"snr_db": None}}, [("clips", "no unexplained")]),
    "a cause without a null": ({"clip": {"missing": [("snr_db", "silent")]}}, [("clips", "no unexplained")]),
    "a signal that is not a number": ({"clip": {"snr_db": float("nan")}}, [("clips", "no not_finite")]),
    "a share above one": ({"clip": {"speech_share": 1.2}}, [("clips", "speech_share is possible")]),
    "an impossible opinion": ({"clip": {"dnsmos_bak": 0.0}}, [("clips", "dnsmos_bak is possible")]),
    "another backend": (
        {"clip": {"backend": "fan"}, "stage1": {"backend": "fan"}, "stage2": {"backend": "fan"}},
        [("clips", "backend equals common_backend")],
    ),
    "another extractor": ({"clip": {"extractor": "0"}}, [("clips", "extractor equals common_extractor")]),
    "an unknown split": ({"clip": {"split": "dev"}}, [("clips", "split is known")]),
    "a clip without a measured file": (
        {"catalog": {"state": "rejected", "reason": "no_face"}},
        [("clips", "in_catalog")],
    ),
}


def test_valid_store_passes_and_writes_its_pages(ws, tmp_path):
    fill(ws, range(4))
    result = _audit(ws, tmp_path)
    assert result.passed and _failures(result) == {}
    assert result.rows == {"catalog": 4, "clips": 8, "stage1": 8, "stage2": 8}
    assert len(result.checks) > 90
    pages = [path.read_text() for path in (tmp_path / "docs").rglob("*.html")]
    assert len(pages) == 1 + 2 * 4  # ours, and the validation and the expectations of each table
    for text in pages:
        fetched = re.findall(r"""<(?:script|link|img|iframe)\b[^>]*|url\([^)]*""", text)
        assert not fetched, fetched
    for link in re.findall(r'href="(validations/[^"]+)"', result.page.read_text()):
        assert "Expectation" in (tmp_path / "docs" / link).read_text()
    assert result.page.read_text().count('href="validations/') == 4
    page = (tmp_path / "docs" / "audit.html").read_text()
    assert "All met" in page and "http" not in page
    result.require()
    assert result.summary()["passed"] is True


def test_empty_workspace_passes(ws, tmp_path):
    assert _audit(ws, tmp_path).passed


def test_bad_rows_are_named_by_failed_expectations(ws, tmp_path):
    fill(ws, range(100, 102))
    expected = {}
    for media, (changes, broken) in enumerate(_BAD_CLIPS.values()):
        _add(ws, media, **changes)
        for each in broken:
            expected.setdefault(each, set()).add(sample.clip_id(media))
    result = _audit(ws, tmp_path)
    assert _failures(result) == expected == plain_audit.failures(ws)
    with pytest.raises(AuditFailedError, match="nothing was published"):
        result.require()


def test_rows_that_contradict_each_other_are_named(ws, tmp_path):
    fill(ws, range(3))
    _add(ws, 10, clip={"speaker": "speaker 0", "split_group": "own", "split": "test"})  # its other clips are in train
    _add(ws, 11, clip={"split_group": "speaker 1", "split": "train"})  # its group is in val
    tables.append_rows(ws, "clips", sample.clips(sample.clip_row(2)))
    _add_payload(ws, "stage1", sample.stage1, sample.stage1_row, 2, None, "again")
    lone = {"clip_id": "lone", "media_id": sample.media_id(50)}
    _add_payload(ws, "stage2", sample.stage2, sample.stage2_row, 50, lone)
    tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(2), sample.catalog_row(60, reason="no_face")))
    clips = sample.clip_id
    assert _failures(_audit(ws, tmp_path)) == {
        ("clips", "splits_of_speaker is possible"): {clips(0), clips(0, 1), clips(10)},
        ("clips", "splits_of_group is possible"): {clips(1), clips(1, 1), clips(11)},
        ("clips", "clip_id is unique"): {clips(2)},
        ("stage1", "clip_id is unique"): {clips(2)},
        ("stage2", "admitted"): {"lone"},
        ("catalog", "uri is unique"): {"/footage/2.mp4"},
        ("catalog", "reason_fits_state"): {"/footage/60.mp4"},
    }


def test_clip_lengths_follow_the_settings(ws, tmp_path):
    fill(ws, range(1))
    assert not _audit(ws, tmp_path, settings=ClipSettings(min_s=2)).passed


def test_payload_of_the_last_release_is_not_audited_again(ws, tmp_path):
    fill(ws, range(2))
    origin = ReleaseProvenance(sample.BACKEND, sample.EXTRACTOR, "p", "s", "c")
    last = publish(ws, current_versions(ws), origin, {}).release
    for name in tables.file_names(ws, "stage1"):  # damage that only opening the payload would show
        path = tmp_path / "workspace" / "stage1" / name
        data = bytearray(path.read_bytes())
        column = next(c for c in map(pq.read_metadata(path).row_group(0).column, range(8)) if "mel" in c.path_in_schema)
        data[column.data_page_offset : column.data_page_offset + 64] = bytes(64)
        path.write_bytes(data)
    _add(ws, 7, stage1={"landmarks": np.full((_FRAMES, 432), np.nan, np.float32).tolist()})
    tables.update_columns(ws, "clips", sample.clips(sample.clip_row(0, frames=40)).select(["clip_id", "frames"]))
    with pytest.raises(WorkspaceError, match="cannot be read"):
        _audit(ws, tmp_path)
    assert _failures(_audit(ws, tmp_path, last=last)) == {
        ("stage1", "no bad_landmarks"): {sample.clip_id(7)},
        ("stage1", "frames equals clip_frames"): {sample.clip_id(0)},
        ("stage2", "frames equals clip_frames"): {sample.clip_id(0)},
    }


def test_hostile_names_are_named_and_escaped(ws, tmp_path):
    hostile = "/footage/<script>alert(1)</script>&\n'\".mp4"
    tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(1, uri=hostile, reason="no_face")))
    assert _failures(_audit(ws, tmp_path)) == {("catalog", "reason_fits_state"): {hostile}}
    for page in (tmp_path / "docs").rglob("*.html"):
        assert "<script>alert" not in page.read_text()


def test_only_the_given_versions_are_audited(ws, tmp_path):
    fill(ws, range(2))
    versions = current_versions(ws)
    tables.append_rows(ws, "clips", sample.clips(sample.clip_row(0)))
    assert audit(ws, versions, tmp_path / "docs").passed
    with pytest.raises(NotFoundError):
        audit(ws, versions | {"clips": 99}, tmp_path / "docs")
