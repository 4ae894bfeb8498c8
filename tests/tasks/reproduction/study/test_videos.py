"""Lists of videos are checked against the needs of a study; copies hold nothing of their origin."""

import io

import av
import cv2
import numpy as np
import pytest

from heterodub.schemas.errors import MediaRefusedError, SourceError
from heterodub.tasks.reproduction.study_videos import plain_copy, read_videos, still
from tests.tasks.media.media_files import regular, tone, write_media
from tests.tasks.reproduction.study.films import CLIPS, SYSTEMS, listing


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    return listing(tmp_path_factory.mktemp("films"))


def changed(listed, old: str, new: str, count: int = 1):
    path = listed.with_name("changed.csv")
    path.write_text(listed.read_text().replace(old, new, count))
    return path


def test_every_clip_has_a_video_of_every_system(listed):
    videos = read_videos(listed)
    assert {(video.clip, video.system) for video in videos} == {(clip, system) for clip in CLIPS for system in SYSTEMS}
    assert all(video.video.is_file() and video.source.is_file() for video in videos)


@pytest.mark.parametrize(
    ("old", "new", "count", "message"),
    [
        ("source", "sauce", 1, "it lacks source"),
        ("ben,baseline", "ben,third", 1, "clip ben needs one video of each of 3 systems|clip .* needs one video"),
        ("anna,baseline,anna-1.mp4", "anna,baseline,", 1, "row 2 has no video"),
        ("anna-1.mp4,anna-0.mp4", "anna-1.mp4,ben-0.mp4", 1, "clip anna has several sources"),
        ("baseline", "ours <b>", 3, "needs two systems, got 1"),
    ],
)
def test_incomplete_list_is_refused(listed, old, new, count, message):
    with pytest.raises(SourceError, match=message):
        read_videos(changed(listed, old, new, count))


def test_missing_list_is_refused(tmp_path):
    with pytest.raises(SourceError, match="list of videos"):
        read_videos(tmp_path / "none.csv")


def decoded(data: bytes):
    with av.open(io.BytesIO(data)) as given:
        frames = [frame.to_ndarray(format="rgb24") for frame in given.decode(video=0)]
        return frames, dict(given.metadata), bool(given.streams.audio), given.duration / av.time_base


def test_copied_video_holds_no_metadata_of_its_origin(listed, tmp_path):
    path = tmp_path / "named.mp4"
    with av.open(str(listed.with_name("anna-0.mp4"))) as given, av.open(str(path), "w") as out:
        out.metadata["comment"] = "made by ours"
        stream = out.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    data = plain_copy(path)
    assert b"made by ours" in path.read_bytes()
    assert b"made by" not in data
    frames, metadata, _, seconds = decoded(data)
    assert len(frames) == 30
    assert seconds == pytest.approx(1.2, abs=0.1)
    assert "comment" not in metadata
    assert np.abs(frames[10].mean(axis=(0, 1)) - (40, 40, 50)).max() < 8


def test_sound_stays_and_large_pictures_shrink(tmp_path):
    path = write_media(tmp_path / "large.mp4", regular(10), tone(0.4), size=(960, 640))
    frames, _, heard, _ = decoded(plain_copy(path))
    assert frames[0].shape == (320, 480, 3)
    assert heard


def test_turned_film_is_shown_upright(tmp_path):
    path = write_media(tmp_path / "turned.mp4", regular(4), size=(128, 96), rotation=(90.0, False))
    assert decoded(plain_copy(path))[0][0].shape == (128, 96, 3)


def test_pixels_are_square_and_colours_those_of_a_screen(tmp_path):
    """By the code of an ingest, whose own tests hold every kind of picture."""
    path = write_media(tmp_path / "long.mp4", regular(4), size=(128, 96), options={"x264-params": "sar=2/1"})
    assert decoded(plain_copy(path))[0][0].shape == (96, 256, 3)
    size = cv2.imdecode(np.frombuffer(still(path), np.uint8), cv2.IMREAD_COLOR).shape
    assert size == (96, 256, 3)
    hdr = write_media(
        tmp_path / "hdr.mp4",
        regular(4),
        pictures=[np.full((96, 128, 3), 160, np.uint8)] * 4,
        size=(128, 96),
        options={"x264-params": "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"},
    )
    plain = write_media(
        tmp_path / "sdr.mp4", regular(4), pictures=[np.full((96, 128, 3), 160, np.uint8)] * 4, size=(128, 96)
    )
    mapped, as_is = (decoded(plain_copy(one))[0][1].mean() for one in (hdr, plain))
    assert abs(mapped - as_is) > 10


def test_attention_check_is_visible(listed):
    plain, asking = (decoded(plain_copy(listed.with_name("cleo-1.mp4"), asks))[0] for asks in (None, "PLEASE\n1 2 3"))
    assert np.abs(plain[5].astype(int) - asking[5]).max() < 8
    assert asking[25].max() > 230
    assert np.median(asking[25]) < 0.5 * np.median(plain[25])


def test_still_is_accepted_and_a_broken_video_refused(listed, tmp_path):
    assert still(listed.with_name("ben-0.mp4")).startswith(b"\xff\xd8")
    (tmp_path / "text.mp4").write_text("no film")
    for use in (still, plain_copy):
        with pytest.raises(MediaRefusedError, match="not_media"):
            use(tmp_path / "text.mp4")


def test_playlist_is_not_followed(listed, tmp_path):
    """With format detection, ffmpeg would open every file of the list."""
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {listed.with_name('ben-0.mp4')}\n")
    for use in (still, plain_copy):
        with pytest.raises(MediaRefusedError, match="points_elsewhere"):
            use(tmp_path / "list.mp4")
