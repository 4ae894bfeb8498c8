"""Lengths are ends minus starts, whatever the clock says."""

import pytest

from schemas.config.limits import GuardSettings
from schemas.errors import MediaRefusedError
from schemas.reasons import FileReason
from tasks.media.containers import open_input
from tasks.media.decode import open_video
from tasks.media.lengths import clocks_apart_s
from tasks.media.probe import probe
from tasks.media.sniff import sniff
from tasks.media.sound import open_sound
from tests.tasks.media.media_files import SoundTrack, StreamPart, end_of, number_in, regular, remux, tone

GUARDS = GuardSettings()
WALL_S = 1_750_000_000.0


def _parts(clip, picture_late_s, sound_late_s):
    path = clip(".mkv", regular(50), SoundTrack(tone(2).samples, codec="pcm_s16le"))
    return StreamPart(path, 0, late_s=picture_late_s), StreamPart(path, 1, late_s=sound_late_s)


@pytest.mark.parametrize("form", ["matroska", "mov"])
@pytest.mark.parametrize("late_s", [(0, 0), (WALL_S, WALL_S), (0, WALL_S), (WALL_S, 0), (0.5, 0), (0, 0.5)])
def test_video_stream_length_is_used(clip, tmp_path, form, late_s):
    path = remux(tmp_path / "a", *_parts(clip, *late_s), form=form)
    container = sniff(path)
    facts = probe(path, container, GUARDS)
    assert facts.duration_s == pytest.approx(2, abs=0.1)
    with open_video(path, container, facts, GUARDS) as video:
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
        probe(path, sniff(path), GuardSettings(max_duration_s=1.5))
    assert caught.value.reason is FileReason.TOO_LONG
