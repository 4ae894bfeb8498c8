"""Source properties that a dub keeps (shape, colours, depth, times), and notes where it cannot."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame

from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.sections import LimitSettings
from heterodub.tasks.dubbing.dub import dub
from heterodub.tasks.media.canvas import Canvas
from heterodub.tasks.media.colour import HLG, PQ, ColourTags, tone_mapping
from heterodub.tasks.media.source_video import SourceVideo
from tests.flows.heads import head as head_pictures
from tests.tasks.media.media_files import regular, write_media
from tests.tasks.media.test_frame_converter import LOSSLESS, as_samples, encode

LEVEL_5_2 = 52


@pytest.fixture
def dubbed(speech, models, backend, settings, tmp_path):
    def work(video, **options):
        out = tmp_path / "dubbed.mp4"
        result = dub(DubJob(video=str(video), speech=str(speech), out=str(out), **options), models, backend, settings)
        return out, result

    return work


def as_shown(path):
    """RGB of each picture as ingest shows it."""
    film = SourceVideo.open(path, LimitSettings())
    canvas = Canvas(film.look())
    return [canvas.rgb(picture.frame, picture.geometry) for picture in film.pictures()]


def outside(one, other):
    """Mean difference of the picture's upper quarter, where no mouth is."""
    rows = one.shape[0] // 4
    return float(np.abs(one[:rows].astype(int) - other[:rows]).mean())


@pytest.mark.parametrize("aspect", [Fraction(4, 3), Fraction(3, 4)])
def test_anamorphic_source_keeps_its_aspect_and_the_face_its_place(aspect, dubbed, tmp_path):
    size = (192, 256) if aspect > 1 else (256, 192)
    squashed = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in head_pictures(0, 12)]
    frames = [as_samples(picture, "yuv420p", 5) for picture in squashed]
    path = encode(tmp_path / "wide.mp4", frames, "libx264", "yuv420p", aspect=aspect, options=LOSSLESS)
    before = as_shown(path)
    assert before[0].shape == (256, 256, 3)
    out, result = dubbed(path)
    assert result.dubbed == 12
    with av.open(str(out)) as film:
        stream = film.streams.video[0]
        assert (stream.width, stream.height) == size
        assert stream.sample_aspect_ratio == aspect
    after = as_shown(out)
    assert outside(after[3], before[3]) < 4
    rows, columns = np.nonzero(np.abs(after[3].astype(int) - before[3]).mean(axis=2) > 14)
    assert 100 < np.median(rows) < 230
    assert 80 < np.median(columns) < 180
    assert any("square" in note for note in result.notes)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_is_dubbed_as_hdr(transfer, dubbed, tmp_path):
    mapping = tone_mapping(ColourTags(9, False, transfer, 9))
    frames = []
    for picture in head_pictures(0, 8):
        frame = as_samples(np.rint(mapping.from_screen(picture) * 65535).astype(np.uint16), "yuv420p10le", 9)
        frame.color_trc, frame.color_primaries = transfer, 9
        frames.append(frame)
    tags = {"color_trc": transfer, "color_primaries": 9, "colorspace": 9, "color_range": 1}
    path = encode(tmp_path / "hdr.mp4", frames, "libx264", "yuv420p10le", tags=tags, options=LOSSLESS)
    before = as_shown(path)
    assert np.abs(before[0].astype(int) - head_pictures(0, 1)[0]).mean() < 4
    out, result = dubbed(path)
    assert result.dubbed == 8
    with av.open(str(out)) as film:
        frame = next(film.decode(video=0))
        assert frame.format.name == "yuv420p10le"
        kinds = (frame.color_trc, frame.color_primaries, frame.colorspace, frame.color_range)
        assert kinds == (transfer, 9, 9, 1)
    after = as_shown(out)
    assert outside(after[3], before[3]) < 4
    changed = np.abs(after[3].astype(int) - before[3]).mean(axis=2) > 12
    assert 0.002 < changed.mean() < 0.3
    assert any("High 10" in note for note in result.notes)
    assert any("mastering" in note for note in result.notes)


def test_source_that_changes_size_is_dubbed_in_each_size_s_proportions(dubbed, tmp_path):
    whole = head_pictures(0, 20)
    tall = [np.ascontiguousarray(picture[:, 40:216]) for picture in whole]
    parts = [
        write_media(tmp_path / f"{at}.webm", regular(20), size=(pictures[0].shape[1], 256), pictures=pictures)
        for at, pictures in enumerate((whole, tall))
    ]
    path = joined(tmp_path / "joined.webm", parts)
    before = as_shown(path)
    assert {picture.shape for picture in before} == {(256, 256, 3)}
    assert before[30][:, :30].max() < 8  # on black, not squashed
    assert np.abs(before[30][:, 50:200].astype(int) - whole[10][:, 50:200]).mean() < 6
    out, result = dubbed(path)
    assert result.dubbed == 40
    assert any("changes midway" in note for note in result.notes)
    after = as_shown(out)
    assert outside(after[30], before[30]) < 4


def joined(path, parts):
    """The packets of several VP8 files in one stream, as a recorder that was turned writes them."""
    with av.open(str(path), "w") as out:
        video, at = None, 0
        for part in parts:
            with av.open(str(part)) as source:
                stream = source.streams.video[0]
                video = video or out.add_stream_from_template(stream)
                for packet in source.demux(stream):
                    if packet.size:
                        packet.pts, packet.dts, packet.stream = packet.pts + at, packet.pts + at, video
                        out.mux(packet)
            at += 800
    return path


def written(path):
    """Rate, level, and the end of the last packet in seconds of an output's picture."""
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        packets = [packet for packet in film.demux(stream) if packet.size]
        end = max((packet.pts + packet.duration) * packet.time_base for packet in packets)
        level = stream.codec_context.extradata[3]
        return stream.average_rate, level, end, float(stream.duration * stream.time_base)


def test_bogus_frame_rate_does_not_reach_the_encoder(dubbed, tmp_path):
    path = tmp_path / "clock.webm"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libvpx", rate=1000)
        video.width, video.height, video.pix_fmt, video.bit_rate = 256, 256, "yuv420p", 1_000_000
        video.codec_context.thread_count = 1
        for number, picture in enumerate(head_pictures(0, 10)):
            frame = VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = number * 40, Fraction(1, 1000)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    assert SourceVideo.open(path, LimitSettings()).look().rate > 500
    out, _ = dubbed(path)
    rate, level, _, _ = written(out)
    assert 20 < rate < 30
    assert level <= LEVEL_5_2


def test_last_picture_keeps_its_duration(dubbed, tmp_path):
    times = [*regular(10), 900]
    path = write_media(tmp_path / "slow.mp4", times, size=(256, 256), pictures=head_pictures(0, 11))
    with av.open(str(path)) as film:
        packets = [packet for packet in film.demux(video=0) if packet.size]
        lasts = max((packet.pts + packet.duration) * packet.time_base for packet in packets)
    out, result = dubbed(path)
    _, _, end, length = written(out)
    assert float(end) == pytest.approx(float(lasts), abs=0.002)
    assert length == pytest.approx(float(lasts), abs=0.002)
    assert result.seconds == pytest.approx(float(lasts), abs=0.002)


def test_dub_shows_no_background_that_alpha_hides(dubbed, tmp_path):
    frames = []
    for picture in head_pictures(0, 8):
        alpha = np.zeros((256, 256, 1), np.uint8)
        alpha[:, 50:210] = 255
        frames.append(VideoFrame.from_ndarray(np.dstack([picture, alpha]), "rgba").reformat(format="yuva444p10le"))
    path = encode(tmp_path / "cut.mov", frames, "prores_ks", "yuva444p10le")
    before = as_shown(path)
    assert before[0][:, :40].max() < 6
    out, result = dubbed(path)
    after = as_shown(out)
    assert after[4][:, :40].max() < 12
    assert any("over black" in note for note in result.notes)
    assert outside(after[4], before[4]) < 4


@pytest.mark.parametrize("full", [False, True])
def test_range_and_matrix_are_kept(full, dubbed, tmp_path):
    frames = [as_samples(picture, "yuv420p", 1, full) for picture in head_pictures(0, 8)]
    tags = {"colorspace": 1, "color_range": 2 if full else 1, "color_primaries": 1, "color_trc": 1}
    path = encode(tmp_path / "film.mp4", frames, "libx264", "yuv420p", tags=tags, options=LOSSLESS)
    out, _ = dubbed(path)
    wanted = head_pictures(0, 8)[3][:64].mean(axis=(0, 1))
    assert as_shown(out)[3][:64].mean(axis=(0, 1)) == pytest.approx(wanted, abs=2)
    with av.open(str(out)) as film:
        frame = next(film.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (1, 2 if full else 1)
