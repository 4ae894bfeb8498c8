"""A messy folder: every kind of name and of thing that can lie in it. Nothing is opened, nothing passed over."""

import hashlib
import os
import socket
from pathlib import Path

import fsspec
import pytest

from heterodub.schemas.errors import MediaRefusedError, SourceError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.media.paths import content_of, local_path
from heterodub.tasks.sources.corpus import Corpus
from heterodub.tasks.sources.folder import find_files, gone
from heterodub.tasks.stores.workspace import Workspace

ODD_NAMES = [
    b"with space.mp4", b"it's \"so\".mp4", b"two\nlines.mp4", b"not utf-8 \xff\xfe.mp4", b"100%25 #1?.mp4",
    b"-rf.mp4", b".hidden", b"no suffix", "\N{GRINNING FACE}.mp4".encode(), b"a" * 251 + b".mp4", b"<b>&amp;.mp4",
    b"back\\slash.mp4", b"*.mp4",
]  # fmt: skip


def listed(root: Path | str, **corpus):
    return list(find_files(Corpus(root=str(root), **corpus)))


@pytest.mark.parametrize("name", ODD_NAMES, ids=repr)
def test_odd_names_are_listed_once_and_resolve(tmp_path, name):
    (folder := tmp_path / "raw").mkdir()
    full = os.fsencode(folder) + b"/" + name
    with open(full, "wb") as out:
        out.write(b"12345")
    (raw,) = listed(folder)
    assert raw.refusal is None
    assert raw.size_bytes == 5
    assert os.fsencode(local_path(raw.uri)) == full
    raw.uri.encode("utf-8")
    assert local_path(raw.uri).read_bytes() == b"12345"


def test_names_that_differ_keep_different_uris(tmp_path):
    for name in ODD_NAMES:
        with open(os.fsencode(tmp_path) + b"/" + name, "wb") as out:
            out.write(name)
    actual = listed(tmp_path)
    assert len({raw.uri for raw in actual}) == len(actual) == len(ODD_NAMES)


@pytest.mark.timeout(20)
def test_special_files_are_listed_with_a_reason(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "broken.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "inside.mp4").write_bytes(b"1")
    (tmp_path / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "folder.mp4" / "inside.mp4").write_bytes(b"2")
    (tmp_path / "good.mp4").symlink_to(tmp_path / "elsewhere" / "inside.mp4")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(tmp_path)  # names of sockets are short
        server.bind("socket.mp4")
        os.chdir(here)
        actual = {str(Path(raw.uri).relative_to(tmp_path)): raw for raw in listed(tmp_path)}
    assert {name: raw.refusal for name, raw in actual.items()} == {
        "pipe.mp4": FileReason.NOT_A_REGULAR_FILE,
        "socket.mp4": FileReason.NOT_A_REGULAR_FILE,
        "broken.mp4": FileReason.BROKEN_LINK,
        "loop.mp4": FileReason.LINK_LOOP,
        "linked": FileReason.LINKED_FOLDER,
        "folder.mp4": FileReason.FOLDER,
        "folder.mp4/inside.mp4": None,
        "elsewhere/inside.mp4": None,
        "good.mp4": None,
    }
    assert "elsewhere" in actual["linked"].refusal_detail
    assert all(raw.size_bytes == 0 for raw in actual.values() if raw.refusal)


def test_link_to_the_folder_itself_does_not_go_round(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"1")
    (tmp_path / "me").symlink_to(tmp_path)
    assert [raw.refusal for raw in listed(tmp_path)] == [None, FileReason.LINKED_FOLDER]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_folder_that_cannot_be_listed_is_named(tmp_path):
    (closed := tmp_path / "closed").mkdir()
    (tmp_path / "open.mp4").write_bytes(b"1")
    closed.chmod(0)
    try:
        actual = {Path(raw.uri).name: raw.refusal for raw in listed(tmp_path)}
        with pytest.raises(SourceError, match="closed"):
            listed(closed)
    finally:
        closed.chmod(0o700)
    assert actual == {"open.mp4": None, "closed": FileReason.UNREADABLE}


def test_order_is_stable_and_by_name(tmp_path):
    for name in ("b/2.mp4", "b/1.mp4", "a/3.mp4", "z.mp4", "a.mp4", "B/1.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    names = [str(Path(raw.uri).relative_to(tmp_path)) for raw in listed(tmp_path)]
    assert names == ["a.mp4", "z.mp4", "B/1.mp4", "a/3.mp4", "b/1.mp4", "b/2.mp4"]
    assert listed(tmp_path) == listed(tmp_path)


def test_folder_is_listed_by_pages(tmp_path, monkeypatch):
    for number in range(7):
        (tmp_path / f"{number}.mp4").write_bytes(b"1")
    (tmp_path / "metadata.csv").write_text("file_name,speaker\n6.mp4,ann\n")
    whole = listed(tmp_path)
    monkeypatch.setattr("heterodub.tasks.sources.folder._PAGE_ENTRIES", 2)
    assert sorted(listed(tmp_path), key=lambda raw: raw.uri) == whole
    assert [raw.speaker for raw in whole] == [None] * 6 + ["ann"]


@pytest.mark.parametrize(
    ("glob", "names"),
    [
        ("**/*", {"a.mp4", "b.mov", "in/c.mp4"}),
        ("*", {"a.mp4", "b.mov", "in/c.mp4"}),
        ("**/*.mp4", {"a.mp4", "in/c.mp4"}),
        ("in/*", {"in/c.mp4"}),
        ("*.mov", {"b.mov"}),
        ("[ab].m*", {"a.mp4", "b.mov"}),
    ],
)
def test_glob_chooses_files(tmp_path, glob, names):
    (tmp_path / "in").mkdir()
    for name in ("a.mp4", "b.mov", "in/c.mp4"):
        (tmp_path / name).write_bytes(b"1")
    assert {str(Path(raw.uri).relative_to(tmp_path)) for raw in listed(tmp_path, glob=glob)} == names


def test_stamp_changes_with_the_file_and_not_without(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"one")
    (before,) = listed(tmp_path)
    assert listed(tmp_path) == [before]
    path.write_bytes(b"three")
    (longer,) = listed(tmp_path)
    os.utime(path, ns=(1, 1))
    (older,) = listed(tmp_path)
    assert len({before.stamp, longer.stamp, older.stamp}) == 3


def test_corpus_labels_apply_to_every_file(tmp_path):
    (tmp_path / "s07").mkdir()
    (tmp_path / "s07" / "x.mp4").write_bytes(b"1")
    result = {"name": "grid", "speaker": r"(s\d+)/", "licence": "CC0", "consent": "given", "language": "en"}
    (raw,) = listed(tmp_path, **result)
    assert (raw.corpus, raw.speaker, raw.licence, raw.consent, raw.language) == ("grid", "s07", "CC0", "given", "en")


def test_one_file_is_a_corpus_of_one(tmp_path):
    path = tmp_path / "a b.mp4"
    path.write_bytes(b"123")
    assert [raw.uri for raw in listed(path)] == [str(path)]


def test_file_uri_is_decoded(tmp_path):
    (folder := tmp_path / "my folder").mkdir()
    (folder / "a.mp4").write_bytes(b"1")
    assert listed(f"file://{str(folder).replace(' ', '%20')}") == listed(folder)


def test_missing_root_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"nowhere: there is no such"):
        listed(tmp_path / "nowhere")


def test_workspace_is_not_listed_as_footage(tmp_path):
    """Else `heterodub ingest .` would find its own files, more of them every time."""
    (tmp_path / "a.mp4").write_bytes(b"1")
    Workspace.open(str(tmp_path / "work"), create=True)
    (tmp_path / "work" / "stage1").mkdir()
    (tmp_path / "work" / "stage1" / "part.mp4").write_bytes(b"ours")
    (tmp_path / "work" / "folder.mp4").mkdir()
    assert [local_path(raw.uri).name for raw in listed(tmp_path)] == ["a.mp4"]
    with pytest.raises(SourceError, match="is a workspace"):
        listed(tmp_path / "work")


def test_another_file_system_is_listed_by_its_own_names():
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe_file("/bucket/place/heterodub.json", b"{}")
    memory.pipe_file("/bucket/place/stage1/part.mp4", b"ours")
    memory.pipe({"/bucket/b.mp4": b"22", "/bucket/in/a b.mp4": b"1", "/bucket/c.txt": b"3"})
    try:
        actual = listed("memory://bucket", glob="**/*.mp4", speaker="(in)/")
        assert [(raw.uri, raw.size_bytes, raw.speaker) for raw in actual] == [
            ("memory:///bucket/b.mp4", 2, None), ("memory:///bucket/in/a b.mp4", 1, "in")
        ]  # fmt: skip
        with pytest.raises(SourceError, match="nothing there"):
            listed("memory://empty")
    finally:
        memory.rm("/bucket", recursive=True)


def test_link_out_of_the_folder_is_refused(tmp_path):
    """However it leads there; the folder itself may be a link."""
    root, others = tmp_path / "root", tmp_path / "others"
    for folder in (root, others):
        folder.mkdir()
        (folder / "a.mp4").write_bytes(b"1")
    (root / "out.mp4").symlink_to(others / "a.mp4")
    (root / "up.mp4").symlink_to("../others/a.mp4")
    (root / "stepping.mp4").symlink_to("out.mp4")
    (root / "in.mp4").symlink_to("a.mp4")
    (tmp_path / "link").symlink_to(root)
    for named in (root, tmp_path / "link"):
        actual = {Path(raw.uri).name: raw for raw in listed(named)}
        out = {name for name, raw in actual.items() if raw.refusal is FileReason.LINK_OUTSIDE}
        assert out == {"out.mp4", "up.mp4", "stepping.mp4"}
        assert {name for name, raw in actual.items() if raw.refusal is None} == {"a.mp4", "in.mp4"}
    assert actual["up.mp4"].refusal_detail == "../others/a.mp4"


def test_file_that_became_a_link_since_it_was_listed_is_refused_when_it_is_opened(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    (root / "a.mp4").write_bytes(b"1")
    (raw,) = listed(root)
    assert content_of(raw.uri, within=raw.within) == hashlib.sha256(b"1").hexdigest()
    (root / "a.mp4").unlink()
    (root / "a.mp4").symlink_to(tmp_path / "secret.mp4")
    with pytest.raises(MediaRefusedError) as refused:
        content_of(raw.uri, within=raw.within)
    assert refused.value.reason is FileReason.LINK_OUTSIDE


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
