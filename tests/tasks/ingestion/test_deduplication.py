"""Choice of the original among files of equal bytes, and of the labels."""

import itertools
from dataclasses import replace

import pyarrow as pa
import pytest

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.policy import load_policy
from heterodub.schemas.reasons import FileReason
from heterodub.schemas.records import RawFile
from heterodub.tasks.ingestion import catalog
from heterodub.tasks.ingestion.deduplication import Resolution, dispute, merge_twins, resolve
from heterodub.tasks.ingestion.plan import plan_run
from heterodub.tasks.ingestion.relabelling import relabel
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import set_policy
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import fill, new_workspace

EXTRACTOR = "1-mesh"


def raw(uri: str, speaker: str | None = None, **labels) -> RawFile:
    return RawFile(uri, 1, "1", speaker=speaker, **labels)


def measured(file: RawFile) -> catalog.Row:
    row = catalog.refused_row(file, EXTRACTOR, MediaRefusedError(FileReason.NO_FACE), "m")
    return row | {"state": "measured", "reason": None, "clips": 1}


def copy_of(file: RawFile, original: str) -> catalog.Row:
    return catalog.duplicate_row(file, EXTRACTOR, "m", original)


def resolution_of(*files: RawFile, known=(), listed=(), lost=()) -> Resolution:
    rows = {row["uri"]: row for row in known}
    asked = {file.uri for file in files}
    return resolve(
        {"m": files}, rows, EXTRACTOR, set(listed).intersection, asked, lambda uris: frozenset(uris) & set(lost)
    )


def stands(made: Resolution) -> list[tuple[str, str]]:
    return [(file.uri, row["uri"]) for file, row in made.standing]


def copies(made: Resolution) -> list[tuple[str, str]]:
    return [(file.uri, original) for file, _, original in made.copies]


def test_first_new_file_by_name_is_the_original():
    for order in itertools.permutations([raw("/a"), raw("/b"), raw("/c")]):
        made = resolution_of(*order)
        assert made.originals["m"].uri == "/a" and copies(made) == [("/b", "/a"), ("/c", "/a")]


def test_new_file_with_a_speaker_is_the_original():
    made = resolution_of(raw("/a"), raw("/b", "bob"))
    assert made.originals["m"] == raw("/b", "bob") and copies(made) == [("/a", "/b")]


@pytest.mark.parametrize("by_name", ["/a", "/z"])
def test_original_stays_the_original_when_unlisted(by_name):
    stood = raw(by_name, "ann")
    made = resolution_of(raw("/b"), raw("/c", "ann"), known=[measured(stood)])
    assert (made.originals, made.standing, made.gone) == ({}, [], set())
    assert copies(made) == [("/b", by_name), ("/c", by_name)]
    made = resolution_of(stood, raw("/b"), known=[measured(stood)])
    assert (stands(made), copies(made)) == ([(by_name, by_name)], [("/b", by_name)])


def test_moved_file_takes_the_new_labels_and_replaces_its_row():
    made = resolution_of(raw("/bob/x", "bob"), known=[measured(raw("/alice/x", "alice"))], lost=["/alice/x"])
    assert (stands(made), made.gone, copies(made)) == ([("/bob/x", "/alice/x")], {"/alice/x"}, [])
    made = resolution_of(raw("/x"), known=[measured(raw("/alice/x", "alice"))], lost=["/alice/x"])
    assert made.standing[0][0].speaker is None


def test_newer_listing_with_another_speaker_takes_over():
    old, other = raw("/one/x", "alice"), raw("/one/y", "alice")
    made = resolution_of(raw("/two/x", "bob"), known=[measured(old), copy_of(other, "/one/x")])
    assert stands(made) == [("/two/x", "/one/x")]
    assert copies(made) == [("/one/x", "/two/x"), ("/one/y", "/two/x")]
    assert resolution_of(raw("/two/x"), known=[measured(old)]).standing == []
    assert stands(resolution_of(raw("/two/x", "bob"), known=[measured(raw("/one/x"))])) == [("/two/x", "/one/x")]


def test_contradicting_listing_is_refused():
    made = resolution_of(raw("/a", "ann"), raw("/b", "bob"))
    assert (made.originals, made.copies) == ({}, [])
    assert [(file.uri, why) for file, _, why in made.disputed] == [
        (uri, "speaker is 'ann' at /a, 'bob' at /b") for uri in ("/a", "/b")
    ]
    made = resolution_of(raw("/b", "bob"), known=[measured(raw("/a", "ann"))], listed=["/a"])
    assert [file.uri for file, *_ in made.disputed] == ["/b", "/a"]
    assert not resolution_of(raw("/b", "ann"), known=[measured(raw("/a", "ann"))], listed=["/a"]).disputed


@pytest.mark.parametrize("label", ["speaker", "licence", "consent", "language", "offset_s"])
def test_all_labels_of_one_content_must_agree(label):
    one, two = (replace(raw(f"/{name}"), **{label: value}) for name, value in (("a", 0.1), ("b", 0.2)))
    assert dispute([one, two]).startswith(label)
    assert dispute([one, replace(two, **{label: 0.1})]) is None
    assert dispute([one, raw("/c"), raw("/d")]) is None
    assert dispute([raw("/a", corpus="x"), raw("/b", corpus="y")]) is None


def test_content_that_was_measured_with_another_offset_is_measured_again():
    made = resolution_of(raw("/b", offset_s=0.2), known=[measured(raw("/a"))], lost=["/a"])
    assert made.originals["m"].uri == "/b" and made.gone == {"/a"} and not made.standing


def test_row_with_changed_bytes_is_no_original():
    changed = measured(raw("/a", "ann"))
    made = resolve({"m": [raw("/b")]}, {"/a": changed}, EXTRACTOR, looked_at={"/a", "/b"}, is_gone=frozenset)
    assert made.originals["m"].uri == "/b"


def test_plan_rechecks_copies_of_a_missing_original():
    copy = raw("/b", "bob")
    rows = catalog.catalog_table([measured(raw("/a", "ann")), copy_of(copy, "/a")])

    def known(columns: list[str]) -> list[pa.RecordBatch]:
        return rows.select(columns).to_batches()

    there = plan_run([copy], known, EXTRACTOR, False, lambda uris: frozenset())
    assert (there.fresh, there.unchanged, there.labelled.among({"/a", "/b"})) == ((), 1, {"/b"})
    assert plan_run([copy], known, EXTRACTOR, False, frozenset).fresh == (copy,)


def test_statements_of_copies_in_one_listing_fill_those_of_the_original():
    for order in itertools.permutations([raw("/a"), raw("/b", consent="withdrawn"), raw("/c", licence="CC0-1.0")]):
        made = resolution_of(*order)
        assert made.originals["m"] == raw("/a", consent="withdrawn", licence="CC0-1.0")
        assert [(file.uri, file.consent) for file, *_ in made.copies] == [("/b", "withdrawn"), ("/c", None)]
    stood, beside = raw("/a"), raw("/b", consent="withdrawn")
    made = resolution_of(stood, known=[measured(stood), copy_of(beside, "/a")], listed=["/b"])
    assert made.standing[0][0].consent == "withdrawn"


@pytest.mark.parametrize("before", [None, "given"])
def test_newer_listing_states_the_rights_of_a_file_that_stands_elsewhere(before):
    stood = raw("/a", "ann", consent=before, licence="CC0-1.0", language="en")
    newer = raw("/b", consent="withdrawn: letter", licence="CC-BY-4.0")
    made = resolution_of(newer, known=[measured(stood)])
    assert (stands(made), copies(made)) == ([("/a", "/a")], [("/b", "/a")])
    assert made.standing[0][0] == replace(stood, consent=newer.consent, licence=newer.licence)
    same = measured(made.standing[0][0])
    assert resolution_of(newer, known=[same, copy_of(newer, "/a")]).standing == []


@pytest.mark.parametrize("refusal", ["refused", "withdrawn: letter"])
def test_refusal_of_a_copy_that_is_not_listed_now_stands(refusal):
    copy = raw("/b", consent=refusal)
    for now in (None, "given"):
        listed = raw("/a", consent=now)
        made = resolution_of(listed, known=[measured(raw("/a")), copy_of(copy, "/a")])
        assert made.standing[0][0].consent == refusal
        assert resolution_of(listed, known=[copy_of(copy, "/x")]).originals["m"].consent == refusal
        assert resolution_of(listed, known=[measured(copy)]).standing == []
    made = resolution_of(raw("/a", "ann", consent="given"), known=[measured(copy)])
    assert made.standing[0][0] == raw("/a", "ann", consent=refusal)


def test_clips_follow_the_consent_that_a_copy_states(tmp_path, settings):
    set_policy(ws := new_workspace(tmp_path), load_policy())
    fill(ws, [0])
    (row,) = tables.read(ws, "catalog").to_pylist()
    for name in ("stands", "copy"):
        (tmp_path / name).touch()
    row |= {"uri": str(tmp_path / "stands"), "speaker": None, "consent": "given"}
    copy = raw(str(tmp_path / "copy"))
    duplicate = catalog.duplicate_row(copy, sample.EXTRACTOR, row["media_id"], row["uri"])
    tables.replace_rows(ws, "catalog", catalog.catalog_table([row, duplicate]), "media_id")
    relabel(ws, [replace(copy, consent="withdrawn")], settings, extractor=sample.EXTRACTOR)
    assert set(tables.read(ws, "catalog")["consent"].to_pylist()) == {"withdrawn"}
    clips = tables.read(ws, "clips").to_pylist()
    assert {(clip["consent"], clip["stage1"], clip["stage2"]) for clip in clips} == {("withdrawn", False, False)}
    assert tables.size(ws, "stage1").rows == 0


def test_refusal_of_either_of_two_files_that_were_measured_at_once_stands(tmp_path, settings):
    set_policy(ws := new_workspace(tmp_path), load_policy())
    fill(ws, [0])
    (row,) = tables.read(ws, "catalog").to_pylist()
    twins = [row | {"uri": str(tmp_path / name), "consent": said} for name, said in (("a", "given"), ("b", "refused"))]
    for twin in twins:
        (tmp_path / twin["uri"]).touch()
    tables.replace_rows(ws, "catalog", catalog.catalog_table(twins), "media_id")
    assert merge_twins(ws, settings, catalog.twin_rows(ws))
    rows = {one["uri"][-1]: (one["state"], one["consent"]) for one in tables.read(ws, "catalog").to_pylist()}
    assert rows == {"a": ("measured", "refused"), "b": ("duplicate", "refused")}
    assert {clip["consent"] for clip in tables.read(ws, "clips").to_pylist()} == {"refused"}
