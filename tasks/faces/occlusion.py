"""Detection of a hand, a microphone or a mask over the mouth of a followed face.

A mesh draws lips on whatever is there, and its score stays 1. No network is used: small pictures of the face
(heterodub.tasks.faces.patches) are compared with each other, and with the face's own skin.

*Unlike the track*: in colours and in fine structure the lower face is far from most of those patches that are typical
of the track. Speech, turns of the head and light are no cover: a difference counts less where the mesh saw the mouth
opened otherwise or the head turned, colours are relative to the upper face's, and part of what changes in the upper
face is taken off.

*Unlike the skin*: most of the lower face has a hue that nothing in the upper face has. Beards have not, masks have, so
this is seen in single patches.

Weights and limits were set on real footage with covers drawn into it; docs/policy.md has the figures, those of other
speakers too, and what is not seen.

Shape suffix legend: N = patches, H = lower and upper half of the face, B = blocks of a half, C = colour channels, D =
directions of a gradient.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Floats
from heterodub.tasks.faces.patches import FacePatch, FacePatches, rows_and_columns

_FACE: Final = rows_and_columns(-0.7, -0.6, 0.7, 1.6)
"""Brows to chin, with a pixel more on all sides: 22 rows, 14 columns."""

_UPPER: Final = slice(0, 9)
_LOWER: Final = slice(11, 20)
"""Rows of the face from the brows to the nose, and from below the nose to the chin."""

_BLOCK_PX: Final = 3
"""Side of the blocks that are compared, about the width of two fingers."""

_STRETCH_S: Final = 12.0
"""A longer track is scored in stretches of this length, each beside the one before: over minutes, places change."""

_LEAST_PATCHES: Final = 6
"""Of fewer, none is typical."""

_TYPICAL: Final = 0.5
"""Share of the patches that is typical: those nearest to all others."""

_ALIKE: Final = 0.4
"""Share of the typical patches that a patch must be like."""

_STRUCTURE: Final = 0.8
_UPPER_CHANGE: Final = 0.2
"""Weights of structure beside colour, and of what changes in the upper face."""

_TURN_DEG: Final = 15.0
_OPENING: Final = 0.2
"""Turn of the head, and opening of the mouth over the distance between the eyes, that halve a difference."""

_UNLIKE_TRACK: Final = 0.28
_UNLIKE_SKIN: Final = 0.22
"""Differences, in natural logarithms, from which on something lies over the mouth."""

_LASTING_S: Final = 0.5
"""A cover shows in two patches running, no further apart than this: a mouth opened wide for a moment is none."""

_LEVEL: Final = 128.0
"""Luma to which the upper face is brought: a lamp that is turned down changes nothing."""

_DARK: Final = 12.0
_FLAT: Final = 1.5
"""Levels added to colours and to gradients before their logarithm is taken: noise weighs little where little is."""

_LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _OcclusionFeatures:
    """Patches in numbers: log colours relative to the upper face, log gradients, distance of the lower face's hue from
    any in the upper face; yaw, pitch and mouth opening in units that halve a difference.
    """

    colours_NHBC: Floats
    structure_NHBD: Floats
    hue_N: Floats
    state_N3: Floats

    @classmethod
    def of(cls, patches: Sequence[FacePatch]) -> Self:
        """One patch or more."""
        rgb = np.stack([patch.rgb[_FACE] for patch in patches]).astype(np.float32)
        skin = np.median((rgb[:, 1:-1, 1:-1] @ _LUMA)[:, _UPPER], axis=(1, 2))
        rgb *= (_LEVEL / (skin + _DARK))[:, None, None, None]
        colours = np.log(rgb[:, 1:-1, 1:-1] + _DARK)
        colours -= np.median(colours[:, _UPPER], axis=(1, 2), keepdims=True)
        gradients = _gradients(rgb @ _LUMA)
        colours_NHBC = np.stack([_blocks(colours[:, half]) for half in (_LOWER, _UPPER)], axis=1)
        structure_NHBD = np.log(np.stack([_blocks(gradients[:, half]) for half in (_LOWER, _UPPER)], axis=1) + _FLAT)
        hues = colours_NHBC[..., [0, 2]] - colours_NHBC[..., [1]]
        hue_NB = np.linalg.norm(hues[:, 0, :, None] - hues[:, 1, None], axis=-1).min(axis=-1)
        angles, openings = np.array([patch.angles for patch in patches]), np.array([patch.opening for patch in patches])
        state = np.column_stack([angles / _TURN_DEG, openings / _OPENING])
        return cls(colours_NHBC, structure_NHBD, np.median(hue_NB, axis=1), state)


def mouth_occluded(track: FacePatches, frames: int, earlier: FacePatches | None = None) -> NDArray[np.bool_]:
    """Frames (T,) of a track of that length in which something lies over the mouth, with those in which it comes or
    goes: up to the next patch without it.

    earlier: patches of the same face just before the track, to compare with.
    """
    occluded = np.zeros(frames, bool)
    covered = _lasting(
        _scores(earlier or FacePatches(), track) >= 1, np.array([patch.time_s for patch in track.patches])
    )
    borders = np.array([-1, *(patch.frame for patch in track.patches), frames])
    for at in np.flatnonzero(covered):
        occluded[borders[at] + 1 : borders[at + 2]] = True
    return occluded


def _scores(earlier: FacePatches, track: FacePatches) -> NDArray[np.float64]:
    """Score of a cover over the mouth in each patch of the track (N,); 1 and more is a cover."""
    patches, start = [*earlier.patches, *track.patches], len(earlier.patches)
    scores, before = np.zeros(len(patches)), 0
    times = np.array([patch.time_s for patch in patches])
    while start < len(patches):
        stop = int(np.searchsorted(times, times[start] + _STRETCH_S))
        seen = _OcclusionFeatures.of(patches[before:stop])  # not all at once: of an hour it would be half a gigabyte
        scores[start:stop] = seen.hue_N[start - before :] / _UNLIKE_SKIN
        if stop - before >= _LEAST_PATCHES:
            unlike = _unlike_typical(seen)[start - before :] / _UNLIKE_TRACK
            scores[start:stop] = np.maximum(scores[start:stop], unlike)
        before, start = start, stop
    return scores[len(earlier.patches) :]


def _unlike_typical(seen: _OcclusionFeatures) -> NDArray[np.float64]:
    """Distance of each patch from the typical ones (N,). What is unlike the skin is not typical, unless all is."""
    apart_NN = _apart(seen)
    middle_N = np.median(apart_NN, axis=1)
    like_skin = seen.hue_N < _UNLIKE_SKIN
    if like_skin.sum() < _LEAST_PATCHES:
        like_skin[:] = True
    typical = like_skin & (middle_N <= np.quantile(middle_N[like_skin], _TYPICAL))
    return np.asarray(np.quantile(apart_NN[:, typical], _ALIKE, axis=1))


def _apart(seen: _OcclusionFeatures) -> NDArray[np.float64]:
    """Difference of the lower face between any two patches (N, N), less what speech, turning and light explain."""
    lower_NN, upper_NN = (
        _differences(seen.colours_NHBC[:, half]) + _STRUCTURE * _differences(seen.structure_NHBD[:, half])
        for half in (0, 1)
    )
    state_NN3 = np.abs(seen.state_N3[:, None] - seen.state_N3[None])
    explained_NN = 1 + state_NN3[..., :2].max(axis=-1) + state_NN3[..., 2]
    return np.asarray((lower_NN - _UPPER_CHANGE * upper_NN) / explained_NN, np.float64)


def _differences(values_NBC: Floats) -> Floats:
    """Difference between any two patches, (N, N): root mean square over channels, mean over blocks."""
    apart_NN = np.zeros((len(values_NBC), len(values_NBC)))
    for values_NC in values_NBC.astype(np.float64).swapaxes(0, 1):
        squares_N = (values_NC**2).sum(axis=-1)
        apart_NN += np.sqrt(np.maximum(squares_N[:, None] + squares_N - 2 * values_NC @ values_NC.T, 0))
    return np.asarray(apart_NN / (values_NBC.shape[1] * np.sqrt(values_NBC.shape[2])))


def _lasting(covered_N: NDArray[np.bool_], times_N: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Keep the covers that the patch before or after shows, too."""
    both = covered_N[1:] & covered_N[:-1] & (np.diff(times_N) <= _LASTING_S)
    return np.asarray(np.append(both, False) | np.append(False, both), np.bool_)


def _gradients(luma_NYX: Floats) -> Floats:
    """Strength of Sobel's gradients along x and y (N, Y - 2, X - 2, D), levels a pixel."""
    smooth_rows = luma_NYX[:, :-2] + 2 * luma_NYX[:, 1:-1] + luma_NYX[:, 2:]
    smooth_columns = luma_NYX[..., :-2] + 2 * luma_NYX[..., 1:-1] + luma_NYX[..., 2:]
    along_x, along_y = smooth_rows[..., 2:] - smooth_rows[..., :-2], smooth_columns[:, 2:] - smooth_columns[:, :-2]
    return np.abs(np.stack([along_x, along_y], axis=-1)) / 8


def _blocks(values_NYXC: Floats) -> Floats:
    """Means over the blocks of half a face: (N, Y, X, C) -> (N, B, C)."""
    patches, height, width, channels = values_NYXC.shape
    shape = (patches, height // _BLOCK_PX, _BLOCK_PX, width // _BLOCK_PX, _BLOCK_PX, channels)
    return np.asarray(values_NYXC.reshape(shape).mean(axis=(2, 4)).reshape(patches, -1, channels))
