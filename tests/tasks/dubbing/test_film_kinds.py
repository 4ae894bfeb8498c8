"""Kinds of films by turns and with kept packets: deep, interlaced, irregular, with surround sound."""

import av
import numpy as np
import pytest

from heterodub.schemas.config.dubbing import DubJob
from heterodub.tasks.dubbing.dialogue import Dialogue, SpokenTurn
from heterodub.tasks.dubbing.dub import dub
from heterodub.tasks.dubbing.turns import Turn
from heterodub.tasks.media.speech import SpeechSource
from tests.flows.heads import head as head_pictures
from tests.flows.heads import write_head
from tests.tasks.dubbing.conftest import write_wav
from tests.tasks.dubbing.test_packets import packets_of
from tests.tasks.media.media_files import regular, tone, write_media
from tests.tasks.media.test_interlace import woven

KEY = {"preset": "ultrafast", "crf": "18", "x264-params": "keyint=8:min-keyint=8:scenecut=0"}


@pytest.fixture
def spoken(speech, models, backend, settings, tmp_path):
    """Dub the largest face of a film in one turn."""

    def work(video, start_s, end_s, **more):
        (tmp_path / "turns.csv").write_text(f"start,end,person,face\n{start_s},{end_s},ANNA,1\n")
        fields = {"turns": f"{tmp_path}/turns.csv", "speeches": {"ANNA": str(speech)}, "out": f"{tmp_path}/out.mp4"}
        return dub(DubJob(video=str(video), **fields, **more), models, backend, settings)

    return work


def test_deep_samples_keep_their_packets(spoken, tmp_path):
    video = write_head(tmp_path / "deep.mp4", 0, 32, pix_fmt="yuv420p10le", options=KEY)
    result = spoken(video, 0.4, 0.6, preserve="packets")
    assert result.kept == 24
    pairs = list(zip(packets_of(video), packets_of(result.out), strict=True))
    assert [bytes(one) == bytes(other) for one, other in pairs] == [True] * 8 + [False] * 8 + [True] * 16
    with av.open(result.out) as made:
        frames = list(made.decode(video=0))
    assert {frame.format.name for frame in frames} == {"yuv420p10le"}
    assert len(frames) == 32


def test_irregular_times_are_kept_by_turns_and_with_packets(spoken, tmp_path):
    times = np.cumsum([0, *np.random.default_rng(0).integers(20, 70, 31)]).tolist()
    pictures = head_pictures(0, 32)
    video = write_media(tmp_path / "phone.mp4", times, size=(256, 256), pictures=pictures, options=KEY)
    result = spoken(video, 0.5, 0.8, preserve="packets")
    assert 8 <= result.kept <= 24
    with av.open(result.out) as made:
        assert [round(1000 * frame.time) for frame in made.decode(video=0)] == times


def test_interlaced_film_is_encoded_near_lossless_where_packets_were_wanted(spoken, tmp_path):
    moments = [np.roll(head_pictures(3, 1)[0], round(5 * np.sin(k / 3)), 1) for k in range(32)]
    source = [woven(*pair) for pair in zip(moments[::2], moments[1::2], strict=True)]
    options = {"preset": "ultrafast", "crf": "10", "x264-params": "tff=1:keyint=8:min-keyint=8:scenecut=0"}
    video = write_media(tmp_path / "tape.mp4", regular(16), size=(256, 256), pictures=source, options=options)
    result = spoken(video, 0.1, 0.5, preserve="best")
    assert result.kept == 0
    assert any("cannot be kept: it is interlaced" in note for note in result.notes)


def test_film_without_sound_is_silent_around_its_turns(spoken, tmp_path):
    video = write_head(tmp_path / "mute.mp4", 0, 20, track=None)
    result = spoken(video, 0.4, 0.7)
    with av.open(result.out) as made:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in made.decode(audio=0)])[1024:]
    before, within = heard[: 16_000 * 35 // 100], heard[16_000 * 45 // 100 : 16_000 * 65 // 100]
    assert np.abs(before).max() < 0.03  # what the encoder spreads
    assert np.abs(within).max() > 0.1


def test_voice_lies_in_the_centre_of_surround_sound_and_the_film_around_it(settings, tmp_path):
    film = write_media(tmp_path / "film.mkv", regular(25), tone(1, 48_000, channels=6))
    voice = write_wav(tmp_path / "voice.wav", tone(1, 16_000, hertz=200).samples)
    with (
        SpeechSource.open(film, settings.limits, tmp_path) as own,
        SpeechSource.open(voice, settings.limits, tmp_path, own.rate_hz) as speech,
    ):
        dialogue = Dialogue([SpokenTurn(Turn(1, 0.4, 0.6, "ANNA"), speech, 0.0)], own)
        assert (dialogue.layout, dialogue.rate_hz, dialogue.channels) == ("5.1", 48_000, 6)
        mixed = dialogue.sound(0, 48_000)
        within, around = slice(20_000, 28_000), slice(0, 19_000)
        levels = np.abs(mixed[:, within]).max(axis=1)
        assert levels[2] == pytest.approx(0.5, abs=0.02)
        assert np.delete(levels, 2).max() < 1e-6
        np.testing.assert_array_equal(mixed[:, around], own.sound(0, 48_000)[:, around])
        assert not dialogue.samples(0, 16_000 * 39 // 100).any()
        assert np.abs(dialogue.samples(16_000 * 45 // 100, 800)).max() == pytest.approx(0.5, abs=0.02)


def test_a_turn_s_own_file_begins_with_the_turn(settings, tmp_path):
    said = np.zeros((1, 8000), np.float32)
    said[0, 1600:1700] = 0.8
    path = write_wav(tmp_path / "line.wav", said)
    with SpeechSource.open(path, settings.limits, tmp_path) as speech:
        turn = SpokenTurn(Turn(1, 2.0, 2.5, "ANNA", speech=str(path)), speech, 2.0)
        heard = Dialogue([turn], None)
        assert np.flatnonzero(np.abs(heard.samples(0, 48_000)) > 0.4)[0] == pytest.approx(33_600, abs=20)
        assert np.flatnonzero(np.abs(heard.sound(0, 48_000)[0]) > 0.4)[0] == pytest.approx(33_600, abs=20)


RTTM = """;; made by a diarisation tool
SPKR-INFO film 1 <NA> <NA> <NA> unknown ANNA <NA> <NA>
SPEAKER other 1 0.0 9.0 <NA> <NA> CARL <NA> <NA>
SPEAKER head 1 0.2 0.3 <NA> <NA> ANNA <NA> <NA>
SPEAKER head 1 0.5 0.2 <NA> <NA> BEN <NA> <NA>
"""


def test_rttm_names_the_turns_and_who_has_no_speech_stays(head, speech, models, backend, settings, tmp_path):
    (tmp_path / "turns.rttm").write_text(RTTM)
    given = {"speeches": {"ANNA": str(speech)}, "people": {"ANNA": "largest"}, "turns": f"{tmp_path}/turns.rttm"}
    result = dub(DubJob(video=str(head), out=f"{tmp_path}/out.mp4", **given), models, backend, settings)
    assert 5 <= result.dubbed <= 8
