"""Every measure of acceptance sees its fault on a finished dub that has it, and not on one that has not."""

from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest

from heterodub.model.stage2.warp import WarpTranslator
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.reasons import MissingCause
from heterodub.tasks.evaluation import shot_measures
from heterodub.tasks.evaluation.shot_sound import sound_lag
from heterodub.tasks.identity.face_network import FaceNetwork
from heterodub.tasks.media.speech import SpeechSource
from tests.flows.heads import voice
from tests.tasks.dubbing.conftest import write_wav
from tests.tasks.evaluation.broken import (
    another_face,
    blurred_mouth,
    degraded_frame,
    faulty,
    flickering_mouth,
    lips_elsewhere,
    patch_of_another_colour,
)
from tests.tasks.evaluation.conftest import SHOT_FRAMES, write_shots

SHOTS = (
    None,
    blurred_mouth,
    patch_of_another_colour,
    flickering_mouth,
    degraded_frame,
    lips_elsewhere,
    None,
    another_face,
)
COVERED, PASSED = 5, 6


class Idle(WarpTranslator):
    """Leaves the source's mouth as it is."""

    def translate(self, appearance, pictures, source, wanted, path=None):
        return pictures.astype(np.float32) / 255


def painted_over_and_passed(inputs, plan):
    """Something lies over the mouth of one shot, which is dubbed all the same; another is left alone."""
    plan.parts[COVERED].face.track.occluded_T[:] = True
    plan.parts[PASSED].shown_N[:] = 0
    return inputs, plan


@pytest.fixture(scope="module")
def by_shot(judged, models, speech, tmp_path_factory):
    """A film whose shots are a good dub and one of each fault."""
    folder = tmp_path_factory.mktemp("faults")
    video = write_shots(folder / "video.mp4", len(SHOTS))
    with faulty(*SHOTS):
        job = DubJob(video=str(video), speech=str(speech), out=str(folder / "out.mp4"))
        return judged(job, models, painted_over_and_passed)


def broken(verdict):
    return {one.measure for one in verdict.broken}


def test_shots_are_measured_apart(by_shot):
    assert [shot.measures.frames for shot in by_shot.shots] == [SHOT_FRAMES] * len(SHOTS)
    assert by_shot.shots[1].measures.start_s == pytest.approx(SHOT_FRAMES / 25)
    assert by_shot.shots[0].measures.end_s == pytest.approx(SHOT_FRAMES / 25)


def test_a_good_shot_is_accepted(by_shot):
    assert (by_shot.verdicts[0].broken, by_shot.verdicts[0].state) == ((), "accepted")


@pytest.mark.parametrize(
    ("shot", "measure"),
    [
        (1, "sharpness"),
        (2, "colour_step"),
        (3, "flicker"),
        (4, "outside_psnr_db"),
        (4, "seam"),
        (5, "nme_lips"),
        (COVERED, "covered_frac"),
        (PASSED, "passed_through"),
    ],
)
def test_a_fault_breaks_the_limit_on_its_measure(shot, measure, by_shot):
    assert measure in broken(by_shot.verdicts[shot])
    assert by_shot.verdicts[shot].state == "failed"


def test_another_face_is_far_from_the_source_s(by_shot):
    """Of a good dub's face only the mouth differs; 0.45 is the limit within which tasks/identity joins people."""
    good, other = (by_shot.shots[shot].measures.values["identity_distance"] for shot in (0, 7))
    assert good < 0.3 < 0.45 < other
    assert by_shot.shots[PASSED].measures.missing["identity_distance"] is MissingCause.NO_FACE_FRAMES


def test_identity_is_not_measured_where_it_is_switched_off_or_not_installed(monkeypatch):
    off = Settings(identity={"embeddings": False})
    assert shot_measures.recogniser_of(off) is MissingCause.SWITCHED_OFF
    assert isinstance(shot_measures.recogniser_of(Settings()), FaceNetwork)
    monkeypatch.setattr(shot_measures, "open_face_network", lambda: None)
    assert shot_measures.recogniser_of(Settings()) is MissingCause.NOT_INSTALLED


def test_a_failed_shot_has_a_still_of_its_worst_frame(by_shot):
    shot = by_shot.shots[3]
    assert shot.measures.start_s <= shot.measures.worst_s["flicker"] < shot.measures.end_s
    assert shot.stills["flicker"].startswith(b"\xff\xd8")


def test_what_cannot_be_measured_is_named_with_its_cause(by_shot):
    """16 frames are too few for a leak; a shot without a dubbed frame has no lips to compare."""
    assert by_shot.shots[0].measures.values["source_leak"] is None
    assert by_shot.shots[0].measures.missing["source_leak"] is MissingCause.TOO_SHORT
    assert by_shot.shots[PASSED].measures.missing["nme_lips"] is MissingCause.NO_FACE_FRAMES


@pytest.fixture(scope="module")
def spoken(judged, models, talker, speech, tmp_path_factory):
    """The talker dubbed with a speech: well, and with the source's mouth left moving."""
    folder = tmp_path_factory.mktemp("spoken")
    job = DubJob(video=str(talker), speech=str(speech), out=str(folder / "out.mp4"))
    return {"good": judged(job, models), "idle": judged(job, replace(models, translator=Idle(256)))}


def test_the_source_s_mouth_left_moving_is_a_leak(spoken):
    good, idle = (spoken[name].verdicts[0] for name in ("good", "idle"))
    assert "source_leak" in broken(idle) - broken(good)


def test_a_mouth_that_moves_in_silence_fails(judged, models, talker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("silence")
    silence = write_wav(folder / "silence.wav", np.zeros((1, 48_000), np.float32) + 1e-3)
    job = DubJob(video=str(talker), speech=str(silence), out=str(folder / "out.mp4"))
    verdict = judged(job, replace(models, translator=Idle(256))).verdicts[0]
    assert "silent_motion" in broken(verdict)


def test_sound_that_is_late_or_of_another_speech_is_seen(tmp_path):
    """By the speech of the job and the sound of the file: 0.2 s late, and something else."""
    words = voice(1, 3).samples
    late = np.concatenate([np.zeros((1, 3_200), np.float32), words], axis=1)
    paths = [
        write_wav(tmp_path / f"{number}.wav", samples)
        for number, samples in enumerate((words, late, voice(9, 3).samples))
    ]
    with ExitStack() as opened:
        wanted, shifted, other = (
            opened.enter_context(SpeechSource.open(path, LimitSettings(), tmp_path)) for path in paths
        )
        assert sound_lag(shifted, wanted, 0, 3)[0] == pytest.approx(0.2, abs=1e-3)
        assert sound_lag(wanted, wanted, 0, 3) == (pytest.approx(0, abs=1e-4), pytest.approx(1, abs=1e-3))
        assert sound_lag(other, wanted, 0, 3)[1] < 0.6
