"""All signals of a clip: each named, each null with a cause, whatever is missing."""

import dataclasses

import numpy as np
import pytest

from heterodub.model.features.landmarks import interocular
from heterodub.schemas.config.settings import ClipSettings
from heterodub.schemas.reasons import MissingCause
from heterodub.schemas.signals import SIGNAL_NAMES, SIGNALS, SignalGroup
from heterodub.tasks.quality.measure import ClipSound, FaceTrack, OtherFace, measure_clip
from heterodub.tasks.quality.picture import FacePicture

SOUND = {signal.name for signal in SIGNALS if signal.group is not SignalGroup.PICTURE}
LOOK = FacePicture(0.4, 1.0, 0.2, 0.5, 0.01, 0.02)
RATED = ClipSettings(dnsmos_below_snr_db=999)
UNRATED = ClipSettings(dnsmos_excerpt_s=0, dnsmos_below_snr_db=999)
NO_SOUND = ClipSound(None, None, 0.0, 0.0, MissingCause.NO_SOUND_STREAM)


def face_of(talk, **changes) -> FaceTrack:
    frames = len(talk.points)
    yes, no = np.ones(frames, bool), np.zeros(frames, bool)
    angles = np.tile(np.array([-12.0, 3.0, 1.0], np.float32), (frames, 1))
    face = FaceTrack(
        talk.points, talk.tracked, np.full(frames, 0.97, np.float32), angles, (), yes, no, no, no, (LOOK,) * 5
    )
    return dataclasses.replace(face, **changes)


def sound_of(talk, **changes) -> ClipSound:
    return dataclasses.replace(ClipSound(talk.samples, talk.mel, 1.0, 0.0, None), **changes)


def check(measured) -> None:
    assert set(measured.values) == set(SIGNAL_NAMES)
    assert {name for name, value in measured.values.items() if value is None} == set(measured.missing)
    assert all(isinstance(cause, MissingCause) for cause in measured.missing.values())
    assert all(np.isfinite(value) and type(value) is float for value in measured.values.values() if value is not None)


def beside(talk, other) -> tuple[OtherFace]:
    """The other's face, over the first half of a clip."""
    frames = len(talk.points)
    return (OtherFace(np.resize(other.points, talk.points.shape), np.arange(frames) < frames // 2),)


def test_whole_clip_has_every_number(talks):
    first, second = talks
    measured = measure_clip(face_of(first, others=beside(first, second)), sound_of(first), RATED)
    check(measured)
    assert measured.missing == {}


def test_other_faces_are_undecided_until_it_is_clear_that_this_one_speaks(talks):
    for own, other in (talks, talks[::-1]):
        face = face_of(own, others=beside(own, other))
        alone, unheard, heard, foreign = (
            measure_clip(one, sound, UNRATED)
            for one, sound in (
                (face_of(own), sound_of(own)),
                (face, NO_SOUND),
                (face, sound_of(own)),
                (face, sound_of(own, samples=own.samples[::-1].copy(), mel=own.mel[::-1].copy())),
            )
        )
        assert alone.missing["speaking_margin"] is MissingCause.ONLY_FACE
        shares = [one.values["undecided_share"] for one in (alone, unheard, heard, foreign)]
        assert shares == [0.0, pytest.approx(0.5, abs=0.01), 0.0, pytest.approx(0.5, abs=0.01)]
        assert heard.values["faces_share"] == unheard.values["faces_share"] == pytest.approx(0.5, abs=0.01)


def test_known_numbers(talks):
    talk = talks[0]
    values = measure_clip(face_of(talk), NO_SOUND, RATED).values
    assert values["face_height_px"] == pytest.approx(np.median(np.ptp(talk.points[:, :, 1], axis=1)), rel=1e-6)
    assert values["interocular_px"] == pytest.approx(np.median(interocular(talk.points)), rel=1e-6)
    assert (values["yaw_deg"], values["pitch_deg"], values["roll_deg"]) == (12.0, 3.0, 1.0)
    assert values["mesh_score"] == pytest.approx(0.97)
    assert (values["face_share"], values["faces_share"]) == (1.0, 0.0)
    assert (values["sharpness"], values["blockiness"], values["brightness"]) == (0.4, 1.0, 0.5)
    assert (values["dark_share"], values["bright_share"], values["colourfulness"]) == (0.01, 0.02, 0.2)
    assert (values["distinct_fps"], values["frozen_share"]) == (25.0, 0.0)


def test_covered_frames_lower_mouth_visibility_but_not_motion(talks):
    talk = talks[0]
    frames = len(talk.points)
    lost, occluded = np.arange(frames) >= frames - 4, np.arange(frames) < 10
    wild = talk.points.copy()
    wild[:10, 100:] += 60
    face = face_of(talk, points=wild, tracked=~lost, occluded=occluded)
    values, plain = (measure_clip(one, NO_SOUND, RATED).values for one in (face, face_of(talk, tracked=~lost)))
    assert plain["mouth_visibility"] == 1.0
    assert values["mouth_visibility"] == pytest.approx((frames - 14) / (frames - 4))
    assert values["face_share"] == plain["face_share"]
    assert values["mouth_motion"] == pytest.approx(plain["mouth_motion"], rel=0.3)


@pytest.mark.parametrize("cause", [MissingCause.NO_SOUND_STREAM, MissingCause.SOUND_UNDECODABLE])
def test_missing_sound_is_the_cause_of_every_missing_sound_signal(talks, cause):
    measured = measure_clip(face_of(talks[0]), dataclasses.replace(NO_SOUND, absent=cause), RATED)
    check(measured)
    assert measured.missing == dict.fromkeys(SOUND, cause)


@pytest.mark.parametrize(("covered", "missing"), [(0.49, True), (0.5, False)])
def test_clip_that_the_recording_hardly_covers_has_no_sound(talks, covered, missing):
    measured = measure_clip(face_of(talks[0]), sound_of(talks[0], covered=covered), UNRATED)
    check(measured)
    assert (measured.missing.get("level_dbfs") is MissingCause.NO_SOUND_IN_CLIP) is missing


def test_silence_and_no_looks_and_no_excerpt(talks, frozen_mouth):
    talk = talks[0]
    silent = sound_of(talk, samples=np.zeros_like(talk.samples), mel=np.full_like(talk.mel, -11.5))
    for face in (face_of(talk), face_of(talk, looks=()), face_of(frozen_mouth())):
        for sound in (silent, sound_of(talk), NO_SOUND):
            for clips in (UNRATED, RATED):
                check(measure_clip(face, sound, clips))
    unseen = measure_clip(face_of(talk, looks=()), NO_SOUND, UNRATED).missing
    assert unseen["sharpness"] is MissingCause.NO_FACE_FRAMES
    assert (
        measure_clip(face_of(frozen_mouth()), sound_of(talk), UNRATED).missing["av_sync_score"]
        is MissingCause.MOUTH_STILL
    )


def test_face_size_is_of_tracked_frames_only(talks):
    talk = talks[0]
    points, tracked = talk.points.copy(), talk.tracked.copy()
    points[: len(points) // 2 + 10] *= 3
    tracked[: len(points) // 2 + 10] = False
    values = measure_clip(face_of(talk, points=points, tracked=tracked), NO_SOUND, UNRATED).values
    assert values["face_height_px"] == pytest.approx(np.median(np.ptp(talk.points[:, :, 1], axis=1)), rel=0.05)
    assert values["face_share"] == pytest.approx(tracked.mean())


@pytest.mark.parametrize(("every", "fps"), [(1, 25.0), (2, 12.5), (5, 5.0)])
def test_repeats_are_not_counted_as_frames_a_second(talks, every, fps):
    frames = len(talks[0].points) // every * every
    new = np.arange(len(talks[0].points)) % every == 0
    values = measure_clip(face_of(talks[0], is_new=new), NO_SOUND, UNRATED).values
    assert values["distinct_fps"] == pytest.approx(fps, rel=2 * every / frames)
    assert values["frozen_share"] == 0.0


def test_still_picture_is_wholly_frozen(talks):
    frames = len(talks[0].points)
    still = np.ones(frames, bool)
    still[0] = False
    values = measure_clip(face_of(talks[0], is_still=still), NO_SOUND, UNRATED).values
    assert (values["frozen_share"], values["distinct_fps"]) == (1.0, 0.0)
    repeated = measure_clip(face_of(talks[0], is_new=~still), NO_SOUND, UNRATED)
    check(repeated)
    assert (repeated.values["frozen_share"], repeated.values["distinct_fps"]) == (1.0, 0.0)
    assert repeated.missing["landmark_jitter"] is MissingCause.TOO_SHORT


def test_jitter_sees_trembling_and_not_movement(talks):
    talk = talks[0]
    frames = len(talk.points)
    base = np.repeat(talk.points[:1], frames, axis=0)
    eye = interocular(base[:1])[0]
    glide = base + np.linspace(0, 200, frames, dtype=np.float32)[:, None, None]
    assert measure_clip(face_of(talk, points=glide), NO_SOUND, UNRATED).values["landmark_jitter"] < 1e-4
    tremble = base.copy()
    tremble[::2, :, 0] += 0.1 * eye
    jitter = measure_clip(face_of(talk, points=tremble), NO_SOUND, UNRATED).values["landmark_jitter"]
    assert jitter == pytest.approx(0.1, rel=0.01)
