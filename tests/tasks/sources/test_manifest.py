"""Manifests: what they may say of a file, and what is wrong in them is named with its row."""

import os
from pathlib import Path

import pandas as pd
import pytest

from schemas.errors import SourceError
from schemas.reasons import FileReason
from tasks.media.locate import path_to_uri
from tasks.sources.manifest import read_manifest


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("a.mp4", "in/b c.mp4", 'quote".mp4'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def csv(folder: Path, text: str, encoding: str = "utf-8"):
    path = folder / "list.csv"
    path.write_bytes(text.encode(encoding))
    return list(read_manifest(path, "mine"))


def parquet(folder: Path, **columns):
    path = folder / "list.parquet"
    pd.DataFrame(columns).to_parquet(path)
    return list(read_manifest(path, "mine"))


def test_paths_are_relative_to_the_manifest_or_absolute_or_uris(folder):
    raws = csv(
        folder,
        f'uri\na.mp4\nin/b c.mp4\n{folder}/"quote""".mp4\n'.replace(
            f'{folder}/"quote""".mp4', f'"{folder}/quote"".mp4"'
        ),
    )
    assert [raw.uri for raw in raws] == [str(folder / "a.mp4"), str(folder / "in/b c.mp4"), str(folder / 'quote".mp4')]
    assert [raw.size_bytes for raw in raws] == [5, 10, 10]
    assert all(raw.corpus == "mine" and raw.refusal is None for raw in raws)
    (raw,) = csv(folder, f"uri\nfile://{folder}/in/b%20c.mp4")
    assert raw.uri == str(folder / "in/b c.mp4")


def test_a_name_from_the_catalog_that_is_not_text_is_found_again(folder):
    raw_name = os.fsencode(folder) + b"/\xff.mp4"
    with open(raw_name, "wb") as out:
        out.write(b"123")
    (raw,) = csv(folder, f"uri\n{path_to_uri(raw_name)}")
    assert (raw.uri, raw.size_bytes, raw.refusal) == (path_to_uri(raw_name), 3, None)


def test_what_is_told_of_a_file_is_kept(folder):
    text = "uri,speaker,licence,consent,language,corpus,offset\na.mp4,s1,CC0,given,en,grid,-0.25\nin/b c.mp4,,,,,,\n"
    told, silent = csv(folder, text)
    assert (told.speaker, told.licence, told.consent, told.language) == ("s1", "CC0", "given", "en")
    assert (told.corpus, told.offset_s) == ("grid", -0.25)
    assert (silent.speaker, silent.licence, silent.consent, silent.language) == (None, None, None, None)
    assert (silent.corpus, silent.offset_s) == ("mine", 0.0)


def test_parquet_says_the_same_with_its_own_types(folder):
    raws = parquet(folder, uri=["a.mp4", "in/b c.mp4"], offset=[0.5, None], speaker=["s1", None])
    assert [(raw.speaker, raw.offset_s) for raw in raws] == [("s1", 0.5), (None, 0.0)]
    assert [raw.speaker for raw in parquet(folder, uri=["a.mp4"], speaker=[17])] == ["17"]


@pytest.mark.parametrize("word", ["NA", "null", "None", "nan", "001"])
def test_names_that_look_like_nothing_are_names(folder, word):
    (raw,) = csv(folder, f"uri,speaker\na.mp4,{word}")
    assert raw.speaker == word


def test_a_file_that_is_not_there_is_listed_with_its_reason(folder):
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("nowhere")
    gone, pipe, link, below = csv(folder, "uri\ngone.mp4\npipe\nlink\na.mp4/x.mp4")
    assert gone.refusal is FileReason.VANISHED
    assert pipe.refusal is FileReason.NOT_A_REGULAR_FILE
    assert link.refusal is FileReason.BROKEN_LINK
    assert below.refusal is FileReason.UNREADABLE


@pytest.mark.parametrize("offset", ["late", "0,5s", "nan", "inf", "-inf", "1e999"])
def test_an_offset_that_is_no_number_of_seconds_is_refused_with_its_row(folder, offset):
    with pytest.raises(SourceError, match=r"row 2: offset is in seconds, not") as error:
        csv(folder, f'uri,offset\na.mp4,0\nin/b c.mp4,"{offset}"')
    assert offset in str(error.value)


def test_columns_are_checked(folder):
    with pytest.raises(SourceError, match=r"unknown columns speeker; known are uri, speaker"):
        csv(folder, "uri,speeker\na.mp4,x")
    with pytest.raises(SourceError, match=r"needs a column 'uri', and has path, speaker"):
        csv(folder, "path,speaker\na.mp4,x")
    with pytest.raises(SourceError, match="row 2 has no uri"):
        csv(folder, "uri,speaker\na.mp4,x\n,y")


def test_spreadsheets_mark_the_beginning_and_end_of_what_they_write(folder):
    (raw,) = csv(folder, "uri,speaker\r\na.mp4,s1\r\n", "utf-8-sig")
    assert (raw.uri, raw.speaker) == (str(folder / "a.mp4"), "s1")
    (raw,) = csv(folder, "uri,speaker\na.mp4,s1,\n")
    assert (raw.uri, raw.speaker) == (str(folder / "a.mp4"), "s1")


def test_a_name_with_a_comma_must_be_quoted(folder):
    (folder / "a, b.mp4").write_bytes(b"1")
    (raw,) = csv(folder, 'uri,speaker\n"a, b.mp4",s1\n\n')
    assert (raw.uri, raw.speaker) == (str(folder / "a, b.mp4"), "s1")
    with pytest.raises(SourceError, match="row 2 has more values than there are columns"):
        csv(folder, "uri,speaker\na.mp4,s1\na, b.mp4,s1\n")


def test_a_short_row_says_nothing_of_the_other_columns(folder):
    (raw,) = csv(folder, "uri,speaker,offset\na.mp4\n")
    assert (raw.speaker, raw.offset_s) == (None, 0.0)


def test_a_file_listed_twice_is_one_file_unless_the_rows_disagree(folder):
    assert len(csv(folder, "uri,speaker\na.mp4,s1\nin/../a.mp4,s1\n")) == 1
    with pytest.raises(SourceError, match=r"rows 1 and 3 say different things about .*a\.mp4"):
        csv(folder, "uri,speaker\na.mp4,s1\nin/b c.mp4,s1\na.mp4,s2\n")


@pytest.mark.parametrize("name", ["list.csv", "list.parquet"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\xff", b"PAR1"])
def test_what_is_no_manifest_is_refused_by_name(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(SourceError, match=name):
        list(read_manifest(folder / name, "mine"))
