"""Choice of the dubbed face: every shot's tracks, ranked by size.

Shape suffix legend: T = source pictures of a track, P = 216 points, XY = 2 coordinates in pixels as displayed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.landmarks import bridged, mouth_opening


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One face in consecutive pictures of one shot.

    first: number of its first source picture. points_TPXY: (T, 216, 2). tracked_T: false where it was lost for a
    moment. occluded_T: true where something lies over the mouth. yaw_T: degrees. begins_within, ends_within: the face
    was on screen before its first, after its last picture.
    """

    shot: int
    first: int
    points_TPXY: NDArray[np.float32]
    tracked_T: NDArray[np.bool_]
    occluded_T: NDArray[np.bool_]
    yaw_T: NDArray[np.float32]
    begins_within: bool = False
    ends_within: bool = False

    @property
    def stop(self) -> int:
        """One past its last source picture."""
        return self.first + len(self.points_TPXY)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Flags of pictures with a visible mouth (T,): the face is tracked and nothing covers the mouth."""
        return self.tracked_T & ~self.occluded_T

    @property
    def height_px(self) -> float:
        """Median height of the face."""
        return float(np.median(np.ptp(self.points_TPXY[..., 1], axis=1)))

    def without_lost_tail(self) -> "Track":
        """Return the track up to the last picture in which it was seen; lost pictures between are filled in."""
        length = int(np.flatnonzero(self.tracked_T)[-1]) + 1 if self.tracked_T.any() else 0
        points = np.ascontiguousarray(bridged(self.points_TPXY[:length], self.tracked_T[:length]))
        rest = self.tracked_T[:length], self.occluded_T[:length], self.yaw_T[:length]
        return Track(self.shot, self.first, points, *rest, self.begins_within, self.ends_within)

    def between(self, first: int, stop: int) -> "Track":
        """Return what the track shows from one source picture to before another, both within it."""
        part = slice(first - self.first, stop - self.first)
        arrays = self.points_TPXY[part], self.tracked_T[part], self.occluded_T[part], self.yaw_T[part]
        begins, ends = self.begins_within or first > self.first, self.ends_within or stop < self.stop
        return Track(self.shot, first, *arrays, begins, ends).without_lost_tail()


def nth_face(tracks: Sequence[Track], number: int) -> list[Track]:
    """Return the tracks of the largest face (number 1), the next largest (2), ... of every shot, by time.

    A face that is lost for long comes back as another track, so tracks of one shot that do not overlap in time share a
    number: the largest takes number 1, then each, by size, the lowest number that is free at its time.
    """
    selected = []
    for shot in sorted({track.shot for track in tracks}):
        ranks: list[list[Track]] = []
        for track in sorted(
            (candidate for candidate in tracks if candidate.shot == shot),
            key=lambda candidate: (-candidate.height_px, candidate.first),
        ):
            free = next((rank for rank in ranks if not any(_overlap(track, other) for other in rank)), None)
            if free is None:
                ranks.append([track])
            else:
                free.append(track)
        if len(ranks) >= number:
            selected += ranks[number - 1]
    return sorted(selected, key=lambda track: track.first)


def _overlap(track: Track, other: Track) -> bool:
    return track.first < other.stop and other.first < track.stop


def strength(track: Track, max_yaw_deg: float, fade_frames: int) -> NDArray[np.float32]:
    """Return the opacity of the dubbing in each picture of a track, 0..1: (T,).

    It is 0 where the face is lost, its mouth covered, or turned too far, since the points are unreliable there; and it
    fades towards such pictures, so that the mouth does not jump. It does not fade at the ends of the track, where a
    shot may be cut.
    """
    hidden = ~(track.usable & (np.abs(track.yaw_T) <= max_yaw_deg))
    at = np.arange(len(hidden), dtype=np.float64)
    since = at - np.maximum.accumulate(np.where(hidden, at, -1.0 if track.begins_within else -np.inf))
    end = float(len(hidden)) if track.ends_within else np.inf
    until = np.minimum.accumulate(np.where(hidden, at, end)[::-1])[::-1] - at
    return np.clip(np.minimum(since, until) / (fade_frames + 1), 0.0, 1.0).astype(np.float32)


def reference_pictures(track: Track, count: int) -> NDArray[np.intp]:
    """Select the reference pictures of a track for the translator: indices within the track, at most `count`.

    Spread over mouth openings from the widest to the most closed, since a warp cannot show teeth that no reference
    shows, and over head poses among pictures of similar opening. The mouth is visible in all.

    Raises: ValueError - the mouth is visible in no picture of the track.
    """
    good = np.flatnonzero(track.usable)
    if not len(good):
        raise ValueError("the mouth is visible in no picture of the track")
    order = good[np.argsort(mouth_opening(track.points_TPXY[good]), kind="stable")]
    count = min(count, len(order))
    poses = max(1, round(count**0.5 / 2))
    indices: list[int] = []
    for similar in np.array_split(order, count // poses):
        turned = similar[np.argsort(track.yaw_T[similar], kind="stable")]
        groups = np.array_split(turned, min(poses, len(turned)))
        indices += [group[np.argmin(np.abs(track.yaw_T[group]))] for group in groups]
    return np.sort(np.array(indices, np.intp))
