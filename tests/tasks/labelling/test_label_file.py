from pathlib import Path

import pytest

from heterodub.schemas.display import csv_line
from heterodub.schemas.errors import NotFoundError, SourceError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.labelling.label_file import StoredLabels, add_label, import_labels, remove_labels
from heterodub.tasks.labelling.listing import COLUMNS, list_labels
from heterodub.tasks.labelling.sampling import draw_clips
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.labels import read_labels
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.inspect import footage
from tests.tasks.labelling import made
from tests.tasks.labelling.made import clip_id


@pytest.fixture
def ws(tmp_path) -> Workspace:
    return made.make(tmp_path, {"good": 2, "noisy": 2, "silent": 1})


def table(folder: Path, *rows: str, header: str = "clip,stage,verdict,reason,by") -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_table_is_stored_whole_and_only_once(ws, tmp_path):
    rows = [f"{clip_id('good')},stage2,refuse,blurred,Ann", f"{clip_id('noisy')[:8]},stage1,Keep,'=quiet enough,Ann"]
    path = table(tmp_path, *rows)
    assert import_labels(ws, path) == StoredLabels(2, 0, 0, ())
    assert {key: one.text for key, one in read_labels(ws).items()} == {
        (clip_id("good"), Stage.STAGE2): "refused by Ann: blurred",
        (clip_id("noisy"), Stage.STAGE1): "kept by Ann: =quiet enough",
    }
    version = tables.version(ws, "labels")
    assert import_labels(ws, path) == StoredLabels(0, 2, 0, ())
    assert tables.version(ws, "labels") == version
    other = table(tmp_path, f"{clip_id('good')};stage2;keep;sharp;Bob", header="clip;stage;verdict;reason;by")
    assert import_labels(ws, other) == StoredLabels(1, 0, 1, ())


def test_every_bad_row_is_named_and_nothing_is_stored(ws, tmp_path):
    good = clip_id("good")
    path = table(
        tmp_path,
        f"{good},stage1,keep,fit,Ann",
        "0123456789,stage1,keep,fit,Ann",
        f"{good},stage3,keep,fit,Ann",
        f"{good},stage2,maybe,fit,Ann",
        f"{good},stage2,keep,,",
        f"{good},stage1,refuse,noisy,Bob",
        f"{good[:3]},stage1,keep,fit,Ann",
    )
    with pytest.raises(SourceError) as caught:
        import_labels(ws, path)
    lines = [line.strip() for line in str(caught.value).splitlines()[1:]]
    assert lines == [
        "row 2: clip '0123456789' is not stored, or the start of several ids",
        "row 3: stage 'stage3' is neither stage1 nor stage2",
        "row 4: verdict 'maybe' is neither keep nor refuse",
        "row 5: reason is empty; by is empty",
        f"row 6: clip {good} has a label for stage1 in row 1 already",
        f"row 7: clip '{good[:3]}' is not stored, or the start of several ids",
    ]
    assert read_labels(ws) == {}


def test_label_of_a_draw_must_be_of_a_clip_of_it(ws, tmp_path):
    drawn = draw_clips(ws, footage.POLICY, 1)
    inside, header = drawn.clips[0].clip_id, "clip,stage,verdict,reason,by,draw"
    outside = next(row["clip_id"] for row in made.stored(ws) if row["clip_id"] != inside)
    rows = [f"{clip},stage2,keep,fit,Ann,{draw}" for clip in (inside, outside) for draw in (drawn.draw, "nothing")]
    with pytest.raises(SourceError, match="row 2") as caught:
        import_labels(ws, table(tmp_path, rows[0], rows[2], rows[1].replace("stage2", "stage1"), header=header))
    assert "row 3" in str(caught.value) and "row 1" not in str(caught.value)
    import_labels(ws, table(tmp_path, rows[0], header=header))
    assert read_labels(ws)[inside, Stage.STAGE2].draw == drawn.draw


@pytest.mark.parametrize(("header", "missing"), [("clip,stage,verdict,reason", "lacks by"), ("id,by", "lacks clip")])
def test_table_without_a_column_is_refused(ws, tmp_path, header, missing):
    with pytest.raises(SourceError, match=missing):
        import_labels(ws, table(tmp_path, header=header))


def test_missing_file_is_refused(ws, tmp_path):
    with pytest.raises(SourceError, match=r"none\.csv"):
        import_labels(ws, tmp_path / "none.csv")


def test_clip_that_a_stage_cannot_use_is_named(ws):
    stored = add_label(ws, clip_id("silent"), Stage.STAGE1, True, "loud", "Ann")
    assert stored.unusable == ((clip_id("silent"), "stage1", "no_sound"),)
    assert add_label(ws, clip_id("silent"), Stage.STAGE2, True, "sharp", "Ann").unusable == ()


def test_label_needs_a_clip_a_reason_and_a_name(ws):
    with pytest.raises(NotFoundError, match="is a file"):
        add_label(ws, "good0.mp4", Stage.STAGE1, True, "fit", "Ann")
    for reason, by in ((" ", "Ann"), ("fit", "")):
        with pytest.raises(SourceError, match="a reason and the name"):
            add_label(ws, clip_id("good"), Stage.STAGE1, True, reason, by)


def test_removed_label_leaves_the_other_stage(ws):
    for stage in Stage:
        add_label(ws, clip_id("good"), stage, False, "no", "Ann")
    assert [one.stage for one in remove_labels(ws, clip_id("good")[:9], Stage.STAGE1, "seen again", "Bob")] == [
        "stage1"
    ]
    assert list(read_labels(ws)) == [(clip_id("good"), Stage.STAGE2)]
    with pytest.raises(NotFoundError, match="has a label for stage1"):
        remove_labels(ws, clip_id("good"), Stage.STAGE1, "", "Bob")


def test_label_of_a_clip_that_is_gone_can_be_removed(ws):
    add_label(ws, clip_id("good"), Stage.STAGE1, True, "fit", "Ann")
    tables.delete_rows(ws, "clips", "clip_id", [clip_id("good")])
    assert [row["effect"] for row in list_labels(ws, footage.POLICY)] == ["no clip"]
    remove_labels(ws, clip_id("good"), None, "gone", "Ann")
    assert read_labels(ws) == {}


def test_listed_table_is_imported_again_though_a_clip_is_gone(ws, tmp_path):
    for kind in ("good", "noisy"):
        add_label(ws, clip_id(kind), Stage.STAGE1, True, "=fit", "Ann")
    tables.delete_rows(ws, "clips", "clip_id", [clip_id("good")])
    rows = [csv_line(row.values()).rstrip() for row in list_labels(ws, footage.POLICY)]
    assert import_labels(ws, table(tmp_path, *rows, header=",".join(COLUMNS))) == StoredLabels(0, 2, 0, ())
    with pytest.raises(SourceError, match="is not stored"):
        import_labels(ws, table(tmp_path, *(row.replace("fit", "unfit") for row in rows), header=",".join(COLUMNS)))
    with pytest.raises(SourceError, match=r"row 3: .* in row 1 already"):
        import_labels(ws, table(tmp_path, *rows, rows[0], header=",".join(COLUMNS)))


def test_list_says_what_waits_for_a_route(ws):
    add_label(ws, clip_id("good"), Stage.STAGE1, True, "fit", "Ann")
    add_label(ws, clip_id("noisy"), Stage.STAGE1, True, "fit", "Ann")
    add_label(ws, clip_id("silent"), Stage.STAGE1, True, "fit", "Ann")
    rows = list_labels(ws, footage.POLICY)
    assert all(tuple(row) == COLUMNS for row in rows)
    effects = {row["clip"]: row["effect"] for row in rows}
    assert effects == {clip_id("good"): "applied", clip_id("noisy"): "waiting", clip_id("silent"): "unusable"}
