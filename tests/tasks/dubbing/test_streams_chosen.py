"""Film and speech of a dubbing are taken from the streams that ingest would take."""

import av
import numpy as np
import pytest
from av.stream import Disposition

from heterodub.schemas.config.dubbing import DubJob
from heterodub.tasks.dubbing.dub import dub
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.sniff import sniff
from heterodub.tasks.media.source_video import SourceVideo
from heterodub.tasks.media.speech import SpeechSource
from tests.tasks.dubbing.conftest import write_wav
from tests.tasks.media.media_files import SoundTrack, StreamPart, draw, regular, remux, tone, write_media
from tests.tasks.media.test_speech import write_sound

DEFAULT, NONE = Disposition.default, Disposition(0)
RATE = 16_000


def _loudest_hz(path, settings, scratch) -> float:
    with SpeechSource.open(path, settings.limits, scratch) as speech:
        samples = speech.samples(0, RATE // 2)
    return float(np.argmax(np.abs(np.fft.rfft(samples)))) * 2


def _tones(folder, *hertz):
    return [write_media(folder / f"{one}.mkv", regular(25), tone(1, hertz=one)) for one in hertz]


@pytest.mark.parametrize(
    ("flags", "hertz"),
    [
        ((NONE, DEFAULT), 600),
        ((DEFAULT, NONE), 400),
        ((NONE, NONE), 400),
        ((DEFAULT | Disposition.comment, NONE), 600),
    ],
)
def test_speech_is_the_default_sound_of_a_video(settings, tmp_path, flags, hertz):
    one, two = _tones(tmp_path, 400, 600)
    path = remux(tmp_path / "a.mkv", StreamPart(one, 0), StreamPart(one, 1, flags[0]), StreamPart(two, 1, flags[1]))
    assert probe(path, sniff(path), settings.limits).sound_stream == (1 if hertz == 400 else 2)
    assert _loudest_hz(path, settings, tmp_path) == hertz


def test_silent_stream_is_not_chosen(settings, tmp_path):
    silent = write_media(tmp_path / "silent.mkv", regular(25), tone(1, level=0.0))
    (heard,) = _tones(tmp_path, 600)
    path = remux(tmp_path / "a.mkv", StreamPart(silent, 0), StreamPart(silent, 1, DEFAULT), StreamPart(heard, 1))
    assert _loudest_hz(path, settings, tmp_path) == 600


def test_channels_that_cancel_each_other_are_still_heard(settings, tmp_path):
    line = tone(1, RATE).samples
    with SpeechSource.open(
        write_wav(tmp_path / "a.wav", np.stack([line[0], -line[0]])), settings.limits, tmp_path
    ) as speech:
        assert np.abs(speech.samples(0, RATE)).max() == pytest.approx(0.5, abs=0.02)
        left, right = speech.sound(0, RATE)
        np.testing.assert_allclose(left, -right, atol=1e-3)  # the output has both, as they came
        assert np.abs(left).max() == pytest.approx(0.5, abs=0.02)


def test_floating_point_over_full_scale_is_not_cut(settings, tmp_path):
    track = tone(1, 48_000, level=1.6)
    with SpeechSource.open(
        write_sound(tmp_path / "a.wav", "wav", "pcm_f32le", track), settings.limits, tmp_path
    ) as speech:
        (line,) = speech.sound(0, 48_000)
    wanted = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)
    np.testing.assert_allclose(line[2000:40_000], wanted[2000:40_000], atol=0.01)


@pytest.mark.parametrize("late_s", [(1.75e9, 1.75e9), (0, 1.75e9), (1.75e9, 0)])
def test_video_whose_clocks_begin_in_wall_time(settings, tmp_path, late_s):
    line = np.zeros((1, 48_000), np.float32)
    line[0, 24_000:24_100] = 0.9
    plain = write_media(tmp_path / "p.mkv", regular(25), SoundTrack(line))
    path = remux(tmp_path / "a.mkv", *(StreamPart(plain, number, late_s=late_s[number]) for number in (0, 1)))
    film = SourceVideo.open(path, settings.limits)
    assert len(list(film.pictures())) == 25
    with SpeechSource.open(path, settings.limits, tmp_path) as speech:
        assert np.argmax(np.abs(speech.samples(0, RATE))) == pytest.approx(8000, abs=100)


def test_moving_video_stream_is_chosen(settings, tmp_path):
    size = (320, 192)
    still = write_media(tmp_path / "s.mp4", regular(40), pictures=[draw(3, *size)] * 40, size=size)
    small = write_media(tmp_path / "f.mp4", regular(40))
    film = SourceVideo.open(
        remux(tmp_path / "a.mkv", StreamPart(still, 0, DEFAULT), StreamPart(small, 0)), settings.limits
    )
    assert (film.look().width, len(list(film.looks()))) == (160, 1)


def test_stream_without_a_face_gives_way_to_the_next(head, speech, settings, models, backend, tmp_path):
    with av.open(str(head)) as source:
        count = source.streams.video[0].frames
    size = (640, 384)
    moving = [draw(number, *size) for number in range(count)]
    other = write_media(tmp_path / "o.mp4", regular(count), pictures=moving, size=size)
    video = remux(tmp_path / "a.mkv", StreamPart(other, 0, DEFAULT), StreamPart(head, 0))
    assert SourceVideo.open(video, settings.limits).facts.picture_stream == 0
    out = tmp_path / "out.mp4"
    dub(DubJob(video=str(video), speech=str(speech), out=str(out)), models, backend, settings)
    with av.open(str(out)) as made, av.open(str(head)) as source:
        shape = made.streams.video[0].width, made.streams.video[0].height
        assert shape == (source.streams.video[0].width, source.streams.video[0].height)
