"""What is taken out of addresses, and which are refused."""

import pytest

from schemas.addresses import trouble_with, without_password, without_passwords

KEY = "wJalr/XUtn+FEMI/K7"


@pytest.mark.parametrize(
    ("given", "clean", "refused"),
    [
        ("s3://bucket/a:b@c/d.mp4", "s3://bucket/a:b@c/d.mp4", False),
        ("s3://bucket/a b@c.mp4", "s3://bucket/a b@c.mp4", False),
        ("http://127.0.0.1:5000/api/a@b", "http://127.0.0.1:5000/api/a@b", False),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db", False),
        ("plain a@b", "plain a@b", False),
        ("https://me@host/a?b", "https://host/a?b", False),
        ("tcp://127.0.0.1:8786", "tcp://127.0.0.1:8786", False),
        ("/home/me:you@here/x.mp4", "/home/me:you@here/x.mp4", False),
        ("sftp://me@host/x", "sftp://host/x", False),
        (f"s3://AKIA:{KEY}@bucket/x", "s3://bucket/x", True),
        ("http://me:p@ss@host/x", "http://host/x", True),
        ("http://me:12345@host/x", "http://host/x", True),
        ("postgresql://me:secret@host:5432/db", "postgresql://host:5432/db", True),
        ("https://h/x?X-Amz-Signature=abc&b=1", "https://h/x?X-Amz-Signature=...&b=1", True),
        ("https://h/x?sv=1&sig=a%2Fb", "https://h/x?sv=1&sig=...", True),
    ],
)
def test_credentials_are_told_from_what_looks_like_them(given, clean, refused):
    assert without_password(f"'{given}' failed") == f"'{clean}' failed"
    assert without_passwords({"a": [given, 1, None]}) == {"a": [clean, 1, None]}
    trouble = trouble_with(given)
    assert (trouble is not None) == refused
    assert trouble is None or clean in trouble
