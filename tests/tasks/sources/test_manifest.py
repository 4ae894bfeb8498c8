"""Manifests: what they may say of a file, and what is wrong in them is named with its row."""

import gzip
import os
from pathlib import Path

import pandas as pd
import pytest

from heterodub.schemas.errors import SourceError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.media.paths import path_to_uri
from heterodub.tasks.sources.manifest import read_manifest
from heterodub.tasks.sources.open import source_files


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


def test_name_from_the_catalog_that_is_not_text_is_found_again(folder):
    raw_name = os.fsencode(folder) + b"/\xff.mp4"
    with open(raw_name, "wb") as out:
        out.write(b"123")
    (raw,) = csv(folder, f"uri\n{path_to_uri(raw_name)}")
    assert (raw.uri, raw.size_bytes, raw.refusal) == (path_to_uri(raw_name), 3, None)


def test_manifest_labels_are_kept(folder):
    text = "uri,speaker,licence,consent,language,corpus,offset\na.mp4,s1,CC0,given,en,grid,-0.25\nin/b c.mp4,,,,,,\n"
    result, silent = csv(folder, text)
    assert (result.speaker, result.licence, result.consent, result.language) == ("s1", "CC0", "given", "en")
    assert (result.corpus, result.offset_s) == ("grid", -0.25)
    assert (silent.speaker, silent.licence, silent.consent, silent.language) == (None, None, None, None)
    assert (silent.corpus, silent.offset_s) == ("mine", 0.0)


def test_parquet_manifest_equals_csv(folder):
    raws = parquet(folder, uri=["a.mp4", "in/b c.mp4"], offset=[0.5, None], speaker=["s1", None])
    assert [(raw.speaker, raw.offset_s) for raw in raws] == [("s1", 0.5), (None, 0.0)]
    assert [raw.speaker for raw in parquet(folder, uri=["a.mp4"], speaker=[17])] == ["17"]


def test_long_texts_and_lists_of_a_parquet_manifest_are_refused(folder):
    with pytest.raises(SourceError, match="row 1: speaker: a text of 9000 letters"):
        parquet(folder, uri=["a.mp4"], speaker=["x" * 9000])
    with pytest.raises(SourceError, match="row 1: speaker: a list is no text"):
        parquet(folder, uri=["a.mp4"], speaker=[["Ada"]])


@pytest.mark.parametrize("word", ["NA", "null", "None", "none", "nan", "-", "001"])
def test_null_like_names_are_names(folder, word):
    (raw,) = csv(folder, f"uri,speaker\na.mp4,{word}")
    assert raw.speaker == word


def test_missing_file_is_listed_with_its_reason(folder):
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("nowhere")
    _, gone, pipe, link, below = csv(folder, "uri\na.mp4\ngone.mp4\npipe\nlink\na.mp4/x.mp4")
    assert gone.refusal is FileReason.NOT_FOUND
    assert pipe.refusal is FileReason.NOT_A_REGULAR_FILE
    assert link.refusal is FileReason.BROKEN_LINK
    assert below.refusal is FileReason.NOT_FOUND


@pytest.mark.parametrize("offset", ["late", "0,5s", "nan", "inf", "-inf", "1e999"])
def test_offset_that_is_no_number_of_seconds_is_refused_with_its_row(folder, offset):
    with pytest.raises(SourceError, match=r"row 2: offset is in seconds, not") as error:
        csv(folder, f'uri,offset\na.mp4,0\nin/b c.mp4,"{offset}"')
    assert offset in str(error.value)


def test_columns_are_checked(folder):
    with pytest.raises(SourceError, match=r"unknown columns speeker; known are uri, speaker"):
        csv(folder, "uri,speeker\na.mp4,x")
    with pytest.raises(SourceError, match=r"needs a column 'uri', and has path, speaker"):
        csv(folder, "path,speaker\na.mp4,x")
    with pytest.raises(SourceError, match="row 2: it has no uri"):
        csv(folder, "uri,speaker\na.mp4,x\n,y")


def test_byte_order_marks_and_trailing_marks_are_accepted(folder):
    (raw,) = csv(folder, "uri,speaker\r\na.mp4,s1\r\n", "utf-8-sig")
    assert (raw.uri, raw.speaker) == (str(folder / "a.mp4"), "s1")
    (raw,) = csv(folder, "uri,speaker\na.mp4,s1,\n")
    assert (raw.uri, raw.speaker) == (str(folder / "a.mp4"), "s1")


def test_name_with_a_comma_must_be_quoted(folder):
    (folder / "a, b.mp4").write_bytes(b"1")
    (raw,) = csv(folder, 'uri,speaker\n"a, b.mp4",s1\n\n')
    assert (raw.uri, raw.speaker) == (str(folder / "a, b.mp4"), "s1")
    with pytest.raises(SourceError, match="row 2 has more values than there are columns"):
        csv(folder, "uri,speaker\na.mp4,s1\na, b.mp4,s1\n")


def test_short_row_leaves_other_columns_empty(folder):
    (raw,) = csv(folder, "uri,speaker,offset\na.mp4\n")
    assert (raw.speaker, raw.offset_s) == (None, 0.0)


def test_file_listed_twice_is_one_file_unless_the_rows_disagree(folder):
    assert len(csv(folder, "uri,speaker\na.mp4,s1\nin/../a.mp4,s1\n")) == 1
    with pytest.raises(SourceError, match=r"rows 1 and 3 say different things about .*a\.mp4"):
        csv(folder, "uri,speaker\na.mp4,s1\nin/b c.mp4,s1\na.mp4,s2\n")


@pytest.mark.parametrize("name", ["list.csv", "list.parquet"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\xff", b"PAR1"])
def test_non_manifest_is_refused_by_name(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(SourceError, match=name):
        list(read_manifest(folder / name, "mine"))


@pytest.mark.parametrize("name", ["LIST.CSV", "list.Csv", "list.tsv", "list.csv.gz", "LIST.TSV.GZ", "L.PARQUET"])
def test_manifest_suffix_is_case_insensitive(folder, name):
    separator = "\t" if "tsv" in name.lower() else ","
    data = f"uri{separator}speaker\na.mp4{separator}007\n".encode()
    path = folder / name
    if name.endswith("PARQUET"):
        pd.DataFrame({"uri": ["a.mp4"], "speaker": ["007"]}).to_parquet(path)
    else:
        path.write_bytes(gzip.compress(data) if name.lower().endswith("gz") else data)
    (raw,) = source_files(str(path))
    assert (Path(raw.uri).name, raw.speaker) == ("a.mp4", "007")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("uri;speaker\na.mp4;s1\n", "utf-8"),
        ("sep=;\r\nuri;speaker\r\na.mp4;s1\r\n", "utf-8-sig"),
        ("uri\tspeaker\na.mp4\ts1\n", "utf-16"),
        ("speaker|uri\ns1|a.mp4\n", "utf-8"),
        (" URI , Speaker \n a.mp4 ,  s1\n\n  ,\n", "utf-8"),
        (",uri,speaker\n0,a.mp4,s1\n", "utf-8"),
        ("uri,speaker,,\na.mp4,s1,,\n", "utf-8"),
    ],
)
def test_csv_of_any_program_is_read(folder, text, encoding):
    (raw,) = csv(folder, text, encoding)
    assert (raw.uri, raw.speaker, raw.licence) == (str(folder / "a.mp4"), "s1", None)


def test_numbers_stay_as_they_are_written_and_gaps_say_nothing(folder):
    raws = parquet(folder, uri=["a.mp4", "in/b c.mp4"], speaker=[7, None])
    assert [raw.speaker for raw in raws] == ["7", None]
    raws = parquet(folder, uri=["a.mp4", "in/b c.mp4"], speaker=[7.5, float("nan")], consent=[True, False])
    assert [(raw.speaker, raw.consent) for raw in raws] == [("7.5", "given"), (None, "refused")]
    raws = csv(folder, "uri,speaker\na.mp4,007\nin/b c.mp4,   \n")
    assert [raw.speaker for raw in raws] == ["007", None]
    raws = parquet(folder, uri=["a.mp4", "in/b c.mp4"], speaker=[" s1 ", "  "], licence=pd.Categorical(["CC0", None]))
    assert [(raw.speaker, raw.licence) for raw in raws] == [("s1", "CC0"), (None, None)]


def test_every_bad_row_is_named_before_anything_is_listed(folder):
    with pytest.raises(SourceError) as error:
        parquet(folder, uri=["a.mp4", None, "in", "a\0b", "a.mp4"], offset=["0", "0", "0", "0", "soon"])
    said = str(error.value)
    assert "4 of 5 rows are wrong" in said
    for words in (
        "row 2: it has no uri",
        "row 3: ",
        "is a folder",
        "row 4: ",
        "row 5: offset is in seconds, not 'soon'",
    ):
        assert words in said
    for values in ([1, 2], [["a.mp4"], None], [b"\xff", None]):
        with pytest.raises(SourceError):
            parquet(folder, uri=values)


def test_contradictions_are_all_named(folder):
    with pytest.raises(SourceError, match=r"2 of 4 rows are wrong\n  rows 1 and 2 say .*\n  rows 1 and 4 say"):
        csv(folder, "uri,speaker\na.mp4,s1\na.mp4,s2\na.mp4,s1\na.mp4,s3\n")


def test_thousands_of_bad_rows_make_a_short_message(folder):
    with pytest.raises(SourceError) as error:
        csv(folder, "uri,offset\n" + "a.mp4,x\n" * 10_000)
    assert "10000 of 10000 rows are wrong" in str(error.value) and "and 9990 more" in str(error.value)
    assert len(str(error.value)) < 2000


@pytest.mark.parametrize("text", ["uri,speaker\n", "uri\n\n \n"])
def test_manifest_without_files_is_an_error(folder, text):
    with pytest.raises(SourceError, match="it lists no files"):
        csv(folder, text)


def test_manifest_whose_files_are_all_missing_is_an_error(folder):
    with pytest.raises(SourceError, match=r"none of the 2 files it lists is there, such as .*/x\.mp4"):
        csv(folder, "uri\nx.mp4\ny.mp4\n")


def test_columns_are_case_insensitive_and_typos_are_named(folder):
    with pytest.raises(SourceError, match=r"unknown columns spaeker; .*; is spaeker meant to be speaker\?"):
        csv(folder, "uri,spaeker\na.mp4,x")
    with pytest.raises(SourceError, match="the column 'speaker' stands twice"):
        csv(folder, "uri,speaker,Speaker \na.mp4,x,y")
    with pytest.raises(SourceError, match="column 2 has no name"):
        csv(folder, "uri,,speaker\na.mp4,x,y")


def test_names_that_begin_or_end_with_a_space_are_found(folder):
    (folder / " odd .mp4 ").write_bytes(b"1")
    (raw,) = csv(folder, 'uri\n" odd .mp4 "\n')
    assert raw.uri == str(folder / " odd .mp4 ")


def test_unclosed_quote_does_not_swallow_the_rest(folder):
    with pytest.raises(SourceError, match=r"list\.csv: .*"):
        csv(folder, 'uri,speaker\n"a.mp4,s1\nin/b c.mp4,s2\n')


def test_non_utf8_manifest_is_named(folder):
    with pytest.raises(SourceError, match="not utf-8 at byte 12; save it as UTF-8"):
        csv(folder, "uri,speaker\nM\xfcller.mp4,s1\n".replace("M", ""), "latin-1")
