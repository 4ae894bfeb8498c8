"""Removal of secrets from addresses, and refusal of addresses with secrets."""

import pytest

from heterodub.schemas.addresses import trouble_with, trouble_with_word, without_password, without_passwords
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.schemas.toml import describe
from heterodub.tasks.sources.corpus import Corpus

KEY = "wJalr/XUtn+FEMI/K7"


@pytest.mark.parametrize(
    ("given", "clean", "refused"),
    [
        ("s3://bucket/a:b@c/d.mp4", "s3://bucket/a:b@c/d.mp4", False),
        ("s3://bucket/a b@c.mp4", "s3://bucket/a b@c.mp4", False),
        ("http://127.0.0.1:5000/api/a@b", "http://127.0.0.1:5000/api/a@b", False),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db", False),
        ("plain a@b", "plain a@b", False),
        ("https://me@host/a?b", "https://host/a?...", True),
        ("tcp://127.0.0.1:8786", "tcp://127.0.0.1:8786", False),
        ("/home/me:you@here/x.mp4", "/home/me:you@here/x.mp4", False),
        ("sftp://me@host/x", "sftp://host/x", True),
        ("https://ghp_token@host/x", "https://host/x", True),
        ("https://h/x.mp4?token=abc", "https://h/x.mp4?...", True),
        ("https://h/x y.mp4?anything", "https://h/x y.mp4?...", True),
        ("tcp://h:8786/?key=1", "tcp://h:8786/?...", True),
        ("s3://bucket/what?.mp4", "s3://bucket/what?.mp4", False),
        ("file:///a/what?.mp4", "file:///a/what?.mp4", False),
        ("/a/what?.mp4", "/a/what?.mp4", False),
        ("https://h/x?", "https://h/x?", False),
        ("postgresql://h/db?sslpassword=x", "postgresql://h/db?...", True),
        (f"s3://AKIA:{KEY}@bucket/x", "s3://bucket/x", True),
        ("http://me:p@ss@host/x", "http://host/x", True),
        ("http://me:12345@host/x", "http://host/x", True),
        ("postgresql://me:secret@host:5432/db", "postgresql://host:5432/db", True),
        ("https://h/x?X-Amz-Signature=abc&b=1", "https://h/x?...", True),
        ("https://h/x?sv=1&sig=a%2Fb", "https://h/x?...", True),
    ],
)
def test_credentials_are_distinguished_from_lookalikes(given, clean, refused):
    assert without_password(f"'{given}' failed") == f"'{clean}' failed"
    assert without_passwords({"a": [given, 1, None]}) == {"a": [clean, 1, None]}
    trouble = trouble_with(given)
    assert (trouble is not None) == refused
    assert trouble is None or clean in trouble


def test_container_of_azure_is_no_user():
    assert trouble_with("abfss://films@account.dfs.core.windows.net/a.mp4") is None
    assert trouble_with("abfss://films@elsewhere.example/a.mp4") is not None
    assert trouble_with("https://films@account.dfs.core.windows.net/a.mp4") is not None


@pytest.mark.parametrize("given", ["https://h/x?token=abc", "https://abc@h/x", "s3://abc:def@bucket/x"])
def test_lists_and_settings_keep_no_credentials(given):
    film = {"video": "a.mp4", "speech": "a.wav", "out": "o.mp4"}
    for record, fields in (
        (DubJob, [film | {name: given} for name in ("video", "speech", "appearance_from")]),
        (Settings, [{"workspace": given}, {"run": {"dask": given}}, {"retrain": {"corpora": [given]}}]),
        (Corpus, [{"root": given}]),
    ):
        for one in fields:
            with pytest.raises(ValueError, match="would end in tables and logs") as caught:
                record.model_validate(one)
            assert "abc" not in describe(caught.value)
    assert "abc" not in str(MediaRefusedError(FileReason.UNREADABLE, f"404, url='{given}'"))


def test_command_line_texts_may_name_pages_but_no_keys():
    assert trouble_with_word("asked for, see https://tickets.example/show?id=4") is None
    assert trouble_with_word("https://tickets.example/show?id=4") is not None
    assert trouble_with_word("see s3://key:secret@bucket/x") is not None
