"""The face that is dubbed: of a conversation on one screen, whoever speaks."""

from dataclasses import replace

import numpy as np
import pytest

from heterodub.model.dubbing.faces import nth_face, strength
from heterodub.schemas.config.settings import ClipSettings
from heterodub.tasks.dubbing.face_tracking import follow
from heterodub.tasks.dubbing.passes import PassMonitor
from heterodub.tasks.dubbing.speaker_choice import speaking_faces
from heterodub.tasks.media.canvas import Canvas
from heterodub.tasks.media.source_video import SourceVideo
from tests.tasks.conversation import conversation
from tests.tasks.media.media_files import regular, tone, write_media


@pytest.fixture(scope="module")
def followed(commons, tested_demo, backend, settings):
    """The faces of the conversation, its film, and the frame of the turn."""
    path, turn = conversation(commons, tested_demo)
    film = SourceVideo.open(path, settings.limits)
    return follow(film, Canvas(film.look()), backend, ClipSettings(), 10, PassMonitor()), path, turn


def side(track) -> str:
    """Half of the picture in which a face is."""
    return "left" if np.median(track.points_TPXY[..., 0]) < 200 else "right"


def test_dub_follows_the_face_that_speaks(followed, settings):
    faces, path, turn = followed
    assert len(faces.tracks) == 2
    chosen = speaking_faces(faces, path, settings.limits)
    left, right = chosen.tracks
    assert (side(left), side(right)) == ("left", "right")
    assert (left.first, right.stop) == (0, len(faces.ticks_S))
    assert left.stop == right.first == pytest.approx(turn, abs=8)
    assert chosen.notes == ()


def test_dub_fades_where_the_turn_goes_to_another_face(followed, settings):
    faces, path, _ = followed
    left, right = (strength(track, 50.0, 3) for track in speaking_faces(faces, path, settings.limits).tracks)
    assert (left[0], left[-1], right[0], right[-1]) == (1.0, 0.25, 0.25, 1.0)


def without_decoder(path):
    """A film whose sound is of an unknown codec."""
    write_media(path, regular(3), tone(0.2, 16_000))
    path.write_bytes(path.read_bytes().replace(b"mp4a", b"zz9a").replace(b"esds", b"zzzz"))
    return path


@pytest.mark.parametrize(
    ("made", "words"),
    [(lambda path: write_media(path, regular(3)), "no sound in it"), (without_decoder, "no decoder for its sound")],
)
def test_largest_face_is_dubbed_where_no_sound_says_who_speaks(followed, settings, tmp_path, made, words):
    faces, _, _ = followed
    chosen = speaking_faces(faces, made(tmp_path / "film.mp4"), settings.limits)
    assert chosen.tracks == nth_face(faces.tracks, 1)
    (note,) = chosen.notes
    assert words in note


def test_largest_face_is_dubbed_under_a_voice_of_nobody_in_view(followed, settings, speech):
    faces, _, _ = followed
    chosen = speaking_faces(faces, speech, settings.limits)
    assert {side(track) for track in chosen.tracks} == {side(track) for track in nth_face(faces.tracks, 1)}
    assert any("not clear which face speaks" in note for note in chosen.notes)


def test_single_faces_are_dubbed_whoever_speaks(followed, settings):
    faces, path, _ = followed
    alone = replace(faces, tracks=faces.tracks[1:])
    chosen = speaking_faces(alone, path.with_name("there is none"), settings.limits)
    assert (chosen.tracks, chosen.notes) == (alone.tracks, ())
