"""Audio-visual sync on films whose truth is known, with their own sound, moved, and exchanged."""

import numpy as np
import pytest

from heterodub.model.features.mel import log_mel
from heterodub.schemas.reasons import MissingCause
from heterodub.tasks.quality.av_sync import (
    AvSync,
    FitCurve,
    chance_spread,
    evaluate_curve,
    fit_curve,
    measure_av_sync,
)
from heterodub.tasks.quality.sound import speech_probability
from heterodub.tasks.quality.sound_shift import CORRECTABLE_FRAMES, correction_frames


def late_by(samples: np.ndarray, frames: int) -> np.ndarray:
    """The same length of sound, `frames` frames later (negative: earlier)."""
    moved = np.zeros_like(samples)
    step = abs(frames) * 640
    if frames >= 0:
        moved[step:] = samples[: samples.size - step]
    else:
        moved[:-step] = samples[step:]
    return moved


def measured(talk, samples: np.ndarray | None = None):
    samples = talk.samples if samples is None else samples
    return measure_av_sync(talk.points, talk.tracked, log_mel(samples, len(talk.points)), speech_probability(samples))


def test_own_sound_matches_the_mouth(talks):
    for talk in talks:
        own = measured(talk)
        assert own.score > 2
        assert abs(own.offset_frames) <= 2
        assert own.correlation > 0.2


def test_sound_of_another_speaker_does_not_match(talks):
    first, second = talks
    for talk, other in ((first, second), (second, first)):
        foreign = np.resize(other.samples, talk.samples.shape)
        assert measured(talk, foreign).score < measured(talk).score - 1
        assert measured(talk, foreign).correlation < measured(talk).correlation


@pytest.mark.parametrize("late", [15, -15])
def test_offset_of_600_ms_is_measured_and_scores_less(talks, late):
    for talk in talks:
        moved = measured(talk, late_by(talk.samples, late))
        assert abs(moved.offset_frames - late) <= 2
        assert moved.score < measured(talk).score


@pytest.mark.parametrize("late", [-5, -3, 3, 5])
def test_small_offset_is_measured_and_corrected_with_its_sign(talks, late):
    talk = talks[0]
    own, moved = measured(talk), measured(talk, late_by(talk.samples, late))
    assert abs(moved.offset_frames - own.offset_frames - late) <= 1
    assert np.sign(correction_frames(9.0, moved.offset_frames)) == np.sign(late)


def test_stage_1_mel_is_shifted_by_the_offset(talks):
    talk = talks[0]
    shift = correction_frames(9.0, 4)
    recording = np.concatenate([late_by(talk.samples, 4), talk.samples[-4 * 640 :]])
    read = recording[shift * 640 : shift * 640 + talk.samples.size]
    np.testing.assert_array_equal(read, talk.samples)


@pytest.mark.parametrize(
    ("score", "offset", "frames"),
    [
        (9.0, 0, 0), (9.0, 1, 0), (9.0, -1, 0), (9.0, 2, 2), (9.0, -2, -2), (9.0, 6, 6), (9.0, -6, -6), (9.0, 7, 0),
        (9.0, -7, 0), (9.0, 30, 0), (4.0, 3, 3), (2.99, 3, 0), (None, 3, 0), (9.0, None, 0), (-5.0, 3, 0),
    ],
)  # fmt: skip
def test_only_small_well_measured_offsets_are_corrected(score, offset, frames):
    assert correction_frames(score, offset) == frames


def test_offsets_beyond_the_limit_are_not_corrected():
    moved = {correction_frames(99.0, float(offset)) for offset in range(-40, 41)}
    assert moved == {0, *range(2, CORRECTABLE_FRAMES + 1), *range(-CORRECTABLE_FRAMES, -1)}


def test_unmeasured_av_sync_names_its_cause(talks, frozen_mouth):
    talk = talks[0]
    silence = np.zeros_like(talk.samples)
    assert measured(talk, silence) is MissingCause.TOO_LITTLE_SPEECH
    still = frozen_mouth()
    assert measured(still) is MissingCause.MOUTH_STILL
    frames, chunks = 39, 39 * 640 // 512
    always = np.ones(chunks, np.float32)
    mel = talk.mel[: 4 * frames]
    short = measure_av_sync(talk.points[:frames], talk.tracked[:frames], mel, always)
    assert short is MissingCause.TOO_SHORT
    one_more = measure_av_sync(talk.points[:40], talk.tracked[:40], talk.mel[:160], np.ones(50, np.float32))
    assert isinstance(one_more, AvSync)


def test_second_of_speech_is_enough_and_less_is_not(talks):
    talk = talks[0]
    chunks = len(talk.points) * 640 // 512
    for count, kind in ((32, AvSync), (31, MissingCause)):
        speech = np.zeros(chunks, np.float32)
        speech[20 : 20 + count] = 0.9
        assert isinstance(measure_av_sync(talk.points, talk.tracked, talk.mel, speech), kind)


def test_mouth_moves_more_in_speech_than_in_pauses(talks):
    talk = talks[0]
    points, tracked, mel, speech = (
        np.concatenate([one] * 5)  # so that its pauses are long enough to pass for speech
        for one in (talk.points, talk.tracked, talk.mel, speech_probability(talk.samples))
    )
    ratio, backwards = (
        measure_av_sync(points, tracked, mel, heard).speech_motion_ratio for heard in (speech, 1 - speech)
    )
    assert ratio > 1.2  # the drawn mouths close gently into pauses
    assert backwards == pytest.approx(1 / ratio, rel=0.2)


def test_speech_without_a_pause_has_no_ratio(talks):
    talk = talks[0]
    speech = np.ones(len(talk.points) * 640 // 512, np.float32)
    assert measure_av_sync(talk.points, talk.tracked, talk.mel, speech).speech_motion_ratio is None


def test_fit_is_one_at_the_offset_by_which_a_copy_is_moved():
    rng = np.random.default_rng(3)
    movement = rng.standard_normal((200, 3))
    movement /= np.linalg.norm(movement, axis=1, keepdims=True)
    for late in (-20, -1, 0, 1, 20):
        curve = fit_curve(np.roll(movement, late, axis=0), movement, np.ones(200, bool))
        assert curve.offsets[np.argmax(curve.fits)] == late
        assert curve.fits.max() == pytest.approx(1.0, abs=1e-6)
    assert (curve.offsets == np.arange(-37, 38)).all()


def test_offsets_leave_a_second_of_overlap():
    random = np.random.default_rng(0).standard_normal((40, 3))
    curve = fit_curve(np.ones((40, 3)), random, np.ones(40, bool))
    assert (curve.offsets == np.arange(-15, 16)).all()
    assert np.isfinite(curve.fits).all()


def test_fits_are_of_frames_whose_mouth_is_known():
    lips = np.ones((60, 2))
    usable = np.arange(60) < 40
    curve = fit_curve(np.where(usable, 1.0, 9.0)[:, None] * lips, lips, usable)
    assert curve.fits[len(curve.fits) // 2] == 2.0
    assert curve.frames == 40


def peaked(offset: int, frames: int = 100, height: float = 0.5) -> FitCurve:
    """Return a curve of fits that are 0.1 everywhere, and higher by `height` at one offset."""
    offsets = np.arange(-37, 38)
    return FitCurve(offsets, 0.1 + height * (offsets == offset), frames)


def test_score_is_in_standard_deviations_of_chance():
    assert evaluate_curve(peaked(0), 1.0, None).score == pytest.approx(0.5 * 10)  # of a mean over 100 frames: 0.1
    assert evaluate_curve(peaked(0), 2.0, None).score == pytest.approx(0.5 * 5)


def test_score_grows_with_the_root_of_the_frames():
    short, long = (evaluate_curve(peaked(0, frames), 1.0, None).score for frames in (50, 200))
    assert long == pytest.approx(2 * short)


@pytest.mark.parametrize(("offset", "less"), [(2, 0.0), (3, 1.0), (-6, 1.0)])
def test_score_of_an_unusual_offset_is_lower(offset, less):
    found = evaluate_curve(peaked(offset), 1.0, None)
    assert (found.offset_frames, found.score) == (offset, pytest.approx(5 - less))


def test_sound_far_out_of_sync_has_the_offset_it_has_and_no_score():
    found = evaluate_curve(peaked(20), 1.0, None)
    assert found.offset_frames == 20
    assert found.score < 1


def test_offset_that_is_hardly_better_is_not_believed_beyond_the_correctable():
    curve = peaked(0)
    curve.fits[-1] = curve.fits.max() + 0.1  # a standard deviation
    assert evaluate_curve(curve, 1.0, None).offset_frames == 0


def test_chance_is_the_spread_of_one_frames_fit():
    random = np.random.default_rng(0)
    curves = [FitCurve(np.arange(-37, 38), random.normal(0, 3 / 10, 75), 100) for _ in range(50)]
    assert chance_spread(curves) == pytest.approx(3, rel=0.05)
