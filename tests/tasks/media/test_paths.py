import errno
import hashlib
import os
from pathlib import Path

import fsspec
import pytest

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.media.paths import disk_trouble, fingerprint, local_path, localise, path_to_uri

NAMES = [
    b"plain.mp4",
    b"two words.mp4",
    b"new\nline.mp4",
    b"quo'te\"s.mp4",
    b"100%25.mp4",
    b"\xff\xfe\x80.mp4",
    "säl.mp4".encode(),
    b"file:",
    b"a#b?c&d.mp4",
    b"x" * 255,
    b"\xe4" * 255,
    b"tab\t.mp4",
    b"back\\slash",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_survive_the_round_trip(tmp_path, name):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    path.write_bytes(b"x")
    for given in (path, os.fsencode(path)):
        uri = path_to_uri(given)
        uri.encode("utf-8")  # can be stored
        assert local_path(uri) == path
        assert local_path(uri).read_bytes() == b"x"


def test_different_names_stay_different():
    paths = [os.fsencode("/a/") + name for name in NAMES] + [b"/a/%FF%FE%80.mp4", b"/file:///a/%FF%FE%80.mp4"]
    assert len({path_to_uri(path) for path in paths}) == len(paths)


def test_relative_paths_become_absolute_and_relative_uris_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert path_to_uri(b"a.mp4") == f"{tmp_path}/a.mp4"
    with pytest.raises(ValueError, match=r"a\.mp4"):
        local_path("a.mp4")


def test_remote_uris_have_no_local_path():
    assert local_path("s3://bucket/a.mp4") is None
    assert local_path("memory://a.mp4") is None


def test_fingerprint_is_sha256(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc" * 1_000_000)
    assert fingerprint(path) == hashlib.sha256(b"abc" * 1_000_000).hexdigest()
    with pytest.raises(MediaRefusedError) as caught:
        fingerprint(tmp_path / "gone")
    assert caught.value.reason is FileReason.VANISHED


def test_local_files_are_used_where_they_are(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x")
    with localise(str(path), tmp_path / "scratch") as result:
        assert result == path
    assert path.exists()


def test_remote_files_are_copied_and_the_copy_removed(tmp_path):
    with fsspec.open("memory://corpus/odd name.mp4", "wb") as file:
        file.write(b"remote" * 500_000)
    with localise("memory://corpus/odd name.mp4", tmp_path) as copy:
        assert copy.parent == tmp_path
        assert copy.read_bytes() == b"remote" * 500_000
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("memory://corpus/gone.mp4", FileReason.VANISHED),
        ("nosuchprotocol://a/b.mp4", FileReason.UNREADABLE),
    ],
)
def test_failed_fetch_names_its_cause_and_leaves_nothing(tmp_path, uri, reason):
    with pytest.raises(MediaRefusedError) as caught, localise(uri, tmp_path):
        raise AssertionError("fetched")
    assert caught.value.reason is reason
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_its_own_error():
    assert disk_trouble(OSError(errno.ENOSPC, "No space left on device")).reason is FileReason.DISK_FULL
    assert disk_trouble(OSError(errno.EIO, "I/O error")) is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_while_copying(tmp_path, monkeypatch):
    with fsspec.open("memory://corpus/big.mp4", "wb") as file:
        file.write(bytes(3_000_000))
    monkeypatch.setattr("heterodub.tasks.media.paths.uuid4", lambda: type("Id", (), {"hex": "full"}))
    (tmp_path / "full.media").symlink_to("/dev/full")
    with pytest.raises(MediaRefusedError) as caught, localise("memory://corpus/big.mp4", tmp_path):
        raise AssertionError("fetched")
    assert caught.value.reason is FileReason.DISK_FULL
