"""Frechet distance between two sets of features: how far apart two Gaussians that fit them are.

Over other features than Inception's it is no FID. With a few hundred samples it ranks coarsely: it is biased upward,
the more the fewer there are.

Shape suffix legend: N = samples, D = values of a feature.
"""

import numpy as np

from model.features.arrays import Floats


def frechet_distance(made_ND: Floats, true_ND: Floats) -> float:
    """Compute |mean - mean|^2 + trace(S + S' - 2 sqrt(S S')); arXiv 1706.08500.

    Raises: ValueError - fewer than two samples, or features of different lengths.
    """
    if min(len(made_ND), len(true_ND)) < 2 or made_ND.shape[1] != true_ND.shape[1]:
        raise ValueError(f"two sets of at least two samples are needed, got {made_ND.shape} and {true_ND.shape}")
    made, true = np.asarray(made_ND, np.float64), np.asarray(true_ND, np.float64)
    spread, spread_true = (np.atleast_2d(np.cov(one, rowvar=False)) for one in (made, true))
    apart = float(np.square(made.mean(axis=0) - true.mean(axis=0)).sum())
    return max(0.0, apart + float(np.trace(spread + spread_true)) - 2 * _root_trace(spread, spread_true))


def _root_trace(one_DD: Floats, other_DD: Floats) -> float:
    """Compute trace(sqrt(S S')). With S = A A', S S' has the eigenvalues of A' S' A, which is symmetric: ten times as
    quick as a root of the product, and never complex.
    """
    values, vectors = np.linalg.eigh(one_DD)
    half = vectors * np.sqrt(np.clip(values, 0, None))
    return float(np.sqrt(np.clip(np.linalg.eigvalsh(half.T @ other_DD @ half), 0, None)).sum())
