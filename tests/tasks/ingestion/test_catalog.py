"""Selection of the files to analyse, and their catalog rows."""

import dataclasses
from typing import Any

import pytest

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import QUARANTINE_REASONS, FileReason, FileState
from heterodub.schemas.records import RawFile
from heterodub.schemas.tables import CATALOG
from heterodub.tasks.ingestion.catalog import (
    RETRIED,
    catalog_table,
    duplicate_row,
    refused_row,
    relabelled_row,
    speaker_key,
)
from heterodub.tasks.ingestion.plan import plan_run

EXTRACTOR = "1-face_mesh_v1-00000000"
RAW = RawFile("/a.mp4", 100, "100-1", "grid", "s1", "CC0", "given", "en")


def measured(raw: RawFile = RAW, media: str = "m1", **changes: Any) -> dict[str, Any]:
    row = refused_row(raw, EXTRACTOR, MediaRefusedError(FileReason.NO_FACE), media)
    return row | {"state": "measured", "reason": None, "clips": 1} | changes


def quarantined(reason: FileReason) -> dict[str, Any]:
    return refused_row(RAW, EXTRACTOR, MediaRefusedError(reason, "why"), "m1")


def plan(*raws: RawFile, known=(), retry: bool = False, extractor: str = EXTRACTOR):
    rows = catalog_table(list(known))
    return plan_run(raws, lambda columns: rows.select(columns).to_batches(), extractor, retry, lambda uris: frozenset())


def test_new_files_are_planned_and_done_ones_are_not():
    assert plan(RAW).fresh == (RAW,)
    done = plan(RAW, known=[measured()])
    assert (done.fresh, done.relabelled, done.unchanged) == ((), (), 1)
    assert done.files == 1


@pytest.mark.parametrize("change", [{"stamp": "100-2"}, {"offset_s": 0.2}])
def test_changed_file_is_work(change):
    changed = dataclasses.replace(RAW, **change)
    assert plan(changed, known=[measured()]).fresh == (changed,)


def test_another_extractor_makes_everything_work():
    assert plan(RAW, known=[measured()], extractor="2-face_mesh_v1-00000000").fresh == (RAW,)


@pytest.mark.parametrize("label", ["corpus", "speaker", "licence", "consent", "language"])
def test_another_label_is_not_work_but_is_noted(label):
    result = dataclasses.replace(RAW, **{label: "other"})
    outcome = plan(result, known=[measured()])
    assert (outcome.fresh, outcome.relabelled, outcome.unchanged) == ((), (result,), 0)
    assert relabelled_row(result, measured()) == measured() | {label: "other"}


def test_speakers_that_a_listing_no_longer_names_are_counted():
    named = measured() | {"speaker": "Ada"}
    assert plan(dataclasses.replace(RAW, speaker=None), known=[named]).speakers_lost == 1
    assert plan(dataclasses.replace(RAW, speaker="Eve"), known=[named]).speakers_lost == 0


@pytest.mark.parametrize("reason", sorted(FileReason))
def test_retryable_states(reason):
    known = [quarantined(reason)]
    assert bool(plan(RAW, known=known).fresh) is (reason in RETRIED)
    assert bool(plan(RAW, known=known, retry=True).fresh) is (reason in QUARANTINE_REASONS)
    refused = dataclasses.replace(RAW, refusal=reason)
    assert not plan(refused, known=known, retry=True).fresh


def test_retry_quarantined_selects_quarantined_files():
    assert RETRIED <= QUARANTINE_REASONS


def test_copy_is_done_while_its_original_is():
    copy = dataclasses.replace(RAW, uri="/b.mp4")
    known = [measured(), duplicate_row(copy, EXTRACTOR, "m1", "/a.mp4")]
    assert plan(RAW, copy, known=known).fresh == ()
    assert plan(copy, known=known).fresh == ()
    changed = dataclasses.replace(RAW, stamp="100-2")
    assert plan(changed, copy, known=known).fresh == (changed, copy)
    assert plan(copy, known=known[1:]).fresh == (copy,)
    rejected = measured(state="rejected", reason="no_face", clips=0)
    assert plan(copy, known=[rejected, known[1]]).fresh == ()


def test_file_counts_for_its_labels():
    assert speaker_key(RAW, "m1") == "s1"
    assert speaker_key(dataclasses.replace(RAW, speaker=None), "m1") == "file:m1"
    assert speaker_key(dataclasses.replace(RAW, speaker=""), "m1") == "file:m1"


@pytest.mark.parametrize("reason", sorted(FileReason))
def test_refused_file_s_row(reason):
    row = refused_row(RAW, EXTRACTOR, MediaRefusedError(reason, "in its own words"))
    state = FileState.QUARANTINED if reason in QUARANTINE_REASONS else FileState.REJECTED
    assert (row["state"], row["reason"], row["error"]) == (state, reason, "in its own words")
    assert (row["media_id"], row["clips"], row["media_s"]) == (None, 0, 0.0)
    stored = catalog_table([row])
    assert stored.schema == CATALOG
    assert stored.to_pylist()[0]["uri"] == "/a.mp4"


def test_copy_s_row_names_the_original():
    row = duplicate_row(RAW, EXTRACTOR, "m1", "/z.mp4")
    assert (row["state"], row["reason"], row["error"]) == ("duplicate", "same_bytes", "same bytes as /z.mp4")
    assert catalog_table([row]).num_rows == 1
