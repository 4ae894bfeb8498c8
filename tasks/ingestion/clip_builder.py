"""Cutting of footage into clips while it is decoded: shots x people, each within the length limits.

A track is cut where a gradual transition or another person shows in it, and what lies between is dropped. Both are
known a little later, so a clip is handed on when they are. Nothing but landmarks and face crops of the clip that is
being filled and of those that wait is held: memory does not grow with the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Rgb
from heterodub.model.features.landmarks import box as box_of
from heterodub.model.features.landmarks import bridged
from heterodub.model.features.timing import frame_to_second, seconds_to_frames
from heterodub.schemas.config.settings import ClipSettings
from heterodub.schemas.contract import LANDMARK_POINTS
from heterodub.tasks.faces.breaks import Frames, between, breaks
from heterodub.tasks.faces.occlusion import mouth_occluded
from heterodub.tasks.faces.patches import FacePatches
from heterodub.tasks.faces.tracker import FaceObservation
from heterodub.tasks.faces.window import Window, next_window, scale_square, square_of
from heterodub.tasks.media.transitions import LOOK_AHEAD_S, TransitionFinder
from heterodub.tasks.quality.measure import FaceTrack, OtherFace
from heterodub.tasks.quality.picture import FacePicture, measure_face

MEASURE_EVERY_FRAMES = 5
"""Detail, colour and exposure are measured on every fifth frame: they change slowly, and cost a mesh run each."""

_COMPARABLE = 0.5
"""Another face counts when it is at least this share of this face's height."""


_MOST_HELD = 1.25
"""Side of a square over its crop's, up to which it is held as it is: scaling costs more than all else that a frame of
a small film does beside the landmarks, and many clips are refused.
"""


@dataclass(frozen=True, slots=True, eq=False)
class FrameContext:
    """Facts shared by all faces of one frame."""

    index: int
    rgb: Rgb
    shot: int
    """Frame at which its shot begins, or the section in which the shot goes on."""
    is_new: bool
    """Not a repeat of the picture before."""
    is_still: bool
    """A new source picture that nevertheless equals the one before."""
    grey: NDArray[np.uint8]
    """The whole picture, small."""
    is_combed: bool = False
    """Still shows two moments, after whatever was done against it."""


@dataclass(slots=True, eq=False)
class DraftFrame:
    """One frame of a draft."""

    face: FaceObservation
    square: Rgb
    """Pixels of the box, scaled to `crop_px` already where that is far smaller."""
    crop_px: int
    box: Window
    others: tuple[FaceObservation, ...]
    """Other faces of comparable size."""
    is_new: bool
    is_still: bool
    is_combed: bool
    grey: NDArray[np.uint8]
    look: FacePicture | None
    """Picture measures, every MEASURE_EVERY_FRAMES."""
    is_occluded: bool = False
    """Something lies over the mouth; known when the track, or a clip's length of it, is over."""

    @property
    def crop(self) -> Rgb:
        """(crop_px, crop_px, 3): the crop that is stored; made anew each time."""
        return scale_square(self.square, self.crop_px)


@dataclass(slots=True)
class Draft:
    """A clip that is being filled, then cut off and measured."""

    shot: int
    track: int
    start_frame: int
    width: int
    height: int
    crop_px: int = 0
    content: list[DraftFrame] = field(default_factory=list)
    patches: FacePatches = field(default_factory=FacePatches)
    earlier: FacePatches | None = None
    """Patches of the same face in the clip before, if it goes on from there."""

    @property
    def frames(self) -> int:
        """Length at 25 fps."""
        return len(self.content)

    def split(self, at: int) -> "Draft":
        """Cut the draft after `at` frames and return the rest as a new draft."""
        rest = replace(self, start_frame=self.start_frame + at, content=self.content[at:], earlier=None)
        del self.content[at:]
        rest.patches, self.patches = self.patches.between(at, at + rest.frames), self.patches.between(0, at)
        return rest

    def face_track(self) -> FaceTrack:
        """Return the face of the clip as arrays; where it was lost, its points are bridged."""
        faces = [frame.face for frame in self.content]
        tracked = np.array([face.tracked for face in faces])
        return FaceTrack(
            points=bridged(np.stack([face.points for face in faces]).astype(np.float32), tracked),
            tracked=tracked,
            score=np.array([face.score for face in faces], np.float32),
            angles=np.array([(face.yaw, face.pitch, face.roll) for face in faces], np.float32),
            others=self.others(),
            is_new=np.array([frame.is_new for frame in self.content]),
            is_still=np.array([frame.is_still for frame in self.content]),
            is_combed=np.array([frame.is_combed for frame in self.content]),
            occluded=np.array([frame.is_occluded for frame in self.content]),
            looks=tuple(frame.look for frame in self.content if frame.look is not None),
        )

    def others(self) -> tuple[OtherFace, ...]:
        """Return the other faces of comparable size, by track; their points are bridged, too."""
        numbers = sorted({other.track for frame in self.content for other in frame.others})
        return tuple(self._other(number) for number in numbers)

    def _other(self, track: int) -> OtherFace:
        seen = [next((other for other in frame.others if other.track == track), None) for frame in self.content]
        present = np.array([other is not None for other in seen])
        points = np.zeros((self.frames, LANDMARK_POINTS, 2), np.float32)
        points[present] = [other.points for other in seen if other is not None]
        return OtherFace(bridged(points, present), present)

    def drop_lost_tail(self) -> None:
        """Take off the last frames in which the face was no longer tracked."""
        keep = max((number + 1 for number, frame in enumerate(self.content) if frame.face.tracked), default=0)
        if keep < self.frames:
            self.split(keep)


class ClipBuilder:
    """Collects frames into drafts, and yields a draft as soon as it is complete.

    transitions: is shown each frame before this is; without one, only tracks and cuts end clips.
    """

    def __init__(self, clips: ClipSettings, transitions: TransitionFinder | None = None) -> None:
        self._clips = clips
        self._least = seconds_to_frames(clips.min_s)
        self._most = seconds_to_frames(clips.max_s)
        self._ahead = max(self._least, seconds_to_frames(LOOK_AHEAD_S) + 1)
        self._transitions = transitions
        self._open: dict[int, Draft] = {}
        self._ended: list[Draft] = []
        self.dropped_frames = 0
        """Frames of face tracks that ended before they were long enough to be a clip, or show two shots or people."""

    def add(self, picture: FrameContext, faces: list[FaceObservation]) -> Iterator[Draft]:
        """Add one frame with its faces; yield the drafts that this completes."""
        present = {face.track for face in faces}
        gone = [track for track, draft in self._open.items() if track not in present or draft.shot != picture.shot]
        self._ended += [self._open.pop(track) for track in gone]
        for face in faces:
            draft = self._open.get(face.track)
            if draft is None:
                height, width = picture.rgb.shape[:2]
                draft = self._open[face.track] = Draft(picture.shot, face.track, picture.index, width, height)
            self._append(draft, picture, face, faces)
            if draft.frames >= self._most + self._ahead:
                yield from self._overflow(draft)
        yield from self._release()

    @property
    def is_empty(self) -> bool:
        """True if no face is followed, and no draft waits to be handed on."""
        return not (self._open or self._ended)

    def end(self) -> Iterator[Draft]:
        """End the footage; yield what is still open."""
        self._ended += self._open.values()
        self._open.clear()
        yield from self._release(everything=True)

    def _overflow(self, draft: Draft) -> Iterator[Draft]:
        """Split the first clip off a draft that is longer than one, and go on with the rest."""
        first, stop = next(iter(self._breaks(draft)), (self._most, self._most))
        if first >= self._most:
            first = stop = self._most
        broken = draft.split(first)
        rest = self._open[draft.track] = broken.split(stop - first)
        rest.earlier = draft.patches if first == stop else None
        self.dropped_frames += broken.frames
        yield from self._end(draft)

    def _release(self, everything: bool = False) -> Iterator[Draft]:
        """Yield the ended drafts whose transitions are known."""
        decided = float("inf") if everything or self._transitions is None else self._transitions.decided
        waiting = [draft for draft in self._ended if draft.start_frame + draft.frames > decided]
        ready = [draft for draft in self._ended if draft.start_frame + draft.frames <= decided]
        self._ended = waiting
        for draft in ready:
            yield from self._end(draft)

    def _breaks(self, draft: Draft) -> list[Frames]:
        transitions = self._transitions.found if self._transitions is not None else []
        return breaks(draft.patches, draft.start_frame, draft.frames, transitions)

    def _end(self, draft: Draft) -> Iterator[Draft]:
        """End a track; yield the clips that it holds."""
        for piece in self._pieces(draft):
            piece.drop_lost_tail()
            if piece.frames < self._least:
                self.dropped_frames += piece.frames
                continue
            for number in np.flatnonzero(mouth_occluded(piece.patches, piece.frames, piece.earlier)):
                piece.content[number].is_occluded = True
            if self._transitions is not None:
                piece.shot = max(piece.shot, self._transitions.shot_start(piece.start_frame))
            while piece.frames >= self._most + self._least:
                rest = piece.split(self._most)
                yield piece
                piece = rest
            if piece.frames > self._most:  # a little over the limit: two halves rather than a full clip and a scrap
                rest = piece.split(piece.frames // 2)
                yield piece
                piece = rest
            yield piece

    def _pieces(self, draft: Draft) -> Iterator[Draft]:
        """Split a draft into the parts that show one person in one shot."""
        rest, consumed = draft, 0
        for first, stop in between(self._breaks(draft), draft.frames):
            piece = rest.split(first - consumed)
            piece.earlier = draft.earlier if first == 0 else None
            self.dropped_frames += rest.frames
            rest, consumed = piece.split(stop - first), stop
            yield piece
        self.dropped_frames += rest.frames

    def _append(self, draft: Draft, picture: FrameContext, face: FaceObservation, faces: list[FaceObservation]) -> None:
        left, top, right, bottom = box_of(face.points).tolist()
        last = draft.content[-1].box if draft.content else None
        window = next_window(last, (left, top, right, bottom), self._clips.crop_margin)
        if not draft.crop_px:
            draft.crop_px = max(16, min(self._clips.crop_px, window[2] // 16 * 16))
        look = None
        if draft.frames % MEASURE_EVERY_FRAMES == 0:
            look = measure_face(picture.rgb, (int(left), int(top), int(right), int(bottom)))
        if picture.is_new:
            draft.patches.add(draft.frames, frame_to_second(picture.index), picture.rgb, face)
        square, others = _held(picture.rgb, window, draft.crop_px), _comparable(face, faces)
        draft.content.append(
            DraftFrame(
                face, square, draft.crop_px, window, others, picture.is_new, picture.is_still, picture.is_combed,
                picture.grey, look,
            )
        )  # fmt: skip


def _held(rgb: Rgb, window: Window, crop_px: int) -> Rgb:
    square = square_of(rgb, window)
    return scale_square(square, crop_px) if len(square) > _MOST_HELD * crop_px else square.copy()


def _comparable(face: FaceObservation, faces: list[FaceObservation]) -> tuple[FaceObservation, ...]:
    if len(faces) == 1:
        return ()
    least = _COMPARABLE * np.ptp(face.points[:, 1])
    others = (other for other in faces if other.track != face.track and other.tracked)
    return tuple(other for other in others if np.ptp(other.points[:, 1]) >= least)
