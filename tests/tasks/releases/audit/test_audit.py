import re

import pyarrow as pa
import pytest

from heterodub.schemas.config.settings import ClipSettings
from heterodub.schemas.errors import AuditFailedError, NotFoundError
from heterodub.schemas.reasons import ClipReason
from heterodub.schemas.tables import NEAR_PAIRS
from heterodub.tasks.releases.audit.audit import audit
from heterodub.tasks.releases.releases import current_versions
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


def _add(ws, media, catalog=None, clip=None, stage1=None, stage2=None, embedding=False):
    """Store one media with one clip, changed as given; False leaves a row out."""
    kinds = {"catalog": catalog, "clips": clip, "embeddings": embedding}
    makers = {
        "catalog": (sample.catalog_row, sample.catalog),
        "clips": (sample.clip_row, sample.clips),
        "embeddings": (sample.embedding_row, sample.embeddings),
    }
    for table, (maker, gather) in makers.items():
        if kinds[table] is not False:
            tables.append_rows(ws, table, gather(maker(media, **(kinds[table] or {}))))
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
    "senone scores of the wrong length": (
        {"stage1": {"senones": bytes(126 * (4 * _FRAMES - 1)), "senones_version": "recogniser"}},
        [("stage1", "no bad_senones")],
    ),
    "senone scores of no recogniser": (
        {"stage1": {"senones": bytes(126 * 4 * _FRAMES)}},
        [("stage1", "no bad_senones")],
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
    "an embedding of 127 numbers": ({"embedding": {"face": [0.1] * 127}}, [("embeddings", "no bad_face")]),
    "an embedding that is not a number": (
        {"embedding": {"face": [float("nan")] * 128}},
        [("embeddings", "no bad_face")],
    ),
    "an embedding of nothing": ({"embedding": {"face": [0.0] * 128}}, [("embeddings", "no bad_face")]),
    "an embedding of no recogniser": ({"embedding": {"face_version": None}}, [("embeddings", "no bad_face")]),
    "an embedding of frames beyond the clip": (
        {"embedding": {"face_frames": [5, _FRAMES]}},
        [("embeddings", "no bad_face_frames")],
    ),
    "a voice of another length": (
        {"embedding": {"voice": [0.1] * 256, "voice_s": 2.0, "voice_version": "v", "missing": []}},
        [("embeddings", "no bad_voice")],
    ),
    "a missing voice without a cause": ({"embedding": {"missing": []}}, [("embeddings", "no unexplained")]),
    "a missing voice for an unknown cause": (
        {"embedding": {"missing": [("voice", "shy")]}},
        [("embeddings", "no unexplained")],
    ),
}


_HOSTILE = "/footage/<script>alert(1)</script>&\n'\".mp4"
_CLIP = sample.clip_id

# Rows that are sound each by itself, and an unfit name: what must be named with them in the store of bad clips.
_CONTRADICTIONS = {
    ("clips", "splits_of_speaker is possible"): {_CLIP(60), _CLIP(60, 1), _CLIP(70)},
    ("clips", "splits_of_group is possible"): {_CLIP(61), _CLIP(61, 1), _CLIP(71)},
    ("clips", "no near_in_other_splits"): {_CLIP(60), _CLIP(61)},
    ("clips", "clip_id is unique"): {_CLIP(62)},
    ("stage1", "clip_id is unique"): {_CLIP(62)},
    ("stage2", "admitted"): {"lone"},
    ("catalog", "uri is unique"): {"/footage/62.mp4"},
    ("catalog", "reason_fits_state"): {"/footage/90.mp4", _HOSTILE},
}
_TOO_LONG = {("clips", "frames is possible"): {_CLIP(75)}}


def _contradict(ws):
    fill(ws, range(60, 63))
    _add(ws, 70, clip={"speaker": "speaker 60", "split_group": "own", "split": "test"})  # the other clips are in train
    _add(ws, 71, clip={"split_group": "speaker 61", "split": "train"})  # its group is in val
    _straddle(ws)
    tables.append_rows(ws, "clips", sample.clips(sample.clip_row(62)))
    _add_payload(ws, "stage1", sample.stage1, sample.stage1_row, 62, None, "again")
    lone = {"clip_id": "lone", "media_id": sample.media_id(80)}
    _add_payload(ws, "stage2", sample.stage2, sample.stage2_row, 80, lone)
    rows = sample.catalog_row(62), sample.catalog_row(90, reason="no_face")
    tables.append_rows(ws, "catalog", sample.catalog(*rows, sample.catalog_row(91, uri=_HOSTILE, reason="no_face")))


def _straddle(ws):
    """Store near-copies: clips in train and val, one in val that was refused for it, one in train, a lost one."""
    reasons = [ClipReason.STRADDLES_SPLITS.value]
    refused = {"stage1": False, "stage2": False, "stage1_reasons": reasons, "stage2_reasons": reasons}
    _add(ws, 76, clip=refused, stage1=False, stage2=False)
    numbers = [(60, 61), (60, 76), (60, 75), (61, 79)]
    flags = {"picture": True, "sound": False, "motion": False, "copy": False, "media_id": "", "other_media_id": ""}
    rows = [{"clip_id": _CLIP(one), "other_id": _CLIP(other), **flags} for one, other in numbers]
    tables.append_rows(ws, "near_pairs", pa.Table.from_pylist(rows, NEAR_PAIRS))


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    """The audit of a sound store, of the versions before a row was added that is not; an audit takes seconds."""
    folder = tmp_path_factory.mktemp("valid")
    fill(ws := new_workspace(folder), range(4))
    versions = current_versions(ws)
    tables.append_rows(ws, "clips", sample.clips(sample.clip_row(0)))
    return ws, versions, audit(ws, versions, folder / "docs")


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """The audit of a store with everything that is wrong, for clips of at most two seconds."""
    folder = tmp_path_factory.mktemp("broken")
    fill(ws := new_workspace(folder), range(100, 102))
    for media, (changes, _) in enumerate(_BAD_CLIPS.values()):
        _add(ws, media, **changes)
    _contradict(ws)
    long = {"length": 51}
    _add(
        ws, 75, clip={"frames": 51, "sound_hash": bytes(4 * 51), "face_motion": bytes(4 * 51)}, stage1=long, stage2=long
    )
    return ws, _audit(ws, folder, settings=ClipSettings(max_s=2))


def test_valid_store_passes_and_writes_its_pages(valid):
    _, _, result = valid
    docs = result.page.parent
    assert result.passed and _failures(result) == {}
    assert result.rows == {"catalog": 4, "clips": 8, "stage1": 8, "stage2": 8, "embeddings": 8}
    assert len(result.checks) > 90
    pages = [path.read_text() for path in docs.rglob("*.html")]
    assert len(pages) == 1 + 2 * 5  # ours; validation and expectations of each table: no rows contradict each other
    for text in pages:
        fetched = re.findall(r"""<(?:script|link|img|iframe)\b[^>]*|url\([^)]*""", text)
        assert not fetched, fetched
    for link in re.findall(r'href="(validations/[^"]+)"', result.page.read_text()):
        assert "Expectation" in (docs / link).read_text()
    assert result.page.read_text().count('href="validations/') == 5
    page = (docs / "audit.html").read_text()
    assert "All met" in page and "http" not in page
    result.require()
    assert result.summary()["passed"] is True


def test_only_the_given_versions_are_audited(valid, tmp_path):
    ws, versions, result = valid
    assert result.passed and plain_audit.failures(ws) == {("clips", "clip_id is unique"): {_CLIP(0)}}
    with pytest.raises(NotFoundError):
        audit(ws, versions | {"clips": 99}, tmp_path / "docs")


def test_empty_workspace_passes(ws, tmp_path):
    assert _audit(ws, tmp_path).passed


def test_bad_rows_are_named_by_failed_expectations(broken):
    ws, result = broken
    expected = _CONTRADICTIONS | _TOO_LONG
    for media, (_, broken_by) in enumerate(_BAD_CLIPS.values()):
        for each in broken_by:
            expected[each] = expected.get(each, set()) | {_CLIP(media)}
    assert _failures(result) == expected == plain_audit.failures(ws, ClipSettings(max_s=2))
    with pytest.raises(AuditFailedError, match="nothing was published"):
        result.require()


@pytest.mark.parametrize("expectation", _CONTRADICTIONS, ids=" ".join)
def test_rows_that_contradict_each_other_are_named(broken, expectation):
    assert _CONTRADICTIONS[expectation] <= _failures(broken[1])[expectation]


def test_clip_lengths_follow_the_settings(broken):
    ws, result = broken
    assert _TOO_LONG.items() <= _failures(result).items()
    assert not plain_audit.failures(ws).keys() & _TOO_LONG.keys()


def test_hostile_names_are_escaped(broken):
    pages = [path.read_text() for path in broken[1].page.parent.rglob("*.html")]
    assert any("alert(1)" in page for page in pages)
    assert not any("<script>alert" in page for page in pages)
