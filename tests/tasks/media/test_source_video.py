"""The source of a dubbing: its own times, its own samples, and writable frames."""

from fractions import Fraction

import av
import numpy as np
import pytest

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.media.canvas import Canvas, planes_of
from heterodub.tasks.media.source_video import SourceVideo
from tests.tasks.media.media_files import draw, number_in, regular, write_media


def film(path, settings) -> SourceVideo:
    return SourceVideo.open(path, settings.limits)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".avi", ".mpg"])
def test_frames_keep_their_times_on_every_pass(suffix, settings, tmp_path):
    opened = film(write_media(tmp_path / f"film{suffix}", regular(20)), settings)
    for _ in range(2):
        pictures = list(opened.pictures())
        assert [round(float(picture.tick * opened.base()), 3) for picture in pictures] == [
            pytest.approx(0.04 * number, abs=0.002) for number in range(20)
        ]
        canvas = Canvas(opened.look())
        assert [number_in(canvas.rgb(picture.frame)) for picture in pictures] == list(range(20))


def test_times_of_an_unsteady_rate_and_a_late_start_are_kept(settings, tmp_path):
    times = [500, 540, 551, 700, 980, 990]
    opened = film(write_media(tmp_path / "vfr.mkv", times), settings)
    pictures = list(opened.pictures())
    base = opened.base()
    assert [round(1000 * picture.tick * base) for picture in pictures] == [0, 40, 51, 200, 480, 490]
    assert [round(1000 * picture.lasts * base) for picture in pictures[:-1]] == [40, 11, 149, 280, 10]


def test_gif_has_the_times_that_browsers_give_it(settings, tmp_path):
    opened = film(write_media(tmp_path / "film.gif", [0, 100, 200, 260]), settings)
    assert [float(picture.tick * opened.base()) for picture in opened.pictures()] == [0, 0.1, 0.2, 0.26]


def test_damaged_film_ends_at_the_damage_with_a_note(settings, tmp_path):
    whole = write_media(tmp_path / "film.mkv", regular(60)).read_bytes()
    (tmp_path / "half.mkv").write_bytes(whole[: len(whole) // 2])
    opened = film(tmp_path / "half.mkv", settings)
    assert 5 < len(list(opened.pictures())) < 60


def test_non_video_is_refused(settings, tmp_path):
    (tmp_path / "text.mp4").write_text("hello " * 100)
    with pytest.raises(MediaRefusedError) as caught:
        film(tmp_path / "text.mp4", settings)
    assert caught.value.reason is FileReason.NOT_MEDIA


def test_yuv420_samples_are_those_of_the_source(settings, tmp_path):
    path = write_media(tmp_path / "film.mp4", regular(3))
    opened = film(path, settings)
    canvas = Canvas(opened.look())
    with av.open(str(path)) as source:
        for frame, picture in zip(source.decode(video=0), opened.pictures(), strict=True):
            assert (canvas.output(picture.frame).to_ndarray() == frame.to_ndarray()).all()
            assert (canvas.copy(picture.frame).to_ndarray() == frame.to_ndarray()).all()


def test_edited_copy_leaves_the_decoded_picture_unchanged(settings, tmp_path):
    opened = film(write_media(tmp_path / "film.mp4", regular(3)), settings)
    look = opened.look()
    canvas = Canvas(look)
    frame = next(opened.pictures()).frame
    before = frame.to_ndarray().copy()
    copy = canvas.copy(frame)
    planes = planes_of(copy, look)
    planes.luma[...] = 7
    planes.blueness[...] = 9
    assert (frame.to_ndarray() == before).all()
    assert (copy.to_ndarray()[: look.height] == 7).all()


@pytest.mark.parametrize(("degrees", "flipped"), [(90, False), (180, False), (-90, False), (0, True), (90, True)])
def test_planes_stand_as_displayed(degrees, flipped, settings, tmp_path):
    path = write_media(tmp_path / "film.mp4", regular(2), pictures=[draw(5), draw(6)], rotation=(degrees, flipped))
    opened = film(path, settings)
    look = opened.look()
    canvas = Canvas(look)
    frame = next(opened.pictures()).frame
    shown = canvas.rgb(frame).astype(float).mean(axis=2)
    luma = planes_of(canvas.copy(frame), look).luma
    assert luma.shape == shown.shape
    assert np.corrcoef(luma.ravel(), shown.ravel())[0, 1] > 0.99


def test_rgb_picture_round_trips(settings, tmp_path):
    opened = film(write_media(tmp_path / "film.gif", [0, 100, 200]), settings)
    canvas = Canvas(opened.look())
    frame = next(opened.pictures()).frame
    back = canvas.output(frame).to_ndarray(format="rgb24").astype(int)
    off = (
        (back - canvas.rgb(frame)).reshape(12, 8, 20, 8, 3).mean(axis=(1, 3))
    )  # single dots lose their colour in 4:2:0
    assert np.abs(off).mean() < 4
    assert opened.look().pix_fmt == "yuv420p"


def test_invalid_time_base_is_corrected(settings, tmp_path):
    opened = film(write_media(tmp_path / "film.mpg", regular(5)), settings)
    assert opened.base() == Fraction(1, 90_000)
