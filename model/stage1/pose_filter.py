"""Linear filter that removes the mouth's own movement from the pose input of the landmark generator.

A mesh fits all its points at once, so brows, lids and nose move a little with the mouth. The leak is small in pixels
and large in effect: a linear map predicts the mouth opening of unseen speakers from it (docs/stage1.md has the figures,
tests/bench/leak.py measures them). A generator that uses it carries the source's old mouth into a dubbed picture.

The filter keeps the directions in which heads really move (principal components), and of these removes the ones that
covary with the mouth, in whitened space. That is one step of iterative null-space projection (Ravfogel et al., "Null It
Out", 2020, https://arxiv.org/abs/2004.07667) with mouth opening and mouth width as the protected variables: no linear
map from the filtered pose to these two does better than chance on the clips it was fitted on.

Shape suffix legend: T = frames, F = 232 pose coordinates, K = components, Y = 2 mouth measures.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.landmarks import POSE, mouth_opening, mouth_width
from heterodub.model.stage1.features import GeneratorInput

COORDINATES: Final = 2 * len(POSE)

_LEAST_SPREAD: Final = 1e-4
"""Components that move less than this share of the largest are noise of the mesh; in a poor release they may be all."""


class PoseMoments:
    """Second moments of pose and mouth, accumulated clip by clip; the caller gives every speaker the same weight."""

    def __init__(self) -> None:
        self._pose_FF = np.zeros((COORDINATES, COORDINATES))
        self._both_FY = np.zeros((COORDINATES, 2))
        self._weight = 0.0

    def add(self, clip: GeneratorInput, weight: float) -> None:
        """Add a clip's tracked frames, each with a weight; the clip's mean is subtracted."""
        points = clip.points_TPXY[clip.counts_T].astype(np.float64)
        pose_TF = clip.pose_TPXY[clip.counts_T].reshape(-1, COORDINATES).astype(np.float64)
        mouth_TY = np.stack([mouth_opening(points), mouth_width(points)], axis=1)
        pose_TF = pose_TF - pose_TF.mean(axis=0)
        mouth_TY = mouth_TY - mouth_TY.mean(axis=0)
        self._pose_FF += weight * pose_TF.T @ pose_TF
        self._both_FY += weight * pose_TF.T @ mouth_TY
        self._weight += weight * len(points)

    def filter(self, components: int) -> NDArray[np.float32]:
        """Compute the filter (232, 232); it multiplies a row of pose coordinates relative to the same person's rest.

        components: largest number of principal components kept, before those that covary with the mouth are removed.

        Raises: ValueError - no clip with movement was counted.
        """
        spread, axes_FF = np.linalg.eigh(self._pose_FF / max(self._weight, 1.0))
        selected = np.argsort(spread)[::-1][:components]
        selected = selected[spread[selected] > _LEAST_SPREAD * spread.max()] if spread.max() > 0 else selected[:0]
        if not len(selected):
            raise ValueError("no head of the training clips moves, so there is no pose to learn from")
        axes_FK, size_K = axes_FF[:, selected], np.sqrt(spread[selected])
        telling_KY = (axes_FK / size_K).T @ self._both_FY
        basis_KY, strength_Y, _ = np.linalg.svd(telling_KY, full_matrices=False)
        basis_KY = basis_KY[:, strength_Y > 1e-9 * max(float(strength_Y.max()), 1e-30)]
        kept_KK = np.eye(len(selected)) - basis_KY @ basis_KY.T
        filtered: NDArray[Any] = (axes_FK / size_K) @ kept_KK @ (axes_FK * size_K).T
        return filtered.astype(np.float32)
