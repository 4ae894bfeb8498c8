"""Frechet distance between two sets of features: how far apart two Gaussians that fit them are.

Over other features than Inception's it is no FID. With a few hundred samples it ranks coarsely: it is biased upward,
the more the fewer there are.

Shape suffix legend: N = samples, D = values of a feature.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.evaluation.clip_scores import SpeakerScores
from heterodub.model.evaluation.intervals import jackknife_interval

Floats = NDArray[np.floating[Any]]

Features = Mapping[str, Sequence[Floats]]
"""Features (N, D) of each clip's frames, by speaker."""

FRECHET: Final = "frechet"
"""Name of the Frechet distance over EfficientNet-Lite0's fifth stage; no FID."""


def frechet_distance(generated_ND: Floats, true_ND: Floats) -> float:
    """Compute |mean - mean|^2 + trace(S + S' - 2 sqrt(S S')); arXiv 1706.08500.

    Raises: ValueError - fewer than two samples, or features of different lengths.
    """
    if min(len(generated_ND), len(true_ND)) < 2 or generated_ND.shape[1] != true_ND.shape[1]:
        raise ValueError(f"two sets of at least two samples are needed, got {generated_ND.shape} and {true_ND.shape}")
    generated, true = np.asarray(generated_ND, np.float64), np.asarray(true_ND, np.float64)
    spread, spread_true = (np.atleast_2d(np.cov(features, rowvar=False)) for features in (generated, true))
    mean_distance = float(np.square(generated.mean(axis=0) - true.mean(axis=0)).sum())
    return max(0.0, mean_distance + float(np.trace(spread + spread_true)) - 2 * _root_trace(spread, spread_true))


def _root_trace(spread_DD: Floats, true_DD: Floats) -> float:
    """Compute trace(sqrt(S S')). With S = A A', S S' has the eigenvalues of A' S' A, which is symmetric: ten times as
    quick as a root of the product, and never complex.
    """
    values, vectors = np.linalg.eigh(spread_DD)
    half = vectors * np.sqrt(np.clip(values, 0, None))
    return float(np.sqrt(np.clip(np.linalg.eigvalsh(half.T @ true_DD @ half), 0, None)).sum())


def frechet_over_speakers(generated: Features, true: Features) -> SpeakerScores:
    """Return the Frechet distance of generated and true features; its interval leaves out one speaker at a time.

    Raises: ValueError - other speakers, or fewer than two frames.
    """
    if generated.keys() != true.keys():
        raise ValueError("a Frechet distance needs pictures of the same speakers on both sides")
    whole = frechet_distance(_pooled(generated), _pooled(true))
    several = len(generated) > 1
    parts = (
        {name: frechet_distance(_pooled(generated, name), _pooled(true, name)) for name in generated} if several else {}
    )
    return SpeakerScores(
        jackknife_interval(whole, list(parts.values()), sum(map(len, generated.values()))), parts, pooled=True
    )


def _pooled(features: Features, left_out: str | None = None) -> Floats:
    return np.concatenate([part for name, parts in features.items() if name != left_out for part in parts])
