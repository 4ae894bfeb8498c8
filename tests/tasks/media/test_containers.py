import os

import pytest

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.media.containers import open_input
from heterodub.tasks.media.sniff import Container
from heterodub.tasks.media.streams import picture_streams, sound_streams
from tests.tasks.media.media_files import regular, tone


@pytest.fixture
def playlist(tmp_path):
    os.mkfifo(tmp_path / "named.ts")  # opening it would hang for ever
    path = tmp_path / "a.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nnamed.ts\n#EXT-X-ENDLIST\n")
    return path


@pytest.mark.parametrize("container", [one for one in Container if one is not Container.MPEG])
def test_playlist_is_refused_by_the_opener_too(playlist, container):
    with pytest.raises(MediaRefusedError) as caught, open_input(playlist, container, 1_000_000):
        pass
    assert caught.value.reason is FileReason.NO_DECODABLE_FRAME
    assert "named" not in caught.value.detail


def test_playlist_forced_as_mpeg_holds_no_streams(playlist):
    with open_input(playlist, Container.MPEG, 1_000_000) as source:  # which ffmpeg takes any bytes at all for
        assert picture_streams(source)[0].width == 0


@pytest.mark.parametrize("name", [b"a b\n'\"%d%s.mp4", b"\xff\xfe\x80.mp4", b"http:--x:y@z.mp4", b"-i.mp4", b"x" * 255])
def test_any_file_name_opens(clip, tmp_path, name):
    path = clip(".mp4", regular(2)).rename(tmp_path / os.fsdecode(name))
    with open_input(path, Container.MP4, 1_000_000) as source:
        assert picture_streams(source)


def test_relative_path_that_looks_like_an_address(clip, tmp_path, monkeypatch):
    (tmp_path / "http:").mkdir()
    path = clip(".mp4", regular(2)).rename(tmp_path / "http:" / "a.mp4")
    monkeypatch.chdir(tmp_path)
    with open_input(path.relative_to(tmp_path), Container.MP4, 1_000_000) as source:
        assert sound_streams(source) == []


def test_sound_stream_is_the_first(clip):
    with open_input(clip(".mkv", regular(2), tone(1)), Container.MATROSKA, 1_000_000) as source:
        assert [stream.index for stream in sound_streams(source)] == [1]
