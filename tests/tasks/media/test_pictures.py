from fractions import Fraction

import av
import numpy as np
import pytest

from tasks.media.opening import open_input, set_up
from tasks.media.pictures import Clock, GifClock, Painter, PyavPictures, decoded
from tasks.media.sniff import sniff
from tests.tasks.media.media_files import HEIGHT, WIDTH, draw, regular

STEP = Fraction(1, 25)


def _read(stated):
    clock = Clock(STEP)
    return [clock.read(None if time is None else Fraction(time)) for time in stated]


def test_good_times_are_passed_on():
    assert _read([-1, 0, 2]) == [-1, 0, 2]


def test_missing_times_follow_in_steps():
    assert _read([None, None, 1, None]) == [0, STEP, 1, 1 + STEP]


def test_small_steps_back_are_passed_on_for_the_caller_to_drop():
    assert _read([5, Fraction(9, 2), 6]) == [5, Fraction(9, 2), 6]


def test_a_new_start_follows_on():
    assert _read([100, 0, STEP, 2 * STEP]) == [100, 100 + STEP, 100 + 2 * STEP, 100 + 3 * STEP]


def test_gif_clock_takes_short_delays_for_a_tenth_of_a_second():
    clock = GifClock()
    assert [clock.read(Fraction(cs, 100)) for cs in (0, 1, 2, 50)] == [
        (0, Fraction(1, 10)),
        (Fraction(1, 10), Fraction(1, 10)),
        (Fraction(2, 10), Fraction(2, 100)),
        (Fraction(22, 100), Fraction(1, 2)),
    ]


def test_painter_keeps_the_first_size_and_the_colours():
    first = av.VideoFrame.from_ndarray(draw(5), "rgb24").reformat(format="yuv444p")
    paint = Painter(first)
    other = av.VideoFrame.from_ndarray(draw(5, 320, 192), "rgb24")
    assert paint(first).shape == paint(other).shape == (HEIGHT, WIDTH, 3)
    assert np.abs(paint(first).astype(int) - draw(5)).max() <= 4


def test_painter_lays_half_clear_pixels_over_black():
    rgba = np.full((16, 16, 4), 200, np.uint8)
    rgba[:, :8, 3] = 0
    rgba[:, 8:, 3] = 128
    painted = Painter(frame := av.VideoFrame.from_ndarray(rgba, "rgba"))(frame)
    assert (painted[:, :8] == 0).all()
    assert (painted[:, 8:] == 100).all()


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".mpg"])
def test_damage_is_reported_in_the_decoders_words(clip, suffix):
    path = clip(suffix, regular(20))
    with open_input(path, sniff(path), 10**6) as source:
        video = source.streams.video[0]
        set_up(video, 10**6)
        pictures = PyavPictures(source, video, 25.0)
        assert len(list(pictures)) == 20
        assert pictures.damage == []


def test_stops_at_damage_and_keeps_what_came_before(clip):
    path = clip(".mkv", regular(20), options={"g": "1", "crf": "18"})
    with av.open(str(path)) as source:
        places = [(packet.pos, packet.size) for packet in source.demux(video=0) if packet.size]
    raw = bytearray(path.read_bytes())
    at = raw.index(b"\x65", places[10][0])  # the first slice of the eleventh picture
    raw[at - 4 : at + 200] = b"\xff" * 204
    path.write_bytes(raw)
    damage: list[str] = []
    with open_input(path, sniff(path), 10**6) as source:
        frames = list(decoded(source, source.streams.video[0], damage))
    assert 9 <= len(frames) <= 11
    assert damage
