"""The watermark in a dub: found in the finished file where the settings ask for it, in dubbed frames alone."""

import av
import numpy as np
import pytest

from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.provenance import ProvenanceSettings
from heterodub.schemas.config.sections import LimitSettings
from heterodub.tasks.dubbing.compositing import CompositedFrame
from heterodub.tasks.dubbing.dub import dub
from heterodub.tasks.dubbing.passes import PassMonitor
from heterodub.tasks.dubbing.watermarking import watermarked
from heterodub.tasks.media.canvas import Canvas, planes_of
from heterodub.tasks.media.source_video import SourceVideo
from heterodub.tasks.provenance.watermark import embed
from heterodub.tasks.provenance.watermark_search import MOST_PICTURES, has_watermark
from tests.bench.watermark import luma
from tests.tasks.media.media_files import regular, write_media


@pytest.mark.parametrize("asked", [True, False])
def test_finished_dub_bears_the_mark_that_was_asked_for(asked, head, speech, models, backend, settings, tmp_path):
    marked = settings.model_copy(update={"provenance": ProvenanceSettings(watermark=asked)})
    job = DubJob(video=str(head), speech=str(speech), out=str(tmp_path / "out.mp4"))
    dub(job, models, backend, marked)
    assert has_watermark(tmp_path / "out.mp4", LimitSettings()) is asked


@pytest.mark.parametrize("asked", [True, False])
def test_mark_of_the_source_stays_in_its_dub(asked, head, speech, models, backend, settings, tmp_path):
    """Marked again, or not: nothing but the mouth changes, and a second mark is laid in the same places."""
    again = settings.model_copy(update={"provenance": ProvenanceSettings(watermark=asked)})
    film = SourceVideo.open(head, LimitSettings())
    canvas, pictures = Canvas(look := film.look()), []
    for picture in film.pictures():
        frame = canvas.copy(picture.frame, picture.geometry)
        embed(planes_of(frame, look).luma, 8)
        pictures.append(frame.to_ndarray(format="rgb24"))
    source = write_media(tmp_path / "source.mp4", regular(len(pictures)), size=(256, 256), pictures=pictures)
    assert has_watermark(source, LimitSettings())
    job = DubJob(video=str(source), speech=str(speech), out=str(tmp_path / "out.mp4"))
    assert dub(job, models, backend, again).dubbed == len(pictures)
    assert has_watermark(tmp_path / "out.mp4", LimitSettings())


def test_frames_of_the_source_keep_their_samples(head):
    film = SourceVideo.open(head, LimitSettings())
    look = film.look()
    canvas = Canvas(look)
    pictures = list(film.pictures())[:2]
    frames = [canvas.copy(picture.frame, picture.geometry) for picture in pictures]
    before = [planes_of(frame, look).luma.copy() for frame in frames]
    coming = (CompositedFrame(frame, dubbed) for frame, dubbed in zip(frames, (False, True), strict=True))
    after = [planes_of(one.frame, look).luma for one in watermarked(coming, look, PassMonitor(None))]
    assert np.array_equal(after[0], before[0])
    assert not np.array_equal(after[1], before[1])


def test_mark_is_found_where_the_first_turn_comes_late(tmp_path):
    plain = np.full((96 * 3 // 2, 160), 90, np.uint8)
    marked = plain.copy()
    embed(luma(marked), 8)
    with av.open(str(tmp_path / "late.mp4"), "w") as file:
        video = file.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "50"})
        video.width, video.height, video.pix_fmt = 160, 96, "yuv420p"
        for number in range(MOST_PICTURES + 200):
            planes = marked if number >= MOST_PICTURES + 100 else plain
            file.mux(video.encode(av.VideoFrame.from_ndarray(planes, "yuv420p")))
        file.mux(video.encode(None))
    assert has_watermark(tmp_path / "late.mp4", LimitSettings())


def test_film_of_one_picture_is_searched(tmp_path):
    with av.open(str(tmp_path / "one.mp4"), "w") as file:
        video = file.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 128, 128, "yuv420p"
        file.mux(video.encode(av.VideoFrame.from_ndarray(np.full((128, 128, 3), 90, np.uint8), "rgb24")))
        file.mux(video.encode(None))
    assert not has_watermark(tmp_path / "one.mp4", LimitSettings())
