"""Detection of missing files; unreachable ones do not count."""

import fsspec
import pytest

from tasks.sources.presence import gone


def test_local_files(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "link").symlink_to("nowhere")
    here, link, lost, below = (str(tmp_path / name) for name in ("a", "link", "lost", "a/below"))
    assert gone([here, link, lost, below]) == {lost, below}
    assert gone([]) == frozenset()


@pytest.mark.parametrize("count", [3, 30])
def test_remote_files_few_or_many_of_a_folder(count):
    store = fsspec.filesystem("memory")
    for number in range(count):
        store.pipe(f"/presence{count}/in/{number}.mp4", b"1")
    uris = [f"memory://presence{count}/in/{number}.mp4" for number in range(count + 2)]
    assert gone(uris) == set(uris[count:])
    assert gone(uris[:count]) == frozenset()


def test_unreachable_store_reports_no_missing_files():
    assert gone([f"nosuchprotocol://place/{number}" for number in range(20)]) == frozenset()
