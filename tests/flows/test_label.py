"""The commands of `label`, as a person uses them."""

import json
from pathlib import Path

import pytest

from heterodub.schemas.errors import SourceError
from tests.tasks.inspect import footage

CLIP = footage.clip_id(footage.CLIPS_MADE[0])
SILENT = footage.clip_id(footage.CLIPS_MADE[3])


@pytest.fixture
def root(tmp_path) -> str:
    return footage.make(tmp_path / "ws").root


def test_label_is_added_listed_exported_and_removed(invoked, stdout_of, root, tmp_path):
    words = (
        "label",
        "add",
        CLIP[:9],
        "--stage",
        "stage2",
        "--refuse",
        "--reason",
        "blurred",
        "--by",
        "Ann",
        "-w",
        root,
    )
    ended = invoked(*words)
    assert (ended.exit_code, ended.stdout) == (0, "1 label stored, 0 there already\n")
    assert f"next: heterodub route -w {root}" in ended.stderr
    assert "Ann" in stdout_of("label", "list", "-w", root) and "waiting" in stdout_of("label", "list", "-w", root)
    changes = json.loads(stdout_of("route", "--dry-run", "--clips", "-w", root, "--json"))
    assert changes["changed"] == [{"clip_id": CLIP, "before": "both", "after": "stage1"}]
    (tmp_path / "labels.csv").write_text(stdout_of("label", "list", "--format", "csv", "-w", root))
    assert stdout_of("label", "import", tmp_path / "labels.csv", "-w", root) == "0 labels stored, 1 there already\n"
    assert stdout_of("label", "remove", CLIP[:9], "-w", root) == f"removed: {CLIP} stage2: refused by Ann: blurred\n"
    assert stdout_of("label", "list", "--json", "-w", root).split() == ["[]"]


def test_label_that_neither_keeps_nor_refuses_names_both_options(invoked, root):
    ended = invoked("label", "add", CLIP, "--stage", "stage2", "--reason", "blurred", "--by", "Ann", "-w", root)
    assert ended.exit_code == 2 and "name one of --keep and --refuse" in ended.stderr


def test_label_without_effect_is_warned_of(invoked, root):
    words = ("label", "add", SILENT, "--stage", "stage1", "--keep", "--reason", "fit", "--by", "Ann", "-w", root)
    ended = invoked(*words)
    assert ended.exit_code == 0
    assert f"warning: {SILENT} is not used by stage1 all the same: no_sound" in ended.stderr


def test_bad_table_ends_the_command_and_score_needs_labels(invoked, root, tmp_path):
    (tmp_path / "bad.csv").write_text("clip,stage,verdict,reason,by\n0000,stage1,keep,fit,Ann\n")
    ended = invoked("label", "import", tmp_path / "bad.csv", "-w", root)
    assert isinstance(ended.exception, SourceError) and "row 1" in str(ended.exception)
    assert invoked("label", "score", "-w", root).exit_code == 1


def test_draw_and_score_as_a_person_sees_them(stdout_of, tmp_path):
    root = footage.playable(tmp_path).workspace
    printed = stdout_of("label", "draw", 5, "-o", tmp_path / "page", "-w", root)
    assert printed.splitlines()[-1] == str(tmp_path / "page" / "labels.html") and Path(printed.split()[-1]).is_file()
    assert "stage1 noisy" in printed or "stage1 low_av_sync" in printed
    clip = json.loads(stdout_of("list", "--clips", "--json", "-w", root))[0]["clip_id"]
    stdout_of("label", "add", clip, "--stage", "stage1", "--keep", "--reason", "fit", "--by", "Ann", "-w", root)
    text = stdout_of("label", "score", "-w", root)
    assert "1 labelled clip alone" in text and "admitted" in text
    scores = json.loads(stdout_of("label", "score", "--json", "-w", root))
    assert (scores["drawn"], scores["by_hand"]) == (False, 1)
