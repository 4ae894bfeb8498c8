"""Systems and scores: the truth is perfect, blur and stillness are seen, the oracle never shows the frame itself."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from heterodub.flows.cli.render.scores import show_scores
from heterodub.model.evaluation.clip_scores import ClipScores
from heterodub.model.evaluation.image_scores import (
    NOT_MEASURED,
    TRANSLATOR_REPORT,
    clip_scores,
    flicker,
    heldout_features,
    score,
)
from heterodub.model.evaluation.report import make_report
from heterodub.model.evaluation.translator import SYSTEMS, TranslatorEvalClip, _oracle, make_eval_window, system_crops
from heterodub.model.perceptual import Lite0
from heterodub.model.stage2.batches import FaceClip
from heterodub.model.stage2.warp import WarpTranslator
from tests.model.stage2.faces import SIDE, speaker

FRAMES = 20


@pytest.fixture(scope="module")
def eval_window():
    pictures, landmarks = speaker(4, FRAMES)
    return make_eval_window(
        TranslatorEvalClip("a", "anna", FaceClip(pictures, landmarks, np.ones(FRAMES, bool))), 4, 12
    )


@pytest.fixture(scope="module")
def lite0() -> Lite0:
    return Lite0()


@pytest.fixture(scope="module")
def answers(eval_window):
    return {system: system_crops(eval_window, system, WarpTranslator(SIDE)) for system in SYSTEMS}


def seen(eval_window):
    """A finder that finds the true faces."""
    return lambda _: (eval_window.landmarks, np.ones(12, bool))


def test_reference_frames_are_not_scored(eval_window):
    assert eval_window.references.tolist() == [0, 6, 12, 19]
    assert eval_window.scored.sum() == 10
    assert not eval_window.scored[[6 - 4, 12 - 4]].any()


def test_clip_of_reference_frames_only_is_refused(eval_window):
    with pytest.raises(ValueError, match="no frame is left to score"):
        make_eval_window(eval_window.clip, FRAMES, 12)


def test_ground_truth_scores_perfectly(eval_window, answers, lite0):
    scores = score(eval_window, answers["ground truth"], lite0, seen(eval_window))
    assert (scores.perceptual_lower, scores.perceptual_heldout_mouth) == (0, 0)
    assert scores.psnr_lower == pytest.approx(100)
    assert scores.ssim_mouth == pytest.approx(1)
    assert (scores.sharpness_lower, scores.flicker, scores.face_found_frac) == (1, 1, 1)
    assert scores.mouth_opening_corr == pytest.approx(1)
    assert scores.nme_lips == 0


def test_each_window_is_compared_with_its_own_truth(eval_window, lite0):
    clip = eval_window.clip.face_clip
    negative = replace(eval_window.clip, face_clip=replace(clip, pictures_TSS3=255 - clip.pictures_TSS3))
    for window in (eval_window, make_eval_window(negative, 4, 12), eval_window):
        scores = score(window, np.asarray(window.crops / np.float32(255), np.float32), lite0)
        assert (scores.perceptual_lower, scores.perceptual_mouth) == (0, 0)


def test_warp_is_nearer_to_the_truth_than_a_copy(eval_window, answers, lite0):
    warp, copy = (score(eval_window, answers[system], lite0) for system in ("warp", "copy"))
    assert warp.psnr_mouth > copy.psnr_mouth
    assert warp.mouth_opening_corr is None  # nobody looked


def test_copy_stands_still_and_blur_is_no_detail(eval_window, answers, lite0):
    still = np.repeat(answers["ground truth"][:1], 12, axis=0)
    assert score(eval_window, still, lite0).flicker == 0
    blurred = gaussian_filter(answers["ground truth"], (0, 1.5, 1.5, 0))
    assert score(eval_window, blurred, lite0).sharpness_mouth < 0.5


def test_reference_frames_are_left_out_of_flicker_and_frechet(eval_window, answers, lite0):
    """There a copy shows the truth itself: spoiled or perfect, they say nothing of what was made."""
    true, spoiled = answers["ground truth"], answers["ground truth"].copy()
    spoiled[[6 - 4, 12 - 4]] = 0
    assert score(eval_window, spoiled, lite0).flicker == score(eval_window, true, lite0).flicker == 1
    one, other = (heldout_features(lite0, eval_window, made) for made in (true, spoiled))
    assert (one["frames"].shape, one["motion"].shape) == ((10, 320), (7, 320))
    assert np.array_equal(one["frames"], other["frames"])
    assert np.array_equal(one["motion"], other["motion"])
    assert np.array_equal(one["motion"][0], one["frames"][1] - one["frames"][0])


def test_flicker_needs_two_consecutive_frames():
    pictures = np.random.default_rng(0).random((5, 8, 8, 3), np.float32)
    everywhere, every_other = np.ones((5, 8, 8), bool), np.arange(5) % 2 == 0
    assert flicker(pictures, pictures, everywhere, every_other) is None


def test_landmark_scores_come_with_the_detected_fraction(eval_window, answers, lite0, capsys):
    half = score(eval_window, answers["ground truth"], lite0, lambda _: (eval_window.landmarks, np.arange(12) % 2 == 0))
    assert half.face_found_frac == pytest.approx(
        0.4
    )  # 4 of the 10 judged frames: two of the six even ones are reference frames
    assert half.nme_lips == 0
    rows = [ClipScores("1", "a", system, asdict(half)) for system in ("generated", "copy")]
    summary = {"stage": "stage2", "model": "m 1", "evaluated_on": "a test", "release": "r", "references": 4}
    show_scores(summary | {"frechet": {}, "strata": []} | asdict(make_report(rows, TRANSLATOR_REPORT)))
    assert "face found" in capsys.readouterr().out


def test_nearest_frame_oracle_excludes_the_frame_itself(eval_window):
    chosen = _oracle(eval_window)
    assert (chosen != np.arange(eval_window.span.start, eval_window.span.stop)).all()
    landmarks = eval_window.clip.face_clip.landmarks_TPXY
    other = np.abs(landmarks[(chosen + 7) % FRAMES] - eval_window.landmarks).mean()
    assert np.abs(landmarks[chosen] - eval_window.landmarks).mean() < other


def test_undetected_face_has_no_correlation(eval_window, answers, lite0):
    scores = score(
        eval_window, answers["ground truth"], lite0, lambda _: (0 * eval_window.landmarks, np.zeros(12, bool))
    )
    assert (scores.face_found_frac, scores.mouth_opening_corr) == (0, None)


def test_report_puts_generated_crops_beside_their_controls(eval_window, answers, lite0):
    true, copy = (clip_scores(eval_window, "", answers[system], lite0).metrics for system in ("ground truth", "copy"))
    rows = [
        ClipScores(clip, speaker, system, metrics)
        for clip, speaker in (("1", "a"), ("2", "b"))
        for system, metrics in (("generated", true), ("copy", copy))
    ]
    report = make_report(rows, TRANSLATOR_REPORT)
    means = {(row.system, row.score): row.interval.mean for row in report.means}
    assert means["generated", "perceptual_lower"] == 0
    gained = {(row.control, row.score): row.interval.mean for row in report.improvements}
    assert gained["copy", "perceptual_lower"] == 1
    assert gained["copy", "psnr_lower"] == pytest.approx(100 - copy["psnr_lower"])
    assert {"LPIPS", "FID"} <= NOT_MEASURED.keys()
