from pathlib import Path

import pytest

from heterodub.schemas.errors import NotFoundError
from heterodub.tasks.inspect.lookup import find, find_explained
from heterodub.tasks.media.paths import fingerprint
from heterodub.tasks.stores import tombstones
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.inspect import footage


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return footage.make(tmp_path_factory.mktemp("find") / "ws")


@pytest.mark.parametrize("uri", footage.URIS)
def test_every_file_is_found_by_its_whole_name(ws: Workspace, uri: str):
    assert find(ws, uri).uri == uri


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("broken.mp4", footage.BROKEN),
        ("oken.mp4", footage.BROKEN),
        ("footage/plain.mp4", footage.PLAIN),
        ("copy/plain.mp4", footage.COPY),
        ("./copy/plain.mp4", footage.COPY),
        ("break, 'quoted'.mp4", footage.NEWLINE),
        (r"line\nbreak, 'quoted'.mp4", footage.NEWLINE),
        ("caf\udce9.mp4", footage.LATIN),
        (r"caf\xe9.mp4", footage.LATIN),
    ],
)
def test_unique_tail_is_enough(ws: Workspace, name: str, uri: str):
    assert find(ws, name).uri == uri


def test_relative_path_is_resolved_from_the_working_folder(ws: Workspace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir("/")
    assert find(ws, "footage/plain.mp4").uri == footage.PLAIN


def test_ids_may_be_cut(ws: Workspace):
    clip = footage.CLIPS_MADE[2]
    assert find(ws, footage.clip_id(clip)[:8]).clip_id == footage.clip_id(clip)
    assert find(ws, footage.media_id(footage.EVIL)[:10]).uri == footage.EVIL


def test_id_of_equal_bytes_means_the_file_with_clips(ws: Workspace):
    assert footage.media_id(footage.COPY) == footage.media_id(footage.PLAIN)
    assert find(ws, footage.media_id(footage.COPY)[:12]).uri == footage.PLAIN


def test_several_candidates_are_listed(ws: Workspace):
    with pytest.raises(NotFoundError, match="2 things") as caught:
        find(ws, "plain.mp4")
    assert f"file {footage.PLAIN}" in str(caught.value)
    assert f"file {footage.COPY}" in str(caught.value)


def test_near_names_are_suggested(ws: Workspace):
    with pytest.raises(NotFoundError, match="did you mean") as caught:
        find(ws, "brocken.mp4")
    assert footage.BROKEN in str(caught.value)


def test_complaints_hold_no_control_characters(ws: Workspace):
    with pytest.raises(NotFoundError) as caught:
        find(ws, "\x1b[31mred")
    assert "\x1b" not in str(caught.value)
    with pytest.raises(NotFoundError) as caught:
        find(ws, ".mp4")
    assert all(line.isprintable() for line in str(caught.value).splitlines())


def test_unknown_name_error_suggests_a_command(ws: Workspace):
    with pytest.raises(NotFoundError, match="list --files"):
        find(ws, "zzzzzzzzzz")


def test_taken_down_file_is_known_by_its_bytes_and_its_id(tmp_path: Path):
    ws = footage.make(tmp_path / "ws")
    path = tmp_path / "gone.mp4"
    path.write_bytes(b"gone")
    media = fingerprint(path)
    with pytest.raises(NotFoundError, match="no file or clip"):
        find_explained(ws, str(path))
    takedown = tombstones.bar(ws, "file", str(path), [media], "asked")
    for name in (str(path), media, media[:12]):
        with pytest.raises(NotFoundError, match=rf"taken down on .* \(takedown {takedown}\)"):
            find_explained(ws, name)


def test_lookup_in_an_empty_workspace(tmp_path: Path):
    with pytest.raises(NotFoundError, match="no file or clip"):
        find(Workspace.open(str(tmp_path), create=True), "x.mp4")
