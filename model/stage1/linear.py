"""Ridge regression from speech to the movement of the lips: the linear control, and the skip path of the generator.

Closed form, and seconds to fit. A trained generator that does not beat it has learned nothing that needs a network.

The targets are the first principal components of the lips' departure from their mean over a clip; each carries along
the movement of the outline that goes with it. How strongly the regression is regularised is chosen by held-out training
speakers, in the same pass, since the error of a linear map follows from second moments alone.

Shape suffix legend: T = frames, C = mel columns (4T + 16), M = 80 mel bands and any senone scores behind them, X =
features of a frame, K = components, Y = 200 coordinates of the predicted points.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Floats
from heterodub.model.features.landmarks import OUTLINE, PREDICTED
from heterodub.model.stage1.features import GeneratorInput
from heterodub.schemas.contract import MEL_BANDS, MEL_COLUMNS_PER_FRAME, MEL_CONTEXT_COLUMNS

COMPONENTS: Final = 5
"""Principal components of the lips that are predicted."""

_POOLED: Final = 4
"""Neighbouring columns that are averaged: the fit costs the cube of their number. On 15 unseen speakers the mouth
opening correlated at 0.403 with four and at 0.407 with two."""

_WINDOW: Final = MEL_CONTEXT_COLUMNS // _POOLED

_FOLDS: Final = 5
"""Parts of the training speakers, of which each is held out once to choose the regularisation."""

_STRENGTHS: Final = tuple(10.0**power for power in np.arange(-3.0, 1.1, 0.5))
"""Regularisations to choose among, in units of a feature's mean variance."""

_LIPS_FROM: Final = 2 * (OUTLINE.stop - OUTLINE.start)
_COORDINATES: Final = 2 * len(PREDICTED)


@dataclass(frozen=True, slots=True)
class LinearMotion:
    """Linear map from a frame's 200 ms of speech to the departure of lips and outline from rest.

    kernel_KMC: (K, M, 20), a correlation along the scaled features in steps of 4 columns. bias_K: (K,). basis_KY:
    movement of the predicted points by component, (K, 200), in units of the face frame.
    """

    kernel_KMC: NDArray[np.float32]
    bias_K: NDArray[np.float32]
    basis_KY: NDArray[np.float32]

    def predict(self, mel_CM: NDArray[np.float32]) -> NDArray[np.float32]:
        """Predict the departure from rest of each frame: (T, 100, 2), face frame.

        mel_CM: scaled, (4T + 16, M or more); the first M count.
        """
        width = self.kernel_KMC.shape[1]
        windows_TMC = np.lib.stride_tricks.sliding_window_view(mel_CM[:, :width], MEL_CONTEXT_COLUMNS, axis=0)
        windows_TX = windows_TMC[::MEL_COLUMNS_PER_FRAME].reshape(-1, width * MEL_CONTEXT_COLUMNS)
        scores_TK = windows_TX @ self.kernel_KMC.reshape(len(self.kernel_KMC), -1).T + self.bias_K
        return np.asarray((scores_TK @ self.basis_KY).reshape(-1, len(PREDICTED), 2), np.float32)


@dataclass(slots=True)
class _Moments:
    """Weighted second moments of features and coordinates over some speakers."""

    xx: NDArray[np.float64]
    xy: NDArray[np.float64]
    yy: NDArray[np.float64]

    @classmethod
    def none(cls, features: int) -> "_Moments":
        shapes = (features, features), (features, _COORDINATES), (_COORDINATES, _COORDINATES)
        return cls(*(np.zeros(shape) for shape in shapes))

    def minus(self, other: "_Moments") -> "_Moments":
        return _Moments(self.xx - other.xx, self.xy - other.xy, self.yy - other.yy)

    def solve(self, basis_YK: Floats, strength: float) -> NDArray[np.float64]:
        """Return the ridge weights (X, K) of the coordinates' projections on a basis."""
        ridge = strength * max(float(np.diagonal(self.xx).mean()), 1e-12)
        return np.asarray(np.linalg.solve(self.xx + ridge * np.eye(len(self.xx)), self.xy @ basis_YK), np.float64)

    def error(self, basis_YK: Floats, weights_XK: Floats) -> float:
        """Return the squared error of a linear map on these speakers."""
        explained = weights_XK.T @ (self.xx @ weights_XK - 2 * self.xy @ basis_YK)
        return float(np.trace(basis_YK.T @ self.yy @ basis_YK) + np.trace(explained))


class LinearMoments:
    """Second moments of speech and lips, accumulated clip by clip; the caller sets the weight of each.

    speech_width: number of speech features that count, from the first.
    """

    def __init__(self, speech_width: int = MEL_BANDS) -> None:
        self._speech_width, features = speech_width, speech_width * _WINDOW
        self._folds = [_Moments.none(features) for _ in range(_FOLDS)]
        self._fold_of: dict[str, int] = {}
        self._mean_X, self._weight = np.zeros(features), 0.0

    def add(self, clip: GeneratorInput, speaker: str, weight: float) -> None:
        """Add a clip's tracked frames, each with a weight; the clip's means are subtracted."""
        x_TX = _features(clip.mel_CM[:, : self._speech_width])[clip.counts_T].astype(np.float64)
        y_TY = clip.target[clip.counts_T].reshape(-1, _COORDINATES).astype(np.float64)
        self._mean_X += weight * x_TX.sum(axis=0)
        self._weight += weight * len(x_TX)
        x_TX -= x_TX.mean(axis=0)
        y_TY -= y_TY.mean(axis=0)
        moments = self._folds[self._fold_of.setdefault(speaker, len(self._fold_of) % _FOLDS)]
        moments.xx += weight * x_TX.T @ x_TX
        moments.xy += weight * x_TX.T @ y_TY
        moments.yy += weight * y_TY.T @ y_TY

    def fit(self) -> LinearMotion:
        """Solve the regression.

        Raises: ValueError - no clip was added.
        """
        if not self._fold_of:
            raise ValueError("a linear map from speech to lips needs at least one clip")
        whole = _Moments(*(sum(getattr(fold, name) for fold in self._folds) for name in ("xx", "xy", "yy")))
        basis_YK = _lip_components(whole.yy)
        weights_XK = whole.solve(basis_YK, self._strength(whole, basis_YK))
        kernel_KMW = weights_XK.T.reshape(-1, self._speech_width, _WINDOW)
        return LinearMotion(
            (np.repeat(kernel_KMW, _POOLED, axis=2) / _POOLED).astype(np.float32),
            (-(self._mean_X / self._weight) @ weights_XK).astype(np.float32),
            _carried(whole.yy, basis_YK).astype(np.float32),
        )

    def _strength(self, whole: _Moments, basis_YK: Floats) -> float:
        """Choose the regularisation with the least error on speakers that were held out; of one speaker, the middle."""
        held = self._folds[: len(self._fold_of)]
        if len(held) < 2:
            return float(_STRENGTHS[len(_STRENGTHS) // 2])
        rests = [whole.minus(fold) for fold in held]
        errors = [
            sum(fold.error(basis_YK, rest.solve(basis_YK, strength)) for fold, rest in zip(held, rests, strict=True))
            for strength in _STRENGTHS
        ]
        return float(_STRENGTHS[int(np.argmin(errors))])


def _features(mel_CM: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each frame's window of averaged columns, flattened: (T, X)."""
    pooled_CM = mel_CM.reshape(-1, _POOLED, mel_CM.shape[1]).mean(axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(pooled_CM, _WINDOW, axis=0)
    frames = windows[:: MEL_COLUMNS_PER_FRAME // _POOLED]
    return frames.reshape(len(frames), -1)


def _lip_components(yy: Floats) -> NDArray[np.float64]:
    """Return the first principal components of the lips, (Y, K), zero on the outline."""
    _, axes = np.linalg.eigh(yy[_LIPS_FROM:, _LIPS_FROM:])
    basis_YK = np.zeros((_COORDINATES, COMPONENTS))
    basis_YK[_LIPS_FROM:] = axes[:, : -COMPONENTS - 1 : -1]
    return basis_YK


def _carried(yy: Floats, basis_YK: Floats) -> NDArray[Any]:
    """Return the movement of all points by component of the lips, (K, Y): the outline's by least squares."""
    spread_KK = basis_YK.T @ yy @ basis_YK
    moved_KY = np.linalg.pinv(spread_KK, rcond=1e-6, hermitian=True) @ basis_YK.T @ yy
    moved_KY[:, _LIPS_FROM:] = basis_YK[_LIPS_FROM:].T
    return np.asarray(moved_KY)
