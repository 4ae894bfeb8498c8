"""Metadata files of a folder: each file gets the labels of its row; what they name and is not there is refused."""

import json
import os

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from heterodub.schemas.errors import SourceError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.sources.corpus import Corpus
from heterodub.tasks.sources.folder import find_files
from heterodub.tasks.sources.open import source_files
from tests.tasks.sources.archives import listed, reasons


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_metadata_file_labels_a_folder(tmp_path, form):
    """The videofolder of Hugging Face."""
    (tmp_path / "train" / "a").mkdir(parents=True)
    (tmp_path / "train" / "a" / "film.mp4").write_bytes(b"1")
    (tmp_path / "train" / "other.mp4").write_bytes(b"2")
    names = {"a/film.mp4": "Ada", "lost.mp4": "Bob", "../../passwd": "Eve"}
    rows = [{"file_name": name, "speaker": who, "caption": "words"} for name, who in names.items()]
    metadata = tmp_path / "train" / f"metadata.{form}"
    if form == "jsonl":
        metadata.write_text("\n".join(json.dumps(row) for row in rows))
    elif form == "csv":
        metadata.write_text("\n".join(",".join(row) for row in [rows[0], *(row.values() for row in rows)]))
    else:
        pq.write_table(pa.Table.from_pylist(rows), metadata)
    files = listed(tmp_path)
    assert {name: (raw.speaker, raw.refusal) for name, raw in files.items()} == {
        "film.mp4": ("Ada", None),
        "other.mp4": (None, None),
        "lost.mp4": ("Bob", FileReason.NOT_FOUND),
        "passwd": (None, FileReason.UNSAFE_NAME),
    }


def test_metadata_of_other_use_is_a_file_like_others(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"1")
    (tmp_path / "metadata.csv").write_bytes(b"title,\xff\n")
    os.mkfifo(tmp_path / "metadata.jsonl")
    assert reasons(tmp_path) == {"a.mp4": None, "metadata.csv": None, "metadata.jsonl": FileReason.NOT_A_REGULAR_FILE}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("metadata.jsonl", '{"file_name": "a.mp4"}\n{"file', "line 2"),
        ("metadata.csv", "file_name,offset\na.mp4,late", "row 1: offset"),
        ("metadata.csv", "file_name,speaker\na.mp4,x\na.mp4,y", "row 2: an earlier row says different things"),
    ],
)
def test_damaged_metadata_is_refused(tmp_path, name, text, words):
    (tmp_path / "a.mp4").write_bytes(b"1")
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=words):
        list(source_files(str(tmp_path)))


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_column_whose_name_merely_ends_so_names_no_files(tmp_path, form):
    (tmp_path / "a.mp4").write_bytes(b"1")
    table = pa.table({"profile_name": ["Ada"], "speaker": ["Bob"]})
    write_rows = {"csv": pa_csv.write_csv, "parquet": pq.write_table}[form]
    write_rows(table, tmp_path / f"metadata.{form}")
    assert reasons(tmp_path) == {"a.mp4": None, f"metadata.{form}": None}


def test_column_of_any_prefix_names_files(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"1")
    (tmp_path / "metadata.csv").write_text("Video_File_Name,profile_name,speaker\na.mp4,x,Ada\n")
    assert {name: raw.speaker for name, raw in listed(tmp_path).items()} == {"a.mp4": "Ada"}


def test_named_file_that_is_there_but_not_listed_is_not_reported(tmp_path):
    """Left out by the glob, or below a linked folder."""
    (folder := tmp_path / "raw").mkdir()
    (other := tmp_path / "elsewhere").mkdir()
    for path in (folder / "1.mp4", folder / "1.wav", other / "2.mp4"):
        path.write_bytes(b"1")
    (folder / "linked").symlink_to(other)
    names = ["1.mp4", "1.wav", "linked/2.mp4", "lost.mp4", "a" * 300 + ".mp4"]
    (folder / "metadata.csv").write_text("\n".join(["file_name", *names]))
    files = find_files(Corpus(root=str(folder), glob="**/*.mp4"))
    assert {raw.uri.rsplit("/", 1)[-1]: raw.refusal for raw in files} == {
        "1.mp4": None,
        "linked": FileReason.LINKED_FOLDER,
        "lost.mp4": FileReason.NOT_FOUND,
        names[-1]: FileReason.NOT_FOUND,
    }
