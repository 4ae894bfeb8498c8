import pytest

from heterodub.schemas.display import base_name, message_of, readable_path, visible


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain name.mp4", "plain name.mp4"),
        ("日本.mp4", "日本.mp4"),
        ("a\nb", r"a\nb"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("exe\u202e4pm", r"exe\u202e4pm"),
        ("\x9b2J", r"\x9b2J"),
        ("\udce9", r"\udce9"),
        ("\x00\x7f", r"\x00\x7f"),
    ],
)
def test_control_characters_are_escaped(raw: str, shown: str):
    assert visible(raw) == shown


def test_undecodable_path_shows_its_bytes():
    assert readable_path("file:///footage/caf%E9%20x.mp4") == r"/footage/caf\xe9 x.mp4"


def test_message_of_an_error_has_no_number():
    missing = FileNotFoundError(2, "No such file or directory", "a.csv")
    assert message_of(missing) == "No such file or directory: 'a.csv'"
    assert message_of(OSError("Failed. Detail: [errno 2] No such file")) == "Failed. Detail: No such file"
    assert message_of(ValueError("[1] is no number")) == "[1] is no number"


def test_last_part_of_paths_and_uris():
    assert base_name("/a/b c.mp4") == "b c.mp4"
    assert base_name("s3://bucket/a/b.mp4") == "b.mp4"
