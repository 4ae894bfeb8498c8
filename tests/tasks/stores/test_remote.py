"""Names in a store: nothing in them is a command, and every store's own errors become errors of the system."""

import fsspec
import pytest

from heterodub.tasks.stores.remote import as_os_errors, open_store

botocore = pytest.importorskip("botocore.exceptions")


@pytest.mark.parametrize("name", ["a b.mp4", "a*.mp4", "what?.mp4", "#1.mp4", "100%.mp4", "[x].mp4", "ü\n.mp4"])
def test_names_are_not_patterns(name):
    memory = fsspec.filesystem("memory")
    memory.pipe_file(f"/names/{name}", name.encode())
    memory.pipe_file("/names/ab.mp4", b"another")
    store, path = open_store(f"memory://names/{name}")
    assert store.cat_file(path) == name.encode()


def test_unsupported_store_kind_is_named():
    with pytest.raises(ValueError, match="nosuch"):
        open_store("nosuch://a/b")


def test_store_error_message_is_kept():
    with pytest.raises(OSError, match="Unable to locate credentials"), as_os_errors():
        raise botocore.NoCredentialsError
    with pytest.raises(ZeroDivisionError), as_os_errors():
        _ = 1 / 0
