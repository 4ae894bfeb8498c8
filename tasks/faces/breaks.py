"""Breaks at which a track must be cut although a face was followed on: a soft cut, or a change of person, which a
tracker of place and size may pass on. The same for clips and for dubbing.

No recognition network: patches of a track (heterodub.tasks.faces.patches) are compared with each other. Of one person,
seconds apart, some pair of patches looks the same; of two, none does, in structure and in colours at once. Both count
in proportion to what the track's own patches differ within a second or two, and only pairs that look the same way are
compared.

Calibrated on 280 tracks of 200 files of real footage, on the one side, and on pairs of tracks of two people, on the
other; docs/policy.md has the figures.

Shape suffix legend: N = patches of a track, F = values that describe a patch, A, B = patches before and after a moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Floats, Rgb
from heterodub.tasks.faces.patches import FacePatches, rows_and_columns
from heterodub.tasks.media.transitions import Transition, local_structure

_HEAD: Final = rows_and_columns(-1.2, -1.1, 1.2, 1.5)
_REGIONS: Final = tuple(
    rows_and_columns(*box) for box in ((-0.6, -0.1, 0.6, 0.6), (-1.0, -1.1, 1.0, -0.6), (-1.2, 1.4, 1.2, 1.9))
)
"""Cheeks and nose; forehead and hair; chin, neck and collar."""

_REACH_S: Final = 2.4
"""Patches this long before and after a moment are compared."""

_GAPS_S: Final = (0.2, 0.6, 1.2)
"""Time between the two, in which the change itself may take place."""

_LEAST_PATCHES: Final = 4
"""On either side of a change, about half a second."""

_SAME_TURN_DEG: Final = 12.0
"""Patches whose yaw and pitch differ by less look the same way."""

_CHANGED: Final = 0.11
_CHANGED_TURNED: Final = 0.3
_CHANGED_UNSEEN: Final = 0.05
"""Score from which on it is another person. The second where no two patches look the same way, as in a quick turn; the
third where the face was out of sight in between, so that only place and size speak for the same one."""

_STILL: Final = 0.02
"""Median difference within a second or two of one who sits still."""

_OWN_POWER: Final = 0.7
"""Share of a track's own differences that is excused. This, the powers and the constants of the score part 24,000
moments of one person (none is called a change) and 4,000 pairs of two (94 % are) best, of those that were tried."""

_NEARLY_BEST: Final = 0.9
"""The shortest gap is taken whose score is this share of the best: a longer one costs footage."""


@dataclass(frozen=True, slots=True, eq=False)
class _PersonFeatures:
    """Features of patches. head_NF: unit vectors, structure of the head. colours_NF: log colours of regions, over mean.
    sights_N: times that the face had come back into sight.
    """

    times_N: NDArray[np.float64]
    sights_N: NDArray[np.int64]
    angles_N2: NDArray[np.float64]
    head_NF: Floats
    colours_NF: Floats

    def __getitem__(self, part: slice) -> "_PersonFeatures":
        return _PersonFeatures(
            self.times_N[part], self.sights_N[part], self.angles_N2[part], self.head_NF[part], self.colours_NF[part]
        )


def person_changes(track: FacePatches) -> list[tuple[int, int]]:
    """Return frames (first, stop) of a track in which one person replaces another, by time: what lies before `first` is
    one person, what lies from `stop` on the next. Numbers as in `track.patches`.
    """
    if len(track.patches) < 2 * _LEAST_PATCHES:
        return []
    changes = _changes(_described(track), 0)
    return [(track.patches[before].frame + 1, track.patches[after].frame) for before, after in changes]


def _changes(seen: _PersonFeatures, offset: int) -> list[tuple[int, int]]:
    """Find the last patch before and the first after each change; the clearest change first, then either side."""
    scores = {pair: score for pair in _moments(seen.times_N) if (score := _score(seen, *pair)) >= 1}
    if not scores:
        return []
    best = max(scores.values())
    clear = [pair for pair, score in scores.items() if score >= _NEARLY_BEST * best]
    before, after = min(clear, key=lambda pair: (seen.times_N[pair[1]] - seen.times_N[pair[0]], -scores[pair]))
    earlier = _changes(seen[: before + 1], offset)
    later = _changes(seen[after:], offset + after)
    return [*earlier, (offset + before, offset + after), *later]


def difference(first: FacePatches, second: FacePatches) -> float | None:
    """Measure how unlike the faces of two sets of patches are, in structure and colours at once; None where either is
    empty.

    As at a moment of one track, but for what a face differs from itself: two shots may be minutes apart.
    """
    if not first.patches or not second.patches:
        return None
    apart, limit = _apart(_described(first), _described(second))
    return apart / (limit or _CHANGED_UNSEEN)


def _moments(times_N: NDArray[np.float64]) -> list[tuple[int, int]]:
    """List the last patch before and the first patch after each moment that is tested for a change."""
    pairs = set()
    for before in range(_LEAST_PATCHES - 1, len(times_N) - _LEAST_PATCHES):
        for gap_s in _GAPS_S:
            after = max(before + 1, int(np.searchsorted(times_N, times_N[before] + gap_s)))
            if after <= len(times_N) - _LEAST_PATCHES:
                pairs.add((before, after))
    return sorted(pairs)


def _score(seen: _PersonFeatures, before: int, after: int) -> float:
    """Score how clearly the patches up to `before` and from `after` on show two people; 1 and more is a change."""
    times = seen.times_N
    earlier = seen[int(np.searchsorted(times, times[before] - _REACH_S)) : before + 1]
    later = seen[after : int(np.searchsorted(times, times[after] + _REACH_S, side="right"))]
    apart, limit = _apart(earlier, later)
    apart /= limit or (_CHANGED if earlier.sights_N[-1] == later.sights_N[0] else _CHANGED_UNSEEN)
    if apart / _STILL**_OWN_POWER < 1:  # as at most moments of most tracks, whatever the track's own differences
        return 0.0
    self_difference = 1 - min(_self_similarity(earlier), _self_similarity(later))
    return float(apart / (self_difference + _STILL) ** _OWN_POWER)


def _apart(earlier: _PersonFeatures, later: _PersonFeatures) -> tuple[float, float | None]:
    """Measure how far apart two sides are at the least, and the limit where no two patches look the same way."""
    turned_AB = np.abs(earlier.angles_N2[:, None] - later.angles_N2[None]).max(axis=-1)
    alike, limit = turned_AB < _SAME_TURN_DEG, None
    if not alike.any():
        alike, limit = turned_AB <= turned_AB.min() + 1, _CHANGED_TURNED
    structure = 1 - (earlier.head_NF @ later.head_NF.T)[alike].max()
    colours_AB = np.sqrt(((earlier.colours_NF[:, None] - later.colours_NF[None]) ** 2).mean(axis=-1))
    return float((structure + 0.03) ** 2 * (colours_AB[alike].min() + 0.04)), limit


def _self_similarity(side: _PersonFeatures) -> float:
    """Similarity of the patches of one side: median correlation."""
    return float(np.median((side.head_NF @ side.head_NF.T)[np.triu_indices(len(side.head_NF), 1)]))


def _described(track: FacePatches) -> _PersonFeatures:
    times, sights, angles = zip(*((patch.time_s, patch.sights, patch.angles) for patch in track.patches), strict=True)
    heads, colours = zip(*(_describe(patch.rgb) for patch in track.patches), strict=True)
    return _PersonFeatures(np.array(times), np.array(sights), np.array(angles), np.stack(heads), np.stack(colours))


def _describe(patch: Rgb) -> tuple[Floats, Floats]:
    """Compute structure without light, and colours without the light's colour and strength."""
    rgb = patch.astype(np.float32)
    head = local_structure(rgb @ np.array([0.299, 0.587, 0.114], np.float32), 4)[_HEAD].ravel()
    head = head - head.mean()
    colours = np.log(np.stack([rgb[region].reshape(-1, 3).mean(axis=0) for region in _REGIONS]) + 8)
    return head / np.sqrt(head @ head + 1e-9), (colours - colours.mean(axis=0)).ravel()


Frames = tuple[int, int]
"""First frame, and the one after the last, counted from the start of a track."""


def breaks(patches: FacePatches, start: int, frames: int, transitions: Sequence[Transition]) -> list[Frames]:
    """List the frames of a track that show two shots or two people, or the change between them; by time.

    start: number of the track's first frame within the film, in which transitions count. frames: length of the track.
    """
    soft = sorted(
        (max(transition.first - start, 0), min(transition.stop - start, frames))
        for transition in transitions
        if transition.first < start + frames and transition.stop > start
    )
    broken = list(soft)
    for begun, end in between(soft, frames):  # a mixed picture looks like both people
        broken += [(begun + first, begun + stop) for first, stop in person_changes(patches.between(begun, end))]
    return sorted(broken)


def between(broken: Sequence[Frames], frames: int) -> list[Frames]:
    """List what is left of a track of that length: each part shows one person in one shot."""
    left, at = [], 0
    for first, stop in [*broken, (frames, frames)]:
        if first > at:
            left.append((at, first))
        at = max(at, stop)
    return left
