"""What a user may type as a source."""

import pytest

from schemas.errors import SourceError
from tasks.sources.open import source_files


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


def test_a_relative_source_gives_absolute_names(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for source in ("my films", "./corpus.toml", "list.csv"):
        (raw,) = source_files(source)
        assert raw.uri == str(folder / "my films" / "a.mp4")


@pytest.mark.parametrize("source", ["nowhere", "none.toml", "none.csv", "file:///nowhere/at/all"])
def test_a_source_that_is_not_there_is_named(folder, source):
    with pytest.raises(SourceError, match="there is no such file or folder") as error:
        list(source_files(source))
    assert source in str(error.value)


@pytest.mark.parametrize("source", ["nosuchprotocol://x/y"])
def test_a_protocol_that_is_not_known_is_named(source):
    with pytest.raises(SourceError, match="nosuchprotocol"):
        list(source_files(source))


def test_a_corpus_file_with_a_root_that_is_gone(folder):
    (folder / "corpus.toml").write_text('root = "gone"')
    with pytest.raises(SourceError, match="gone: there is no such"):
        list(source_files(str(folder / "corpus.toml")))
