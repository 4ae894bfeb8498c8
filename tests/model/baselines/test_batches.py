"""Batches of baselines: sound and picture of the same frames, false sound of another time, references that lie
apart.
"""

import numpy as np
import pytest

from heterodub.model.baselines.batches import SHOWN_FRAMES, AVClip, mel_windows
from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.features.landmarks import MIRRORED
from heterodub.model.features.timing import mel_window
from heterodub.model.stage1.features import SILENCE, scale_mel
from heterodub.model.training.sampler import Window
from heterodub.schemas.config.translation import PictureAugmentation
from tests.model.baselines.talkers import PLAIN, batch, make_av_batch, talker
from tests.model.talking import talk


def test_mel_window_of_a_frame_matches_the_timing():
    mel = talk(12)[2]
    windows = mel_windows(mel, 12)
    assert windows.shape == (12, 80, 20)
    low, high = mel_window(5)
    assert np.array_equal(windows[5], mel[low:high].T)
    assert (windows[0][:, : -mel_window(0)[0]] == np.float32(SILENCE)).all()


@pytest.mark.parametrize(("frames", "spoil", "says"), [(11, 0.0, "need a mel of"), (12, np.nan, "not finite")])
def test_mel_of_another_length_is_refused(frames, spoil, says):
    mel = talk(12)[2]
    mel[3, 3] += spoil
    with pytest.raises(ValueError, match=says):
        mel_windows(mel, frames)


def test_sound_and_picture_of_two_lengths_are_refused():
    with pytest.raises(ValueError, match="29 frames of sound, but 30 of picture"):
        AVClip(talker().face_clip, talker().mel_TMK[:29])


def test_batch_equals_the_stored_clip():
    made, clip = batch(), talker(3)
    run = slice(8, 8 + SHOWN_FRAMES)
    true = clip.face_clip.pictures_TSS3[run].transpose(0, 3, 1, 2) / 255
    assert np.allclose(made.shown_NFCSS[0], true)
    assert np.array_equal(made.heard_NFMK[0], scale_mel(clip.mel_TMK[run]))
    assert np.array_equal(made.spoken_NLMK[0], scale_mel(clip.mel_TMK[8:16]))
    points = clip.face_clip.landmarks_TPXY
    assert np.allclose(made.placed_NFPXY[0] * 64, points[run], atol=1e-3)
    assert np.allclose(made.face_NLPXY[0], FaceFrame.of(points[8:16]).enter(points[8:16]), atol=1e-3)
    assert made.counts_NL.all()


def test_false_sound_and_reference_are_of_another_time():
    clip = talker(3)
    for seed in range(12):
        made = make_av_batch([Window(0, 8, 8, seed)], [clip], ["a"], 8, PLAIN)
        same = [np.array_equal(scale_mel(clip.mel_TMK[t]), made.elsewhere_NFMK[0, 0]) for t in range(30)]
        assert abs(same.index(True) - 8) >= SHOWN_FRAMES
        known = [
            np.allclose(clip.face_clip.pictures_TSS3[t] / 255, made.known_NCSS[0].permute(1, 2, 0)) for t in range(30)
        ]
        assert not any(known[8 : 8 + SHOWN_FRAMES])
        assert any(known)


def test_driving_landmarks_lie_in_the_reference_face_frame():
    made = batch()
    frame = FaceFrame.of(made.known_NPXY[:1].double().numpy())
    back = frame.leave(made.led_NLPXY[0, :SHOWN_FRAMES].double().numpy())
    assert np.allclose(back, made.placed_NFPXY[0], atol=1e-4)
    assert np.allclose(frame.leave(made.rest_NPXY[:1].double().numpy()), made.known_NPXY[:1], atol=1e-4)


def test_mirroring_applies_to_a_whole_row():
    plain, turned = batch(), batch(PictureAugmentation(hflip_prob=1, color_jitter=0))
    assert np.array_equal(turned.shown_NFCSS, plain.shown_NFCSS.flip(-1))
    assert np.array_equal(turned.known_NCSS, plain.known_NCSS.flip(-1))
    assert np.allclose(turned.face_NLPXY, plain.face_NLPXY.numpy()[:, :, MIRRORED] * np.array([-1, 1]), atol=1e-4)
    assert np.allclose(turned.placed_NFPXY[..., 0], 1 - plain.placed_NFPXY[:, :, MIRRORED, 0], atol=1e-4)


def test_lost_frames_are_neither_input_nor_target():
    made = batch(lost=(9, 15))
    assert made.counts_NL[0].tolist() == [True, False, True, True, True, True, True, False]
    true = talker(3).face_clip.pictures_TSS3[10:15].transpose(0, 3, 1, 2) / 255
    assert np.allclose(made.shown_NFCSS[0], true)
