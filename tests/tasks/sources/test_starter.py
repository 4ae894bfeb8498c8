"""The corpus file and the settings file that `init` writes: guesses by a folder's look, accepted by `ingest`."""

import os
import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from heterodub.schemas.config.described import described_settings, settings_template
from heterodub.schemas.config.settings import Settings, load_settings
from heterodub.schemas.errors import SettingsError, SourceError
from heterodub.tasks.preflight.data import check_ingest
from heterodub.tasks.sources.corpus import load_corpus
from heterodub.tasks.sources.open import source_files
from heterodub.tasks.sources.starter import write_starter
from heterodub.tasks.sources.survey import survey_folder


@pytest.fixture
def footage(tmp_path) -> Path:
    return tmp_path / "my footage"


def films(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(os.fsencode(name))


def accepted(footage: Path, tmp_path: Path, monkeypatch) -> tuple[dict[str, str], dict[str, str | None]]:
    """Answer of `init`, and the speaker of each file that `ingest` then lists, by name; its checks have passed."""
    said = write_starter(footage, tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    check_ingest("corpus.toml", workspace=str(tmp_path / "ws"))
    return said, {Path(raw.uri).name: raw.speaker for raw in source_files("corpus.toml")}


@pytest.mark.parametrize(
    ("paths", "speakers"),
    [
        (("ada/1.mp4", "bea/in/2.mp4", "bea/3.mov"), {"1.mp4": "ada", "2.mp4": "bea", "3.mov": "bea"}),
        (("train/ada/1.mp4", "test/bea/2.mp4"), {"1.mp4": "ada", "2.mp4": "bea"}),
        (("s01-a.mp4", "x/s02_b.mp4"), {"s01-a.mp4": "s01", "s02_b.mp4": "s02"}),
        (("2024-05-01/1.mp4", "2024-05-02/2.mp4"), {"1.mp4": None, "2.mp4": None}),
        (("train/1.mp4", "test/2.mp4"), {"1.mp4": None, "2.mp4": None}),
        (("ada/1.mp4", "ada/2.mp4"), {"1.mp4": None, "2.mp4": None}),
        (("show.s01e02.mp4", "show.s01e03.mp4"), {"show.s01e02.mp4": None, "show.s01e03.mp4": None}),
    ],
)
def test_paths_that_look_like_speakers_become_a_pattern(footage, tmp_path, monkeypatch, paths, speakers):
    films(footage, *paths)
    said, listed = accepted(footage, tmp_path, monkeypatch)
    assert listed == speakers
    assert ("guess" in said["speaker"]) == any(speakers.values())


def test_one_film_where_it_does_not_belong_hides_no_speakers(footage, tmp_path, monkeypatch):
    films(footage, "stray.mp4", *(f"{name}/{take}.mp4" for name in ("ada", "bea") for take in "123"))
    assert accepted(footage, tmp_path, monkeypatch)[1]["stray.mp4"] is None
    assert survey_folder(footage).speakers.speakers == ("ada", "bea")


def test_other_files_are_left_out_where_media_share_a_suffix(footage, tmp_path, monkeypatch):
    films(footage, "a.MP4", "b/c.MP4", "notes.txt")
    assert set(accepted(footage, tmp_path, monkeypatch)[1]) == {"a.MP4", "c.MP4"}


def test_folder_without_known_suffixes_is_taken_whole(footage, tmp_path, monkeypatch):
    films(footage, "film", "other.bin")
    said, listed = accepted(footage, tmp_path, monkeypatch)
    assert set(listed) == {"film", "other.bin"} and said["media"] == "no file is named like a video"


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_manifest_is_found_and_its_columns_mapped(footage, tmp_path, monkeypatch, suffix):
    films(footage, "v/a.mp4", "v/b.mp4")
    table = pd.DataFrame(
        {"File": ["v/a.mp4", "v/b.mp4"], "Speaker ID": ["ada", "bea"], "mood": [1, 2], "license": "CC0"}
    )
    (footage / "notes.csv").write_text("a,b\n1,2\n")
    path = footage / f"labels{suffix}"
    if suffix == ".jsonl":
        table.to_json(path, orient="records", lines=True)
    elif suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep=";" if suffix == ".csv" else "\t")
    said, listed = accepted(footage, tmp_path, monkeypatch)
    assert listed == {"a.mp4": "ada", "b.mp4": "bea"} and "2 files" in said["manifest"]
    corpus = load_corpus(tmp_path / "out" / "corpus.toml")
    assert corpus.columns == {"uri": "file", "speaker": "speaker id", "licence": "license"}


def test_manifest_whose_paths_are_below_the_folder_keeps_that_root(footage, tmp_path, monkeypatch):
    films(footage, "a.mp4", "b.mp4")
    films(footage, "lists/all.csv")
    (footage / "lists" / "all.csv").write_text("path,spk\na.mp4,ada\nb.mp4,bea\n")
    assert accepted(footage, tmp_path, monkeypatch)[1] == {"a.mp4": "ada", "b.mp4": "bea"}


def test_manifest_that_ingest_would_refuse_is_not_used_and_says_why(footage, tmp_path, monkeypatch):
    films(footage, "ada/1.mp4", "bea/2.mp4")
    (footage / "l.csv").write_text("uri,speaker,offset\nada/1.mp4,ada,late\nbea/2.mp4,bea,0\n")
    assert accepted(footage, tmp_path, monkeypatch)[1] == {"1.mp4": "ada", "2.mp4": "bea"}
    text = (tmp_path / "out" / "corpus.toml").read_text()
    assert "# Not used: " in text and "offset is in seconds, not 'late'" in text


def test_table_without_speakers_gives_way_to_folders_of_speakers(footage, tmp_path, monkeypatch):
    films(footage, "ada/1.mp4", "bea/2.mp4")
    (footage / "l.csv").write_text("uri\nada/1.mp4\nbea/2.mp4\n")
    said, listed = accepted(footage, tmp_path, monkeypatch)
    assert listed == {"1.mp4": "ada", "2.mp4": "bea"} and "not used" in said["manifest"]


def test_starter_files_overwrite_nothing_unasked(footage, tmp_path):
    films(footage, "a.mp4")
    out = tmp_path / "out"
    write_starter(footage, out)
    (out / "heterodub.toml").write_text("device = 'cpu'\n")
    (out / "corpus.toml").write_text("# mine\n")
    with pytest.raises(SettingsError, match=r"corpus\.toml is there: --force"):
        write_starter(footage, out)
    assert (out / "corpus.toml").read_text() == "# mine\n"
    (out / "corpus.toml").unlink()
    assert "kept" in write_starter(footage, out)["settings"]
    assert (out / "heterodub.toml").read_text() == "device = 'cpu'\n"
    write_starter(footage, out, force=True)
    assert (out / "heterodub.toml").read_text() == settings_template()


def test_odd_names_stay_in_one_line_of_a_comment(footage, tmp_path, monkeypatch):
    odd = os.fsdecode(b"b\xffb")
    films(footage, "a\nroot = 'x'/1.mp4", f"{odd}/2.mp4", "it's \\d/3.mp4")
    _, listed = accepted(footage, tmp_path, monkeypatch)
    assert "it's \\d" in listed.values() and "a\nroot = 'x'" in listed.values()
    assert load_corpus(tmp_path / "out" / "corpus.toml").root == str(footage)
    with pytest.raises(SourceError, match="its path is not UTF-8"):
        write_starter(footage / odd, tmp_path / "other")


def test_footage_is_only_read(footage):
    films(footage, "a.mp4", "in/b.mp4")
    for output in (footage, footage / "in"):
        with pytest.raises(SettingsError, match="lies in the footage"):
            write_starter(footage, output)
    assert len(list(footage.rglob("*"))) == 3


def test_folder_without_anything_to_ingest_is_refused(footage, tmp_path):
    with pytest.raises(SourceError, match="there is no such folder"):
        write_starter(footage, tmp_path / "out")
    footage.mkdir()
    with pytest.raises(SourceError, match="there are no files"):
        write_starter(footage, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_settings_template_sets_nothing(tmp_path):
    (tmp_path / "h.toml").write_text(settings_template())
    assert load_settings(tmp_path / "h.toml") == Settings()
    assert set(tomllib.loads(settings_template())) < set(Settings.model_fields)


def test_settings_template_holds_every_default_and_description(tmp_path):
    text = re.sub(r"(?m)^#(\w+ = .+)$", r"\1", settings_template())
    (tmp_path / "h.toml").write_text(text)
    assert load_settings(tmp_path / "h.toml") == Settings()
    without_breaks = " ".join(text.replace("\n#", " ").split())
    entries = [entry for section in described_settings() for entry in section.settings]
    assert len(entries) > 150
    undescribed = {
        section.name for section in described_settings() if not all(row.description for row in section.settings)
    }
    assert undescribed == {"stage2.finetuning.losses"}  # its header says where they are
    for entry in entries:
        assert " ".join(entry.description.split()) in without_breaks, entry.name
    set_ones = [entry for entry in entries if entry.default is not None]
    assert len(re.findall(r"(?m)^\w+ = ", text)) == len(set_ones)
