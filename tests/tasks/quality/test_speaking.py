"""Speakers: two heads of the sample whose mouths both move, to the sound of either, of both in turn, of neither."""

import numpy as np
import pytest

from heterodub.model.features.mel import log_mel
from heterodub.tasks.quality.speaking import DECIDED, SeenFace, SpeakingTurn, compare_faces, speaking_evidence, turns


@pytest.fixture(scope="module")
def two(talks):
    """Both faces over the same frames, and the samples of each."""
    frames = min(len(talk.points) for talk in talks)
    faces = [SeenFace(talk.points[:frames], talk.tracked[:frames]) for talk in talks]
    return faces, [talk.samples[: 640 * frames] for talk in talks]


def mel(samples: np.ndarray) -> np.ndarray:
    return log_mel(samples, len(samples) // 640)


@pytest.mark.parametrize("speaker", [0, 1])
def test_face_whose_sound_is_heard_is_told_from_another_that_moves(two, speaker):
    faces, samples = two
    heard = mel(samples[speaker])
    speaks = compare_faces(faces[speaker], [faces[1 - speaker]], heard)
    listens = compare_faces(faces[1 - speaker], [faces[speaker]], heard)
    assert speaks.margin > DECIDED
    assert speaks.undecided_share == 0.0
    assert listens.margin == pytest.approx(-speaks.margin)
    assert listens.undecided_share == 1.0


def test_sound_that_changes_hands_is_cut_where_it_does(two):
    faces, samples = two
    frames = len(faces[0].usable_T)
    half = frames // 2
    taken = np.concatenate([samples[0][: 640 * half], samples[1][640 * half :]])
    first, second = turns(speaking_evidence(faces, mel(taken)), 40)
    assert (first.face, second.face) == (0, 1)
    assert (first.first, second.stop) == (0, frames)
    assert first.stop == second.first == pytest.approx(half, abs=8)


@pytest.mark.parametrize("speaker", [0, 1])
def test_one_speaker_takes_one_turn(two, speaker):
    faces, samples = two
    assert turns(speaking_evidence(faces, mel(samples[speaker])), 40) == [
        SpeakingTurn(speaker, 0, len(faces[0].usable_T))
    ]


def test_nobody_speaks_under_a_sound_of_nobody_in_view(two):
    faces, samples = two
    backwards = mel(samples[0][::-1].copy())
    for own, other in (faces, faces[::-1]):
        assert compare_faces(own, [other], backwards).undecided_share == 1.0


def test_mouth_that_stands_still_does_not_speak(two):
    faces, samples = two
    still = SeenFace(np.repeat(faces[1].points_TPXY[:1], len(faces[1].usable_T), axis=0), faces[1].usable_T)
    stands = compare_faces(faces[0], [still], mel(samples[0]))
    assert stands.undecided_share == 0.0
    assert compare_faces(still, [faces[0]], mel(samples[0])).undecided_share == 1.0


def test_face_seen_too_shortly_to_be_measured_is_undecided(two):
    faces, samples = two
    seen = np.arange(len(faces[1].usable_T)) < 39
    comparison = compare_faces(faces[0], [SeenFace(faces[1].points_TPXY, seen)], mel(samples[0]))
    assert comparison.margin is None
    assert comparison.undecided_share == pytest.approx(39 / len(seen))
    assert compare_faces(faces[0], [], mel(samples[0])).undecided_share == 0.0


def test_short_turns_go_to_their_neighbours():
    evidence = np.zeros((2, 200))
    evidence[0, :90], evidence[1, 90:110], evidence[0, 110:] = 1.0, 3.0, 1.0
    assert len(turns(evidence, 10)) == 3
    assert turns(evidence, 40) == [SpeakingTurn(0, 0, 200)]
