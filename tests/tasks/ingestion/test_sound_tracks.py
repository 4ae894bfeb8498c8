"""Choice of video and audio streams, on a talking head of the sample muxed with other streams."""

from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.policy import load_policy
from heterodub.tasks.ingestion.job import Admission, Analysis
from heterodub.tasks.ingestion.sound_tracks import SoundEvidence, candidates, choose_sound, is_clear
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.sniff import sniff
from tests.tasks.ingestion.conftest import analysed, job_of, settings_in
from tests.tasks.media.media_files import SoundTrack, StreamPart, draw, regular, remux, write_media

ALONE, EQUAL = True, False


def sounds(*scores):
    """A number: a mean score; None: audible, but not measured; "silent": inaudible."""
    return [SoundEvidence([] if score is None or score == "silent" else [score], score != "silent") for score in scores]


@pytest.mark.parametrize(
    ("scores", "default_alone", "chosen"),
    [
        ((6.0, 0.2), ALONE, 0),
        ((0.2, 6.0), ALONE, 1),  # a dubbed language is flagged, the original one fits
        ((0.2, 3.9), ALONE, 0),  # fits, but not clearly
        ((3.5, 7.0), ALONE, 1),  # a voice dubbed to the lips has their rhythm
        ((4.2, 7.0), ALONE, 0),
        ((0.2, 4.0), EQUAL, 1),
        ((3.4, 7.0), EQUAL, 1),
        ((6.0, 6.4), EQUAL, 0),  # the same voice in stereo and in surround
        ((0.5, 0.9, -1.0), EQUAL, 0),
        ((None, None), EQUAL, 0),
        (("silent", None), ALONE, 1),
        (("silent", "silent"), ALONE, 0),
        (("silent", 4.0), ALONE, 1),
        ((0.1, "silent", 4.0, 8.0), EQUAL, 3),
    ],
)
def test_best_matching_stream_is_chosen(scores, default_alone, chosen):
    assert choose_sound(sounds(*scores), default_alone) == chosen


def test_choice_ends_early_when_clear():
    assert is_clear(sounds(6.0, 0.3))
    assert not is_clear(sounds(6.0, 5.5))
    assert not is_clear(sounds(6.0, 3.5))
    assert not is_clear(sounds(3.5, None))


def test_score_is_the_mean_of_the_clips_that_could_be_measured():
    evidence = SoundEvidence()
    for score in (4.0, None, 1.0):
        evidence.add(score, is_heard=True)
    assert evidence.score == 2.5
    assert SoundEvidence().score is None


POLICY = load_policy()
DEFAULT, NONE = Disposition.default, Disposition(0)
LARGE = (960, 576)


@pytest.fixture(scope="module")
def s01(media) -> Path:
    return media / "s01-clean.mp4"


@pytest.fixture(scope="module")
def backwards(s01, tmp_path_factory) -> Path:
    """Ada's sound, played backwards: speech, and not that of her mouth. Stream 1 of a file."""
    return _with_sound(tmp_path_factory.mktemp("backwards") / "b.mkv", _sound_of(s01)[::-1])


@pytest.fixture(scope="module")
def silence(s01, tmp_path_factory) -> Path:
    """A sound track of her length with nothing on it. Stream 1 of a file."""
    return _with_sound(tmp_path_factory.mktemp("silence") / "s.mkv", np.zeros_like(_sound_of(s01)))


def _sound_of(path: Path) -> np.ndarray:
    with av.open(str(path)) as source:
        resampler = av.AudioResampler("flt", "mono", 16_000)
        pieces = [out.to_ndarray()[0] for frame in source.decode(audio=0) for out in resampler.resample(frame)]
    return np.concatenate(pieces)


def _with_sound(path: Path, line: np.ndarray) -> Path:
    return write_media(path, regular(5), SoundTrack(line[None], 16_000, "mono", "pcm_s16le"))


def _moving(path: Path) -> Path:
    return write_media(path, regular(100), pictures=[draw(number, *LARGE) for number in range(100)], size=LARGE)


def _streams(analysis, kind):
    return {one.stream: one for one in analysis.facts.streams if one.kind == kind}


def _two_voices(path: Path, s01: Path, backwards: Path, flags: tuple[Disposition, Disposition]) -> Path:
    """Her film, the sound played backwards as stream 1, and her own as stream 2."""
    return remux(path, StreamPart(s01, 0, DEFAULT), StreamPart(backwards, 1, flags[0]), StreamPart(s01, 1, flags[1]))


@pytest.fixture(scope="module")
def compared(s01, backwards, tmp_path_factory) -> tuple[Path, Analysis]:
    """The hardest: the default is clearly not hers."""
    folder = tmp_path_factory.mktemp("compared")
    path = _two_voices(folder / "a.mkv", s01, backwards, (DEFAULT, NONE))
    return path, analysed(job_of(path), settings_in(folder), POLICY)


def test_matching_sound_stream_is_chosen(compared):
    result = compared[1]
    sounds = _streams(result, "sound")
    assert result.facts.sound_stream == 2
    assert [number for number, one in sounds.items() if one.used] == [2]
    assert sounds[2].av_sync_score > sounds[1].av_sync_score + 1.5
    assert all(result.clips["stage1"].to_pylist())


@pytest.mark.parametrize(
    ("flags", "order"),
    [((NONE, DEFAULT), [2, 1]), ((NONE, NONE), [1, 2]), ((DEFAULT, NONE), [1, 2]), ((DEFAULT, DEFAULT), [1, 2])],
    ids=["the default", "the one that fits", "clearly not the default", "all are default"],
)
def test_matching_sound_stream_is_chosen_whatever_is_flagged(compared, s01, backwards, tmp_path, flags, order):
    """By the scores that an analysis measures."""
    path = _two_voices(tmp_path / "a.mkv", s01, backwards, flags)
    container = sniff(path)
    numbers, default_alone = candidates(path, container, probe(path, container, LimitSettings()))
    assert (numbers, default_alone) == (order, flags.count(DEFAULT) == 1)
    sounds = _streams(compared[1], "sound")
    assert (
        numbers[choose_sound([SoundEvidence([sounds[one].av_sync_score], True) for one in numbers], default_alone)] == 2
    )


def test_silent_default_sound_gives_way(s01, silence, settings, tmp_path):
    parts = StreamPart(s01, 0, DEFAULT), StreamPart(silence, 1, DEFAULT), StreamPart(s01, 1)
    result = analysed(job_of(remux(tmp_path / "a.mkv", *parts)), settings, POLICY)
    assert result.facts.sound_stream == 2
    assert _streams(result, "sound")[1].av_sync_score is None


def test_later_admission_uses_the_stored_streams(compared, settings):
    path, first = compared
    admit = {clip: Admission(True, False, 0) for clip in first.clips["clip_id"].to_pylist()}
    for sound in (1, 2):
        later = analysed(job_of(path, admit=admit, suffix=f"s{sound}", streams=(0, sound)), settings, POLICY)
        assert later.facts.sound_stream == sound
        assert set(later.parts) == {"stage1"}


@pytest.fixture(scope="module")
def plain(s01, tmp_path_factory) -> Analysis:
    return analysed(job_of(s01), settings_in(tmp_path_factory.mktemp("plain")), POLICY)


@pytest.mark.parametrize("beside", ["still", "film"])
def test_talker_is_chosen_over_a_larger_default_stream(s01, plain, settings, tmp_path, beside):
    still = [draw(1, *LARGE)] * 100
    other = (
        _moving(tmp_path / "m.mp4")
        if beside == "film"
        else write_media(tmp_path / "s.mp4", regular(100), pictures=still, size=LARGE)
    )
    parts = StreamPart(other, 0, DEFAULT), StreamPart(s01, 0), StreamPart(s01, 1, DEFAULT)
    result = analysed(job_of(remux(tmp_path / "a.mkv", *parts)), settings, POLICY)
    assert result.facts.picture_stream == 1
    assert {number: one.used for number, one in _streams(result, "picture").items()} == {0: False, 1: True}
    assert (_streams(result, "picture")[0].changes_hz > 4) is (beside == "film")
    for column in ("start_frame", "frames", "stage1", "stage2"):
        assert result.clips[column].to_pylist() == plain.clips[column].to_pylist()


def test_wall_clock_sound_is_aligned_with_a_note(s01, settings, tmp_path):
    late = remux(tmp_path / "a.mkv", StreamPart(s01, 0, DEFAULT), StreamPart(s01, 1, late_s=1.75e9))
    result = analysed(job_of(late), settings, POLICY)
    assert result.outcome.notes == (
        "the sound's clock is 1750000000 s ahead of the picture's: both are taken to begin together",
    )
    assert all(result.clips["stage1"].to_pylist())


def test_hole_ends_the_clip(s01, settings, tmp_path):
    paused = remux(tmp_path / "a.mkv", StreamPart(s01, 0, hole=(2.0, 5)), StreamPart(s01, 1, hole=(2.0, 5)))
    result = analysed(job_of(paused), settings, POLICY)
    spans = [(start, start + frames) for start, frames in zip(*map(list, _columns(result)), strict=True)]
    assert len(spans) == 2
    assert spans[0][1] <= 2 * 25 + 1
    assert spans[1][0] >= 7 * 25 - 1
    assert result.clips["distinct_fps"].to_pylist() == pytest.approx([25, 25], abs=1.5)


def _columns(result):
    return result.clips["start_frame"].to_pylist(), result.clips["frames"].to_pylist()
