"""Sources that a user may name."""

import fsspec
import pytest

from heterodub.schemas.errors import SourceError
from heterodub.tasks.sources.open import check_source, source_files


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "my films").mkdir()
    (tmp_path / "my films" / "a.mp4").write_bytes(b"1")
    (tmp_path / "corpus.toml").write_text('name = "grid"\nroot = "my films"')
    (tmp_path / "list.csv").write_text("uri\nmy films/a.mp4\n")
    return tmp_path


@pytest.mark.parametrize(
    ("source", "corpus"),
    [
        ("{}/my films", "mine"),
        ("{}/my films/a.mp4", "mine"),
        ("file://{}/my%20films", "mine"),
        ("{}/corpus.toml", "grid"),
        ("file://{}/corpus.toml", "grid"),
        ("{}/list.csv", "mine"),
    ],
)
def test_each_kind_of_source_gives_the_same_file(folder, source, corpus):
    (raw,) = source_files(source.format(folder), "mine")
    assert (raw.uri, raw.corpus) == (str(folder / "my films" / "a.mp4"), corpus)


def test_relative_source_gives_absolute_names(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for source in ("my films", "./corpus.toml", "list.csv"):
        (raw,) = source_files(source)
        assert raw.uri == str(folder / "my films" / "a.mp4")


@pytest.mark.parametrize("source", ["nowhere", "none.toml", "none.csv", "file:///nowhere/at/all"])
def test_missing_source_is_named(folder, source):
    with pytest.raises(SourceError, match="there is no such file or folder") as error:
        list(source_files(source))
    assert source in str(error.value)


@pytest.mark.parametrize("source", ["nosuchprotocol://x/y"])
def test_unknown_protocol_is_named(source):
    with pytest.raises(SourceError, match="nosuchprotocol"):
        list(source_files(source))


def test_corpus_file_with_a_root_that_is_gone(folder):
    (folder / "corpus.toml").write_text('root = "gone"')
    with pytest.raises(SourceError, match="gone: there is no such"):
        list(source_files(str(folder / "corpus.toml")))


@pytest.mark.parametrize(
    ("corpus", "words"),
    [
        ('root = "."\nglob = "*.mov"', r"no file in it fits glob = '\*\.mov'"),
        ('root = "my films"\nspeaker = "(s[0-9]+)/"', "none of its 1 files fits speaker"),
        ('root = "empty"', "there are no files in it"),
    ],
)
def test_corpus_file_matching_nothing_is_an_error(folder, corpus, words):
    (folder / "empty" / "below").mkdir(parents=True)
    (folder / "corpus.toml").write_text(corpus)
    for ask in (check_source, lambda source: list(source_files(source))):
        with pytest.raises(SourceError, match=words):
            ask(str(folder / "corpus.toml"))


def test_empty_source_is_an_error(folder):
    (folder / "empty").mkdir()
    for source in ("empty", "nowhere"):
        with pytest.raises(SourceError, match=source):
            check_source(str(folder / source))
    check_source(str(folder / "my films"))
    check_source(str(folder / "list.csv"))
    (folder / "list.csv").write_text("uri\ngone.mp4\n")
    with pytest.raises(SourceError, match="none of the 1 files"):
        check_source(str(folder / "list.csv"))


def test_bucket_is_listed_once(folder):
    store = fsspec.filesystem("memory")
    store.pipe("/bucket/a.mp4", b"1")
    check_source("memory://bucket")
    with pytest.raises(SourceError, match="there is nothing there"):
        check_source("memory://nowhere")


@pytest.mark.parametrize("name", ["list.json", "list.XLSX", "list.txt"])
def test_list_in_another_format_is_no_video(folder, name):
    (folder / name).write_bytes(b'{"uri": "a.mp4"}')
    with pytest.raises(SourceError, match="a manifest is"):
        list(source_files(str(folder / name)))
    (folder / name).write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))  # a film, whatever its name
    assert len(list(source_files(str(folder / name)))) == 1


@pytest.mark.parametrize("pattern", ["x-{5..2}.tar", "x-{0..99999999}.tar"])
def test_numbers_that_stand_for_no_data_set_are_refused(pattern):
    with pytest.raises(SourceError, match="stands for"):
        list(source_files(f"/nowhere/{pattern}"))


def test_folder_of_save_to_disk_is_named(tmp_path):
    for name in ("state.json", "dataset_info.json", "data-00000.arrow"):
        (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(SourceError, match="to_parquet"):
        check_source(str(tmp_path))


def test_columns_hold_for_each_of_numbered_manifests(tmp_path):
    for number in range(2):
        (tmp_path / f"{number}.mp4").write_bytes(b"1")
        (tmp_path / f"list-{number}.csv").write_text(f"file,who\n{number}.mp4,Ada\n")
    files = source_files(str(tmp_path / "list-{0..1}.csv"), columns={"uri": "file", "speaker": "who"})
    assert [raw.speaker for raw in files] == ["Ada", "Ada"]
