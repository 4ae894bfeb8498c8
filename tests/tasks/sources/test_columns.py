"""Mapping of a table's columns to a manifest's: on the command line, and in a corpus file."""

import gzip
import json
from pathlib import Path

import fsspec
import pandas as pd
import pytest

from heterodub.schemas.errors import SourceError
from heterodub.tasks.preflight.data import mapped_columns
from heterodub.tasks.sources.columns import parse_columns, resolve
from heterodub.tasks.sources.open import check_source, source_files


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "films").mkdir()
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "films" / name).write_bytes(name.encode())
    (tmp_path / "labels.csv").write_text("File,speaker_id,notes,licence\nfilms/a.mp4,ada,x,CC0\nfilms/b.mp4,bea,y,\n")
    return tmp_path


def test_mapping_is_parsed_as_columns_are_compared():
    assert parse_columns(" URI = File ,speaker=Speaker_ID") == {"uri": "file", "speaker": "speaker_id"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("uri=file,speeker=id", r"unknown column 'speeker'; known are uri, .*is speeker meant to be speaker\?"),
        ("uri=a,uri=b", "two sources for uri: a and b"),
        ("uri", "'uri' is not COLUMN=COLUMN OF THE TABLE"),
        ("uri=", "'uri=' is not COLUMN="),
        ("uri=file,", "'' is not COLUMN="),
    ],
)
def test_wrong_mapping_is_refused(text, words):
    with pytest.raises(SourceError, match=f"columns: {words}"):
        mapped_columns(text)


def test_mapped_columns_are_read_and_others_left_out(folder):
    first, second = source_files(str(folder / "labels.csv"), columns=parse_columns("uri=file,speaker=speaker_id"))
    assert (Path(first.uri).name, first.speaker, first.licence) == ("a.mp4", "ada", "CC0")
    assert (Path(second.uri).name, second.speaker, second.licence) == ("b.mp4", "bea", None)


def test_mapping_goes_before_names_and_takes_a_column_away():
    header = ["file", "speaker", "licence", "person"]
    assert resolve({"uri": "file", "speaker": "person"}, header) == {
        "uri": "file", "speaker": "person", "licence": "licence"
    }  # fmt: skip
    assert resolve({"uri": "file", "consent": "licence"}, header) == {
        "uri": "file", "speaker": "speaker", "consent": "licence"
    }  # fmt: skip
    assert resolve({"uri": "file", "corpus": "person", "speaker": "person"}, header)["corpus"] == "person"


def test_missing_column_of_the_table_is_named(folder):
    with pytest.raises(
        SourceError, match=r"labels\.csv: it has no column spk \(for speaker\); it has file, speaker_id"
    ):
        check_source(str(folder / "labels.csv"), columns=parse_columns("uri=file,speaker=spk"))
    with pytest.raises(SourceError, match=r"needs a column 'uri'.*--columns uri=NAME"):
        check_source(str(folder / "labels.csv"), columns=parse_columns("speaker=speaker_id"))


def test_values_that_are_not_mapped_may_be_anything(folder):
    table = pd.DataFrame({"file": ["films/a.mp4"], "boxes": [[1, 2]]})
    table.to_parquet(folder / "labels.parquet")
    (raw,) = source_files(str(folder / "labels.parquet"), columns={"uri": "file"})
    assert raw.refusal is None
    with pytest.raises(SourceError, match="row 1: speaker: a list is no text"):
        check_source(str(folder / "labels.parquet"), columns={"uri": "file", "speaker": "boxes"})


@pytest.mark.parametrize("source", ["films", "films/a.mp4", "corpus.toml"])
def test_mapping_of_what_is_no_manifest_is_refused(folder, source):
    (folder / "corpus.toml").write_text('root = "films"')
    with pytest.raises(SourceError, match="is no manifest, so it has no columns"):
        check_source(str(folder / source), columns={"uri": "file"})


def test_corpus_file_names_a_manifest_and_its_columns(folder):
    (folder / "corpus.toml").write_text(
        'name = "mine"\nroot = "."\nlicence = "CC BY 4.0"\nmanifest = "labels.csv"\n'
        '[columns]\nuri = "file"\nspeaker = "speaker_id"\n'
    )
    first, second = source_files(str(folder / "corpus.toml"))
    assert (first.corpus, first.speaker, first.licence) == ("mine", "ada", "CC0")
    assert (second.speaker, second.licence) == ("bea", "CC BY 4.0")


def test_paths_of_a_corpus_file_s_manifest_are_below_its_root(folder):
    (folder / "lists").mkdir()
    (folder / "lists" / "l.jsonl").write_text('{"file": "a.mp4"}\n')
    (folder / "corpus.toml").write_text('root = "films"\nmanifest = "lists/l.jsonl"\ncolumns.uri = "file"\n')
    (raw,) = source_files(str(folder / "corpus.toml"))
    assert (Path(raw.uri).name, raw.refusal) == ("a.mp4", None)


def test_corpus_file_in_a_bucket_names_a_manifest_beside_it():
    store = fsspec.filesystem("memory")
    store.pipe("/mapped/a.mp4", b"1")
    store.pipe("/mapped/l.csv", b"file,who\na.mp4,ada\n")
    store.pipe("/mapped/c.toml", b'root = "."\nmanifest = "l.csv"\ncolumns = {uri = "file", speaker = "who"}\n')
    for source, columns in (("c.toml", {}), ("l.csv", {"uri": "file", "speaker": "who"})):
        (raw,) = source_files(f"memory://mapped/{source}", columns=columns)
        assert (raw.uri.rpartition(":/")[2].lstrip("/"), raw.speaker, raw.size_bytes) == ("mapped/a.mp4", "ada", 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('root = "."\ncolumns.uri = "file"', "columns are those of a manifest"),
        ('root = "."\nmanifest = "l.txt"', r"a manifest is \.csv"),
        ('root = "."\nmanifest = "labels.csv"\nglob = "*.mp4"', "leave out glob and speaker"),
        ('root = "."\nmanifest = "labels.csv"\ncolumns.url = "file"', "unknown column 'url'; known are uri"),
        ('root = "."\nmanifest = "labels.csv"\ncolumns.uri = " "', "uri needs the name of a column"),
        ('root = "."\nmanifest = "labels.csv"\ncolumns = {uri = "a", " URI" = "b"}', "two sources for uri: a and b"),
        ('root = "."\nmanifest = "gone.csv"', "No such file"),
    ],
)
def test_wrong_corpus_file_is_refused(folder, text, words):
    (folder / "corpus.toml").write_text(text)
    with pytest.raises(SourceError, match=words):
        check_source(str(folder / "corpus.toml"))


@pytest.mark.parametrize("name", ["l.jsonl", "L.JSONL.gz"])
def test_json_lines_equal_csv(folder, name):
    rows = [
        {"uri": "films/a.mp4", "speaker": 7, "offset": 0.5},
        {"uri": "films/b.mp4", "licence": " ", "speaker": None},
    ]
    data = "\n\n".join(json.dumps(row) for row in rows).encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    first, second = source_files(str(folder / name))
    assert (first.speaker, first.offset_s, first.licence) == ("7", 0.5, None)
    assert (second.speaker, second.offset_s, second.licence) == (None, 0.0, None)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_json_lines_end_at_line_feeds_alone(folder, end):
    speakers = ["a\u2028b", "a\u2029b", "a\u0085b"]
    rows = [{"uri": f"films/{name}.mp4", "speaker": who} for name, who in zip("abc", speakers, strict=True)]
    text = end.join(json.dumps(row, ensure_ascii=False) for row in rows)
    (folder / "l.jsonl").write_bytes(text.encode())
    assert [raw.speaker for raw in source_files(str(folder / "l.jsonl"))] == speakers


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"uri": "films/a.mp4"}\n[1]', "line 2 holds a list, not an object"),
        ('{"uri": "films/a.mp4"}\n{"uri": ', "line 2 is not JSON"),
        ("[" * 100_000, "line 1: its values are nested too deeply"),
        ('{"uri": "films/a.mp4", "URI": "x"}', "the column 'uri' stands twice"),
        ('{"uri": "films/a.mp4", "speaker": {"id": 1}}', "row 1: speaker: a dict is no text"),
        ('{"uri": "films/a.mp4", "speaker": "\\ud800"}', "row 1: speaker: .*surrogates not allowed"),
        ('{"uri": "films/a.mp4", "who": 1}', "unknown columns who"),
        ("", "needs a column 'uri', and has none"),
    ],
)
def test_damaged_json_lines_are_refused(folder, text, words):
    (folder / "l.jsonl").write_text(text)
    with pytest.raises(SourceError, match=words):
        check_source(str(folder / "l.jsonl"))
