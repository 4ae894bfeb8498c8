"""Of several streams the right ones are used: film before stills, the default flag, then size; sounds in order."""

import numpy as np
import pytest
from av.stream import Disposition

from heterodub.schemas.config.sections import LimitSettings
from heterodub.tasks.media.containers import open_input
from heterodub.tasks.media.decode import open_video
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.sniff import Container, sniff
from heterodub.tasks.media.streams import default_stands_out, other_films, sound_streams
from tests.tasks.media.media_files import StreamPart, draw, number_in, regular, remux, tone

LIMITS = LimitSettings()
DEFAULT, NONE = Disposition.default, Disposition(0)
LARGE = (320, 192)


def _facts(path):
    return probe(path, sniff(path), LIMITS)


def _film(clip, size=(160, 96), count=40, fps=25, suffix=".mp4"):
    return clip(suffix, regular(count, fps), size=size)


def _still(clip, count=40, fps=25, size=LARGE):
    return clip(".mp4", regular(count, fps), size=size, pictures=[draw(3, *size)] * count)


@pytest.mark.parametrize("form", ["matroska", "mp4", "avi"])
@pytest.mark.parametrize("flag", [NONE, DEFAULT])
def test_small_film_is_chosen_over_a_large_still(clip, tmp_path, form, flag):
    cover = clip(".avi", [0], codec="mjpeg", pix_fmt="yuvj420p", size=LARGE)
    film = _film(clip, suffix=".avi" if form == "avi" else ".mp4")
    path = remux(tmp_path / "a", StreamPart(cover, 0, flag), StreamPart(film, 0), form=form)
    facts = _facts(path)
    assert (facts.picture_stream, facts.width) == (1, 160)
    assert other_films(facts) == []
    with open_video(path, sniff(path), facts, LIMITS) as video:
        assert [number_in(frame.rgb) for frame in video.frames()][-3:] == [37, 38, 39]


@pytest.mark.parametrize("fps", [25, 1])
def test_screen_share_and_slide_show_count_as_still(clip, tmp_path, fps):
    each_second = clip(".mp4", regular(3, 1), size=LARGE)
    beside = _still(clip) if fps == 25 else each_second
    path = remux(tmp_path / "a.mkv", StreamPart(beside, 0, DEFAULT), StreamPart(_film(clip), 0))
    facts = _facts(path)
    assert facts.picture_stream == 1
    looked = {stream.stream: stream.changes_hz for stream in facts.streams}
    assert looked[1] > 15
    assert looked[0] <= 2


def test_default_film_is_chosen_then_the_larger(clip, tmp_path):
    small, large = _film(clip), _film(clip, LARGE)
    flagged = _facts(remux(tmp_path / "a.mkv", StreamPart(large, 0), StreamPart(small, 0, DEFAULT)))
    assert (flagged.picture_stream, other_films(flagged)) == (1, [0])
    assert _facts(remux(tmp_path / "b.mkv", StreamPart(small, 0), StreamPart(large, 0))).picture_stream == 1
    assert _facts(remux(tmp_path / "c.mkv", StreamPart(small, 0), StreamPart(small, 0))).picture_stream == 0


def test_stream_that_moves_only_after_the_intro(clip, tmp_path):
    pictures = [draw(0, *LARGE)] * 200 + [draw(number, *LARGE) for number in range(200)]
    later = clip(".mp4", regular(400, 10), size=LARGE, pictures=pictures, options={"g": "10", "preset": "ultrafast"})
    still = clip(".mp4", regular(400, 10), pictures=[draw(1)] * 400)
    path = remux(tmp_path / "a.mkv", StreamPart(still, 0, DEFAULT), StreamPart(later, 0))
    assert _facts(path).picture_stream == 1


def test_pictures_too_large_or_too_small_are_not_chosen(clip, tmp_path):
    small = clip(".mp4", regular(40), size=(64, 14), pictures=[np.zeros((14, 64, 3), np.uint8)] * 40)
    path = remux(
        tmp_path / "a.mkv",
        StreamPart(small, 0, DEFAULT),
        StreamPart(_film(clip, LARGE), 0, DEFAULT),
        StreamPart(_film(clip), 0),
    )
    assert probe(path, Container.MATROSKA, LimitSettings(max_pixels=160 * 96)).picture_stream == 2


def test_decord_is_not_used_with_several_streams(clip, tmp_path):
    first, second = _film(clip), clip(".mp4", regular(40), pictures=[draw(number + 100) for number in range(40)])
    path = remux(tmp_path / "a.mkv", StreamPart(first, 0), StreamPart(second, 0, DEFAULT))
    facts = _facts(path)
    with open_video(path, sniff(path), facts, LimitSettings(trust_footage=True)) as video:
        numbers = [number_in(frame.rgb) for frame in video.frames()]
    assert (facts.picture_stream, video.decoder, numbers) == (1, "pyav", list(range(100, 140)))


def test_named_stream_is_taken(clip, tmp_path):
    path = remux(tmp_path / "a.mkv", StreamPart(_film(clip, LARGE), 0, DEFAULT), StreamPart(_film(clip), 0))
    assert probe(path, Container.MATROSKA, LIMITS, picture=1).width == 160


@pytest.mark.parametrize(
    ("flags", "order", "stands_out"),
    [
        ((NONE, DEFAULT), [2, 1], True),
        ((NONE, NONE), [1, 2], False),
        ((DEFAULT, DEFAULT), [1, 2], False),
        ((DEFAULT | Disposition.comment, NONE), [2, 1], False),
        ((Disposition.visual_impaired, NONE, DEFAULT), [3, 2, 1], True),
    ],
)
def test_sounds_by_default_flag_and_what_they_are_for(clip, tmp_path, flags, order, stands_out):
    sounds = clip(".mkv", regular(5), tone(0.2))
    path = remux(
        tmp_path / "a.mkv", StreamPart(_film(clip, count=5), 0), *(StreamPart(sounds, 1, flag) for flag in flags)
    )
    with open_input(path, Container.MATROSKA, 10**6) as source:
        assert [stream.index for stream in sound_streams(source)] == order
        assert default_stands_out(sound_streams(source)) is stands_out
    assert _facts(path).sound_stream == order[0]
