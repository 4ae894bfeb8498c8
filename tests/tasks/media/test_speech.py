"""Speeches of every kind that people bring: what they are taken for, their length, and their time 0."""

import numpy as np
import pytest

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.media.sniff import Container
from heterodub.tasks.media.speech import SpeechSource, sniff_speech
from tests.tasks.dubbing.conftest import write_wav
from tests.tasks.media.media_files import SoundTrack, regular, tone, write_media


def write_sound(path, form, codec, track):
    import av

    with av.open(str(path), "w", format=form) as out:
        stream = out.add_stream(codec, rate=track.rate_hz, layout=track.layout)
        resampler = av.AudioResampler(stream.codec_context.format, track.layout, track.rate_hz, 1024)
        packed = np.ascontiguousarray(track.samples.T.astype(np.float32)).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, "flt", track.layout)
        frame.sample_rate = track.rate_hz
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            part.pts = None
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return path


@pytest.fixture
def opened(settings, tmp_path):
    taken = []

    def work(path):
        taken.append(SpeechSource.open(path, settings.limits, tmp_path))
        return taken[-1]

    yield work
    for one in taken:
        one.close()


@pytest.mark.parametrize(
    ("suffix", "form", "codec", "rate_hz"),
    [
        ("wav", "wav", "pcm_s16le", 22_050),
        ("flac", "flac", "flac", 44_100),
        ("mp3", "mp3", "libmp3lame", 44_100),
        ("ogg", "ogg", "libopus", 48_000),
        ("aiff", "aiff", "pcm_s16be", 16_000),
        ("aac", "adts", "aac", 48_000),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_sound_files_of_all_kinds(suffix, form, codec, rate_hz, channels, opened, tmp_path):
    path = write_sound(tmp_path / f"no-{suffix}-name", form, codec, tone(0.8, rate_hz, channels))
    speech = opened(path)
    assert sniff_speech(path) == suffix
    assert abs(float(speech.seconds) - 0.8) < 0.08
    assert (speech.rate_hz, speech.channels) == (rate_hz, channels)
    assert np.sqrt((speech.samples(3200, 6400) ** 2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)
    assert speech.sound(rate_hz // 4, 500).shape == (channels, 500)


def test_rate_that_aac_does_not_know_becomes_48_khz(opened, tmp_path):
    speech = opened(write_wav(tmp_path / "s.wav", tone(0.5, 18_900).samples, 18_900))
    assert speech.rate_hz == 48_000
    assert abs(float(speech.seconds) - 0.5) < 0.01


def test_six_channels_are_kept_apart_and_mixed_for_stage_1(opened, tmp_path):
    samples = np.zeros((6, 48_000), np.float32)
    samples[2] = tone(1.0).samples[0]  # the centre, where films put speech
    path = write_media(tmp_path / "film.mkv", regular(25), SoundTrack(samples, 48_000, "5.1"))
    speech = opened(path)
    assert speech.layout == "5.1"
    loud = np.sqrt((speech.sound(10_000, 20_000) ** 2).mean(axis=1))
    assert (loud > 0.1).tolist() == [False, False, True, False, False, False]
    assert np.abs(speech.samples(4000, 8000)).max() > 0.1


def test_video_s_own_speech_begins_with_its_first_picture(opened, tmp_path):
    """Sound that begins 0.4 s after the picture, in a container whose clock begins at 1 s."""
    track = tone(0.6)
    late = SoundTrack(track.samples, track.rate_hz, start_s=1.4)
    speech = opened(write_media(tmp_path / "late.mkv", regular(25, start_ms=1000), late))
    quiet, loud = speech.samples(0, 6000), speech.samples(7200, 6000)
    assert np.abs(quiet).max() < 0.01
    assert np.abs(loud).max() > 0.4


def test_sound_before_and_after_the_speech_is_silence(opened, tmp_path):
    speech = opened(write_wav(tmp_path / "s.wav", tone(0.5, 16_000).samples))
    assert speech.samples(-100, 50).tolist() == [0] * 50
    assert np.abs(speech.samples(-100, 300)[:100]).max() == 0
    assert np.abs(speech.samples(-100, 300)[150:]).max() > 0
    assert np.abs(speech.sound(16_000, 64)).max() == 0


def test_speech_of_200_ms_is_accepted(opened, tmp_path):
    assert float(opened(write_wav(tmp_path / "s.wav", tone(0.2, 16_000).samples)).seconds) == 0.2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 10\n", FileReason.NOT_MEDIA),
        (b"", FileReason.EMPTY_FILE),
        (b"#EXTM3U\nhttp://example.com/a.wav\n", FileReason.POINTS_ELSEWHERE),
        (b"RIFF\x24\0\0\0WAVEfmt ", FileReason.NOT_MEDIA),
    ],
)
def test_non_audio_is_refused(content, reason, opened, tmp_path):
    path = tmp_path / "speech.wav"
    path.write_bytes(content)
    with pytest.raises(MediaRefusedError) as caught:
        opened(path)
    assert caught.value.reason in (reason, FileReason.NO_DECODABLE_FRAME)


def test_video_without_sound_is_refused(opened, tmp_path):
    with pytest.raises(MediaRefusedError, match="no sound"):
        opened(write_media(tmp_path / "mute.mp4", regular(8)))


def test_videos_are_distinguished_from_audio_files(tmp_path):
    assert sniff_speech(write_media(tmp_path / "a.mp4", regular(4))) is Container.MP4
    assert sniff_speech(write_media(tmp_path / "a.avi", regular(4))) is Container.AVI
