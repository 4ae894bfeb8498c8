from fractions import Fraction

import av
import pytest

from heterodub.tasks.media.containers import open_input, set_up
from heterodub.tasks.media.sniff import sniff
from heterodub.tasks.media.video_frames import Clock, GifClock, PyavPictures, decoded
from tests.tasks.media.media_files import regular

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


def test_new_start_follows_on():
    assert _read([100, 0, STEP, 2 * STEP]) == [100, 100 + STEP, 100 + 2 * STEP, 100 + 3 * STEP]


def test_gif_clock_takes_short_delays_for_a_tenth_of_a_second():
    clock = GifClock()
    assert [clock.read(Fraction(cs, 100)) for cs in (0, 1, 2, 50)] == [
        (0, Fraction(1, 10)),
        (Fraction(1, 10), Fraction(1, 10)),
        (Fraction(2, 10), Fraction(2, 100)),
        (Fraction(22, 100), Fraction(1, 2)),
    ]


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".mpg"])
def test_damage_is_reported_with_the_decoder_message(clip, suffix):
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
