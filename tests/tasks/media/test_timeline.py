"""One line of time: joined recordings stay in step, clocks that wrap go on, a lone wrong stamp moves nothing."""

from fractions import Fraction

import numpy as np
import pytest

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.media.containers import open_input
from heterodub.tasks.media.decode import open_video
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.sniff import sniff
from heterodub.tasks.media.sound import open_sound
from heterodub.tasks.media.speech import SpeechSource
from heterodub.tasks.media.timeline import Join, StreamClock, Timeline, clocks_apart_s, without_strays
from tests.tasks.media.media_files import SoundTrack, StreamPart, draw, end_of, number_in, regular, remux, tone

LIMITS = LimitSettings()
WALL_S = 1_750_000_000.0


def _parts(clip, picture_late_s, sound_late_s):
    path = clip(".mkv", regular(50), SoundTrack(tone(2).samples, codec="pcm_s16le"))
    return StreamPart(path, 0, late_s=picture_late_s), StreamPart(path, 1, late_s=sound_late_s)


@pytest.mark.parametrize("form", ["matroska", "mov"])
@pytest.mark.parametrize("late_s", [(0, 0), (WALL_S, WALL_S), (0, WALL_S), (WALL_S, 0), (0.5, 0), (0, 0.5)])
def test_video_stream_length_is_used(clip, tmp_path, form, late_s):
    path = remux(tmp_path / "a", *_parts(clip, *late_s), form=form)
    container = sniff(path)
    facts = probe(path, container, LIMITS)
    assert facts.duration_s == pytest.approx(2, abs=0.1)
    with open_video(path, container, facts, LIMITS) as video:
        assert [number_in(frame.rgb) for frame in video.frames()] == list(range(50))
        assert video.truncated is None
    apart_s = late_s[1] - late_s[0]
    shift = apart_s if abs(apart_s) < 1 else 0  # clocks that share no moment begin together
    with open_sound(path, container, facts, video.origin_s, 0.0, tmp_path) as sound:
        assert end_of(sound) == pytest.approx((2 + shift) * 16_000, abs=1600)
        assert sound.covers(0, 16_000) == pytest.approx(1 - max(shift, 0), abs=0.05)


def test_sound_that_begins_late_is_not_another_clock(clip, tmp_path):
    with open_input(path := remux(tmp_path / "a.mkv", *_parts(clip, 0, 30)), sniff(path), 10**6) as source:
        assert clocks_apart_s(source, source.streams[0], source.streams[1], sniff(path)) is None
    with open_input(path := remux(tmp_path / "b.mkv", *_parts(clip, 0, 5000)), sniff(path), 10**6) as source:
        apart_s = clocks_apart_s(source, source.streams[0], source.streams[1], sniff(path))
    assert float(apart_s) == pytest.approx(5000, abs=0.1)


def test_too_long_recording_is_refused(clip, tmp_path):
    path = remux(tmp_path / "a.mkv", *_parts(clip, WALL_S, WALL_S))
    with pytest.raises(MediaRefusedError) as caught:
        probe(path, sniff(path), LimitSettings(max_duration_s=1.5))
    assert caught.value.reason is FileReason.TOO_LONG


LIMITS = LimitSettings()
RATE = 16_000
FLASH = 20


def _recording(clip, suffix, pictures=45, sound_s=2.03):
    """A flash and a click at the same moment, picture and sound of different lengths."""
    shown = [np.full_like(draw(0), 235 if number == FLASH else 16) for number in range(pictures)]
    line = np.zeros((1, round(sound_s * 48_000)), np.float32)
    at = round((FLASH / 25 + 0.02) * 48_000)
    line[0, at - 48 : at + 48] = 0.9
    return clip(suffix, regular(pictures), SoundTrack(line), pictures=shown)


def _joined(path, *more):
    path.write_bytes(b"".join(one.read_bytes() for one in more))
    return path


def _steps(path, tmp_path) -> list[int]:
    """By how many samples each click is late after its flash."""
    container = sniff(path)
    facts = probe(path, container, LIMITS)
    timeline = Timeline.read(path, container, [0, 1])
    with open_video(path, container, facts, LIMITS, timeline) as video:
        flashes = [frame.index for frame in video.frames() if frame.rgb.mean() > 120 and not frame.repeated]
    with open_sound(path, container, facts, video.origin_s, 0.0, tmp_path, timeline=timeline) as sound:
        samples = np.abs(sound.read(0, (flashes[-1] + 25) * 640))
    return [int(np.argmax(samples[f * 640 - 8000 : f * 640 + 8000])) - 8000 - 320 for f in flashes]


@pytest.mark.parametrize("suffix", [".mpg", ".m2.mpg"])
def test_joins_do_not_drift(clip, tmp_path, suffix):
    one = _recording(clip, suffix)
    (alone,) = _steps(one, tmp_path)
    steps = _steps(_joined(tmp_path / "joined.mpg", *[one] * 6), tmp_path)
    assert len(steps) == 6
    # a picture stands on a frame; the sound is where it was relative to it, not a join later each time
    assert max(abs(step - alone) for step in steps) <= 640


def test_recordings_of_different_lengths_and_starts(clip, tmp_path):
    one, two = _recording(clip, ".mpg", 45, 2.3), _recording(clip, ".mpg", 60, 2.0)
    steps = _steps(_joined(tmp_path / "joined.mpg", one, two, two, one, one), tmp_path)
    assert len(steps) == 5
    assert np.ptp(steps) <= 640


def test_joined_matroska(clip, tmp_path):
    steps = _steps(_joined(tmp_path / "joined.mkv", *[_recording(clip, ".mkv")] * 2), tmp_path)
    assert len(steps) == 2
    assert max(map(abs, steps)) <= 640


def test_common_pause_keeps_the_streams_in_sync(clip, tmp_path):
    one = _recording(clip, ".mkv")
    path = remux(tmp_path / "a.mkv", StreamPart(one, 0, hole=(0.5, 5)), StreamPart(one, 1, hole=(0.5, 5)))
    (step,) = _steps(path, tmp_path)
    assert abs(step) <= 32


def _late(clip, tmp_path, late_s):
    one = _recording(clip, ".mpg")
    return one, remux(tmp_path / "l.mpg", *(StreamPart(one, number, late_s=late_s) for number in (0, 1)), form="mpeg")


def test_mpeg_s_clock_wraps(clip, tmp_path):
    one, late = _late(clip, tmp_path, 2.0**33 / 90_000 - 1.5)
    (alone,), (step,) = _steps(one, tmp_path), _steps(late, tmp_path)
    assert abs(step - alone) <= 640


@pytest.mark.parametrize("late_s", [100.0, 50_000.0])
def test_recording_joined_to_a_late_start(clip, tmp_path, late_s):
    # ffmpeg adds a round of the clock to times that lie more than a minute before the file's first
    one, late = _late(clip, tmp_path, late_s)
    (alone,) = _steps(one, tmp_path)
    steps = _steps(_joined(tmp_path / "joined.mpg", late, one, one), tmp_path)
    assert len(steps) == 3
    assert max(abs(step - alone) for step in steps) <= 640


def test_speech_from_a_joined_recording_stays_in_step_with_its_pictures(clip, tmp_path):
    path = _joined(tmp_path / "joined.mpg", *[_recording(clip, ".mpg")] * 6)
    container = sniff(path)
    with open_video(path, container, probe(path, container, LIMITS), LIMITS) as video:
        flashes = [frame.index for frame in video.frames() if frame.rgb.mean() > 120 and not frame.repeated]
    with SpeechSource.open(path, LIMITS, tmp_path) as speech:
        samples = np.abs(speech.samples(0, (flashes[-1] + 25) * 640))
    steps = [int(np.argmax(samples[f * 640 - 8000 : f * 640 + 8000])) - 8000 for f in flashes]
    assert len(steps) == 6
    assert np.ptp(steps) <= 640


def _placed(clock, times):
    latest, placed = None, []
    for time in map(Fraction, times):
        at = clock.place(time, latest, latest)
        placed.append(at)
        latest = at if latest is None else max(latest, at)
    return placed


def test_join_applies_to_all_streams():
    joins = (Join(Fraction(10), {1: Fraction(1)}), Join(Fraction(20), {1: Fraction(2)}))
    assert _placed(StreamClock(1, joins), [1, 9, 1, 2, 8, 2]) == [1, 9, 11, 12, 18, 22]
    assert _placed(StreamClock(1, joins), [1, 9, 5, 6]) == [1, 9, 9, 10]  # no join begins there: it follows on


def test_clock_that_wraps():
    clock_s = Fraction(10_000)
    assert _placed(StreamClock(wraps_s=clock_s), [9990, 9999, 1, 2]) == [9990, 9999, 10_001, 10_002]
    assert _placed(StreamClock(wraps_s=clock_s), [9990, 9999, 300]) == [9990, 9999, 10_300]
    assert _placed(StreamClock(wraps_s=clock_s), [5000, 5001, 10_001, 10_002]) == [5000, 5001, 5001, 5002]
    assert _placed(StreamClock(wraps_s=clock_s), [5000, 5001, 1, 2]) == [5000, 5001, 5001, 5002]


def test_step_back_of_one_stream_moves_no_other(clip, tmp_path):
    one = _recording(clip, ".mkv")
    path = _joined(tmp_path / "joined.mkv", one, one)
    assert len(Timeline.read(path, sniff(path), [0, 1]).joins) == 1
    assert Timeline.read(path, sniff(path), [0]).joins == ()
    assert Timeline.read(one, sniff(one), [0, 1]).joins == ()


def test_isolated_outlier_timestamps_are_ignored():
    times = [0, 1, 900, 1, 2, 3, -50, 3, 4, 60, 61, 62, 500]
    kept = [time for time, _ in without_strays((Fraction(time), None) for time in times)]
    assert kept == [0, 1, None, 1, 2, 3, None, 3, 4, 60, 61, 62, 500]
