"""Corpus files: root of a corpus, and the speaker by its path."""

from pathlib import Path

import pytest

from heterodub.schemas.errors import SourceError
from heterodub.tasks.sources.corpus import Corpus, load_corpus


@pytest.fixture
def load(tmp_path):
    def read(text: str) -> Corpus:
        path = tmp_path / "corpus.toml"
        path.write_text(text, "utf-8")
        return load_corpus(path)

    return read


@pytest.mark.parametrize(
    ("pattern", "path", "speaker"),
    [
        (r"(?P<speaker>s\d+)", "grid/s12/x.mp4", "s12"),
        (r"/(s\d+)/", "grid/s12/x.mp4", "s12"),
        (r"(grid)/(?P<speaker>s\d+)", "grid/s12/x.mp4", "s12"),
        (r"(grid)/(?P<speaker>s\d+)?", "grid/x.mp4", None),
        (r"(?P<speaker>[a-z]*)-", "-x.mp4", None),
        (r"(s\d+)", "x.mp4", None),
        (r"(?i)(ada)", "films/ADA.mp4", "ADA"),
    ],
)
def test_pattern_s_group_names_the_speaker(pattern, path, speaker):
    assert Corpus(root="/x", speaker=pattern).speaker_of(path) == speaker


@pytest.mark.timeout(60)
def test_speaker_of_gives_up_a_pattern_that_backtracks_without_end():
    corpus = Corpus(name="theirs", root="/x", speaker=r"^(?P<speaker>(a|aa)+)$")
    with pytest.raises(SourceError, match=r"corpus theirs: the speaker pattern .* takes longer than 1 s"):
        corpus.speaker_of("a" * 60 + "/x.mp4")
    assert corpus.speaker_of("x") is None


def test_missing_pattern_gives_no_speaker():
    assert Corpus(root="/x").speaker_of("s1/x.mp4") is None


def test_relative_root_is_relative_to_the_file(load, tmp_path):
    assert load('root = "media"').root == str(tmp_path / "media")
    assert load('root = "."').root == str(tmp_path)
    assert load('root = "/somewhere"').root == "/somewhere"
    assert load('root = "s3://bucket/x"').root == "s3://bucket/x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "x"', "root is missing"),
        ('root = "x"\nspeaker = "("', r"speaker = '\(': .*not a regular expression"),
        ('root = "x"\nspeaker = "s"', r"speaker = 's': .*needs a group"),
        ('root = "x"\nname = ""', "name = ''"),
        ('root = "x"\nlicense = "CC0"', "license is not a known field"),
        ("root = ", "is not TOML"),
    ],
)
def test_invalid_corpus_fields_are_named(load, text, message):
    with pytest.raises(SourceError, match=message) as error:
        load(text)
    assert "corpus.toml" in str(error.value)


def test_missing_or_binary_file_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"none\.toml: No such file"):
        load_corpus(tmp_path / "none.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff")
    with pytest.raises(SourceError, match=r"b\.toml is not TOML"):
        load_corpus(Path(tmp_path / "b.toml"))
