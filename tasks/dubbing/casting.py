"""Casting: which face of a film is whose, in each shot of a turn.

A place ties a face to a person where it is unequivocal: left and right only where two faces or more are seen at once, a
point where it lies within a face. In other shots of the person's turns the face that looks like the person's own is
theirs, and none is where none does: a shot of the listener stays as filmed. No recognition network: patches are
compared (heterodub.tasks.faces.breaks).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.dubbing.faces import Track, nth_face
from heterodub.model.features.landmarks import box
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.tasks.dubbing.dialogue import Dialogue, SpokenTurn
from heterodub.tasks.dubbing.face_tracking import Followed
from heterodub.tasks.dubbing.jobs import pictures_of, readable, uri_of
from heterodub.tasks.dubbing.references import patches_of_picture, read_picture
from heterodub.tasks.dubbing.segments import FaceLine
from heterodub.tasks.dubbing.turns import Place, Turn, place_of, read_turns
from heterodub.tasks.faces.backend import LandmarkBackend
from heterodub.tasks.faces.breaks import difference
from heterodub.tasks.faces.patches import FacePatches
from heterodub.tasks.media.paths import localise

_SAME: Final = 0.15
"""Difference up to which a face of another shot may be a person's: of 1,497 pairs of tracks of two people 0.9 % differ
by less, of 43 pairs of one person in two files 91 % do (real footage, three seconds of each file).
"""

_BESIDE: Final = 0.5
"""Share of the shorter of two tracks that both are seen, from which on one is beside the other."""

_MOST_KNOWN: Final = 48
"""Patches of a person that are compared."""

_ROUNDING_S: Final = 1e-3
"""Lists round times to milliseconds at most."""

_OUTER: Final = 0.4
"""Share of the width in which a face that is seen alone is left, or right, of a person who is nowhere seen beside
another.
"""

_AROUND: Final = 0.25
"""Share of a face's width and height by which a point may lie outside of it."""


def cast(
    turns: Sequence[Turn],
    followed: Followed,
    size: tuple[int, int],
    places: Mapping[str, Place],
    pictures: Mapping[str, FacePatches],
) -> dict[Turn, list[Track]]:
    """Find the faces of the turns: the tracks of each, by time; none where the person is out of the picture.

    turns: of everybody, those who keep their voice, too. size: width and height of the displayed picture. places: of
    people, in the whole film. pictures: patches of people.
    """
    shots = [
        [track for track in followed.tracks if track.shot == shot]
        for shot in sorted({track.shot for track in followed.tracks})
    ]
    owners: dict[Track, str] = {}
    at_turn: dict[Turn, list[Track]] = {}
    for person, place in places.items():
        owners |= {track: person for tracks in shots for track in _at(place, tracks, size)}
    for turn in turns:
        seen = [_seen(tracks, frames_of(turn, followed)) for tracks in shots]
        at_turn[turn] = [track for tracks in seen for track in _at(turn.face, tracks, size)]
        owners |= dict.fromkeys(at_turn[turn], turn.person)
    for turn in (turn for turn in turns if turn.person not in {*owners.values(), *pictures}):
        stated = turn.face or places.get(turn.person)
        seen = [_seen(tracks, frames_of(turn, followed)) for tracks in shots]
        at_turn[turn] = [track for tracks in seen for track in _alone_at(stated, tracks, size)]
    owners |= {track: turn.person for turn, tracks in at_turn.items() for track in tracks}
    known = _known(owners, followed, pictures)
    cast_of: dict[Turn, list[Track]] = {}
    for turn in turns:
        seen_now = _seen(followed.tracks, frames_of(turn, followed))
        there = at_turn[turn]
        own = [track for track in seen_now if owners.get(track) == turn.person]
        certain = [*there, *(track for track in own if not any(_overlap(track, other) for other in there))]
        others = [track for track in seen_now if track not in owners]
        found = _alike(turn.person, others, certain, known, followed) if turn.person in known else []
        cast_of[turn] = sorted({*certain, *found}, key=lambda track: track.first)
    return cast_of


def lines_of(
    job: DubJob, dialogue: Dialogue, followed: Followed, size: tuple[int, int], pictures: Mapping[str, FacePatches]
) -> dict[SpokenTurn, FaceLine]:
    """Return the line of each turn that is dubbed; one without tracks is heard and not seen. size, pictures: see cast.

    Raises: SourceError - see read_turns.
    """
    places = {name: place for name, given in job.people.items() if (place := place_of(given))}
    tracks = cast(read_turns(job), followed, size, places, pictures)
    return {
        spoken: FaceLine(tracks[spoken.turn], spoken, frames_of(spoken.turn, followed)) for spoken in dialogue.turns
    }


def pictures_of_people(
    job: DubJob, backend: LandmarkBackend, settings: Settings, scratch: Path
) -> dict[str, FacePatches]:
    """Patches of the people whom a job names by a picture.

    Raises: SourceError - a picture cannot be read, or shows no face.
    """
    patches = {}
    for person, location in pictures_of(job).items():
        with readable(location), localise(uri_of(location), scratch, settings.limits.web_origins) as path:
            patches[person] = patches_of_picture(read_picture(path, settings.limits.max_pixels), backend, settings)
    return patches


def frames_of(turn: Turn, followed: Followed) -> tuple[int, int]:
    """Pictures of a turn, half open."""
    times = followed.ticks_S * float(followed.base)
    first, stop = np.searchsorted(times, (turn.start_s - _ROUNDING_S, turn.end_s - _ROUNDING_S)).tolist()
    return first, stop


def _seen(tracks: Sequence[Track], frames: tuple[int, int]) -> list[Track]:
    return [track for track in tracks if track.first < frames[1] and frames[0] < track.stop]


def _at(place: Place | None, tracks: Sequence[Track], size: tuple[int, int]) -> list[Track]:
    """List the tracks of a shot that are unequivocally at a place."""
    if place is None:
        return []
    if place.kind == "rank":
        return nth_face(tracks, place.rank)
    if place.kind == "point":
        point = np.array([place.x * size[0], place.y * size[1]])
        there = [track for track in tracks if _holds(track, point)]
        return _one_at_a_time(there, lambda track: float(np.abs(_centre(track) - point).sum()))
    leftward = 1 if place.kind == "left" else -1
    at = {track: leftward * float(_centre(track)[0]) for track in tracks}
    beside = {track: [other for other in tracks if other is not track and _overlap(track, other)] for track in tracks}
    return [track for track in tracks if beside[track] and all(at[track] < at[other] for other in beside[track])]


def _alone_at(place: Place | None, tracks: Sequence[Track], size: tuple[int, int]) -> list[Track]:
    """List the tracks of a shot that are seen alone, left or right."""
    if place is None or place.kind not in ("left", "right"):
        return []
    alone = [track for track in tracks if not any(other is not track and _overlap(track, other) for other in tracks)]
    across = {track: float(_centre(track)[0]) / size[0] for track in alone}
    return [track for track in alone if (across[track] if place.kind == "left" else 1 - across[track]) < _OUTER]


def _known(
    owners: Mapping[Track, str], followed: Followed, pictures: Mapping[str, FacePatches]
) -> dict[str, FacePatches]:
    """Patches of each person of whom something is known."""
    known = {person: list(patches.patches) for person, patches in pictures.items()}
    for track, person in owners.items():
        known.setdefault(person, []).extend(followed.patches[track].patches)
    return {person: FacePatches(patches).thinned(_MOST_KNOWN) for person, patches in known.items() if patches}


def _alike(
    person: str,
    tracks: Sequence[Track],
    certain: Sequence[Track],
    known: Mapping[str, FacePatches],
    followed: Followed,
) -> list[Track]:
    """List the tracks that look like a person, and like nobody else as much; none beside one that is certain."""
    differences: dict[Track, float] = {}
    for track in tracks:
        if any(_overlap(track, other) for other in certain):
            continue
        by_person = {name: difference(followed.patches[track], patches) for name, patches in known.items()}
        measured = {name: value for name, value in by_person.items() if value is not None}
        if measured and min(measured, key=measured.__getitem__) == person and measured[person] <= _SAME:
            differences[track] = measured[person]
    return _one_at_a_time(list(differences), differences.__getitem__)


def _one_at_a_time(tracks: Sequence[Track], cost: Callable[[Track], float]) -> list[Track]:
    """List the tracks without those beside which a better one is seen."""
    kept: list[Track] = []
    for track in sorted(tracks, key=cost):
        if not any(_overlap(track, other) for other in kept):
            kept.append(track)
    return kept


def _overlap(track: Track, other: Track) -> bool:
    """Return True if two tracks are seen side by side: for most of the shorter one, since cuts may be blurred."""
    common = min(track.stop, other.stop) - max(track.first, other.first)
    return common > _BESIDE * min(track.stop - track.first, other.stop - other.first)


def _holds(track: Track, point_XY: NDArray[np.float64]) -> bool:
    left, top, right, bottom = np.median(box(track.points_TPXY), axis=0)
    across, along = _AROUND * (right - left), _AROUND * (bottom - top)
    return bool(left - across <= point_XY[0] <= right + across and top - along <= point_XY[1] <= bottom + along)


def _centre(track: Track) -> NDArray[np.float64]:
    left, top, right, bottom = np.median(box(track.points_TPXY), axis=0)
    return np.array([(left + right) / 2, (top + bottom) / 2])
