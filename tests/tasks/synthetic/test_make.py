import re
import tomllib
from collections import Counter
from contextlib import suppress
from itertools import pairwise

import av
import numpy as np
import pytest

from heterodub.flows.demo import SETTINGS
from heterodub.schemas.promotion import load_promotion_policy
from heterodub.schemas.reasons import QUARANTINE_REASONS, ClipReason, FileReason, FileState
from heterodub.tasks.releases.benchmarks import CLIPS_A_SPEAKER
from heterodub.tasks.releases.splits import place_of
from heterodub.tasks.synthetic.film import LATE_S
from heterodub.tasks.synthetic.kinds import KINDS, ROWS, SPEAKER_PATTERN, Shoot
from heterodub.tasks.synthetic.make import make_sample
from heterodub.tasks.synthetic.people import BY_NAME
from heterodub.tasks.synthetic.speech import SAMPLE_RATE_HZ
from heterodub.tasks.synthetic.truth import read_table
from tests.tasks.synthetic.film_truth import read_film_truth

DEMO = tomllib.loads(SETTINGS)
BY_KIND = {row.kind: row for row in KINDS}
FILMS = [row for row in KINDS if isinstance(row.recipe, Shoot)]
WHOLE = [row for row in FILMS if row.recipe.aftermath != "cut_off"]


def frames_of(path):
    """All frames as (seconds, rotation, picture), up to where a broken download ends."""
    frames = []
    with av.open(str(path)) as source, suppress(av.error.InvalidDataError):
        frames.extend((f.time, f.rotation, f.to_ndarray(format="rgb24")) for f in source.decode(video=0))
    return frames


def sound_of(path):
    with av.open(str(path)) as source:
        to_mono = av.AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
        pieces = [out.to_ndarray()[0] for frame in source.decode(audio=0) for out in to_mono.resample(frame)]
    return np.concatenate(pieces)


def envelope(samples):
    hop = SAMPLE_RATE_HZ // 100
    return np.sqrt(np.mean(samples[: len(samples) // hop * hop].reshape(-1, hop) ** 2, axis=1))


def test_sample_covers_every_kind(sample):
    table = read_table(sample)
    assert len(table) == len(KINDS) >= 24
    assert len({row.speaker for row in table if row.speaker}) >= 6
    assert len({row.kind for row in table}) >= 10
    assert {row.file for row in table} == {path.name for path in (sample / "media").iterdir()}
    for stages in ((True, True), (True, False), (False, True), (False, False)):
        assert any((row.stage1, row.stage2) == stages for row in table)
    assert sum(path.stat().st_size for path in sample.rglob("*")) < 40e6


def test_table_agrees_with_the_list(sample):
    for row, stored in zip(KINDS, read_table(sample), strict=True):
        assert (row.file, row.kind, row.speaker, row.why) == (stored.file, stored.kind, stored.speaker, stored.why)
        assert (row.stage1, row.stage2, row.state, row.reasons) == (
            stored.stage1,
            stored.stage2,
            stored.state,
            stored.reasons,
        )


@pytest.mark.parametrize("row", KINDS, ids=lambda row: row.kind)
def test_truth_is_consistent(row):
    if row.state is FileState.MEASURED:
        assert all(reason in set(ClipReason) for reason in row.reasons)
        is_admitted = row.stage1 and row.stage2
        assert row.reasons or is_admitted
        assert not (row.reasons and is_admitted) or row.kind == "two_faces"  # the one who listens is refused
    else:
        assert not (row.stage1 or row.stage2)
        (reason,) = row.reasons
        assert reason in set(FileReason)
        assert (reason in QUARANTINE_REASONS) == (row.state is FileState.QUARANTINED)


def test_whole_sample_is_large_enough_for_the_default_promotion_policy():
    """Shares of speakers as in the demo; of each there are clean films enough for a benchmark."""
    rules = load_promotion_policy().models.values()
    used = [row for row in ROWS if row.speaker and (row.stage1 or row.stage2)]
    clean = Counter(row.speaker for row in used if row.stage1 and row.stage2)
    assert len(clean) >= 12 and len(used) >= 60
    held_out = {speaker: count for speaker, count in clean.items() if place_of(speaker) < DEMO["splits"]["test_share"]}
    assert len(held_out) >= max(rule.least_speakers for rule in rules)
    assert sum(min(count, CLIPS_A_SPEAKER) for count in held_out.values()) >= max(rule.least_clips for rule in rules)


def test_corpus_file_finds_the_speakers(sample):
    corpus = tomllib.loads((sample / "corpus.toml").read_text("utf-8"))
    assert corpus["root"] == "media"
    assert corpus["speaker"] == SPEAKER_PATTERN
    for row in ROWS:
        outcome = re.search(corpus["speaker"], f"{corpus['root']}/{row.file}")
        result = outcome["speaker"] if outcome and outcome["speaker"] in BY_NAME else None
        assert result == row.speaker
        assert (outcome is None) == (row.speaker is None)


@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row.kind)
def test_films_open_with_every_frame_and_sound(sample, row):
    path, truth = sample / "media" / row.file, read_film_truth(sample, row.file)
    frames = frames_of(path)
    expected = 36 if row.recipe.gif else len(truth.opening)
    if row.recipe.irregular:
        assert 0.7 * expected < len(frames) < expected
    else:
        assert len(frames) == expected
    with av.open(str(path)) as source:
        assert bool(source.streams.audio) == (row.recipe.heard != "nothing")
    if row.recipe.heard != "nothing":
        assert len(sound_of(path)) / SAMPLE_RATE_HZ == pytest.approx(len(truth.opening) / truth.fps, abs=0.15)


def test_truncated_download_yields_its_first_part(sample):
    row = BY_KIND["cut_index_in_front"]
    whole = len(read_film_truth(sample, row.file).opening)
    assert 0.4 * whole < len(frames_of(sample / "media" / row.file)) < 0.8 * whole


@pytest.mark.parametrize("kind", ["cut_index_at_end", "text", "empty", "playlist"])
def test_non_video_does_not_open(sample, kind):
    with pytest.raises(av.error.FFmpegError), av.open(str(sample / "media" / BY_KIND[kind].file)) as source:
        next(source.decode(video=0))


def test_stills_sound_and_copy_match_their_description(sample):
    media = sample / "media"
    assert len(frames_of(media / BY_KIND["still_jpeg"].file)) == 1
    assert len(frames_of(media / BY_KIND["still_png"].file)) == 1
    with av.open(str(media / BY_KIND["no_picture"].file)) as source:
        assert not source.streams.video
        assert source.streams.audio
    copy = BY_KIND["copy"]
    assert (media / copy.file).read_bytes() == (media / copy.of).read_bytes()


def test_upright_phone_says_how_to_turn_its_picture(sample):
    row = BY_KIND["rotated"]
    _, rotation, frame = frames_of(sample / "media" / row.file)[0]
    upright = np.rot90(frame, rotation // 90)
    hair, wall = upright[20:60, 130:190].mean(), upright[5:60, 5:40].mean()
    assert rotation == -90
    assert hair < wall - 80


def test_frames_of_a_phone_come_at_irregular_times(sample):
    times = [time for time, _, _ in frames_of(sample / "media" / BY_KIND["variable_frame_rate"].file)]
    assert len(set(np.round(np.diff(times), 3))) >= 2
    assert times[0] == 0


def test_pictures_match_their_description(sample):
    def middle(kind):
        frames = frames_of(sample / "media" / BY_KIND[kind].file)
        return frames[len(frames) // 2][2].astype(float)

    def colour(picture):
        return np.abs(picture - picture.mean(axis=2, keepdims=True)).mean()

    def detail(picture):
        return np.abs(np.diff(picture.mean(axis=2), axis=1)).mean()

    clean = middle("container_mov")
    assert colour(middle("grey")) < 1.5 < colour(clean) / 4
    assert colour(middle("blurred_and_grey")) < 1.5
    assert colour(middle("gif")) > 8
    assert detail(middle("blurred")) < 0.6 * detail(middle("clean"))
    assert max(middle("tiny").shape) < 240


def test_voice_over_picture_stands_still_and_a_talking_one_does_not(sample):
    def change(kind):
        frames = [frame.astype(int) for _, _, frame in frames_of(sample / "media" / BY_KIND[kind].file)]
        return np.median([np.abs(a - b).mean() for a, b in pairwise(frames)])

    assert change("voice_over") < 0.1 < change("container_mov") / 2


def test_late_sound_is_half_a_second_late(sample):
    """The sound against the speech of its own lips, said again: cross-correlation of their envelopes."""
    row = BY_KIND["late_sound"]
    truth = read_film_truth(sample, row.file)
    voiced = np.zeros(int(len(truth.opening) / truth.fps * 100))
    for phoneme in truth.phonemes:
        voiced[int(phoneme.start_s * 100) : int(phoneme.end_s * 100)] = phoneme.ipa[0] not in "ptkbdgfsʃθh"
    heard = envelope(sound_of(sample / "media" / row.file))[: len(voiced)]
    lags = range(-100, 101)
    scores = [np.corrcoef(np.roll(voiced, lag)[100:-100], heard[100:-100])[0, 1] for lag in lags]
    assert lags[int(np.argmax(scores))] == pytest.approx(LATE_S * 100, abs=4)


def test_clean_sound_is_on_time(sample):
    row = BY_KIND["container_mkv"]
    first = read_film_truth(sample, row.file).phonemes[0].start_s
    heard = envelope(sound_of(sample / "media" / row.file))
    onset = np.flatnonzero(heard > 0.05 * heard.max())[0] / 100
    assert onset == pytest.approx(first, abs=0.06)


def test_music_and_noise_fill_the_pauses(sample):
    def pause_level(kind):
        heard = envelope(sound_of(sample / "media" / BY_KIND[kind].file))
        return 20 * np.log10(np.median(heard[:20]) / np.percentile(heard, 90))

    assert pause_level("clean") < -30
    assert pause_level("music") > -12
    assert pause_level("noise") > -12


def test_several_shots_hold_faces_and_a_stretch_without(sample):
    opening = read_film_truth(sample, BY_KIND["several_shots"].file).opening
    faceless = np.flatnonzero(np.isnan(opening))
    assert 25 <= len(faceless) <= 75
    assert faceless[-1] - faceless[0] + 1 == len(faceless)
    assert faceless[0] > 75
    assert len(opening) - faceless[-1] > 75


def test_second_run_writes_the_same_bytes(sample, tmp_path):
    """Speech of the whole sample, but films of only some kinds: enough to hold every encoder to its word."""
    kept = {"grey", "container_webm_vp8", "container_mpeg2", "gif", "too_short"}
    last = {row.kind: row.file for row in KINDS if row.kind in kept}
    collected = []
    make_sample(tmp_path, only=set(last.values()), progress=collected.append)
    assert collected == [row.file for row in ROWS if row.file in set(last.values())]
    for file in last.values():
        assert (tmp_path / "media" / file).read_bytes() == (sample / "media" / file).read_bytes(), file


def test_another_seed_gives_other_films(sample, tmp_path):
    make_sample(tmp_path, seed=1, only={"s04-blink.mp4"})
    file = "media/s04-blink.mp4"
    assert (tmp_path / file).read_bytes() != (sample / file).read_bytes()
