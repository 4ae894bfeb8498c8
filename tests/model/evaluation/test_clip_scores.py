"""Speakers weigh the same; a score that is not there is no zero; what is paired is paired by speaker."""

import numpy as np
import pytest

from heterodub.model.evaluation.clip_scores import (
    ClipScores,
    by_speaker,
    difference,
    mean_over_speakers,
    over_speakers,
    paired,
)
from heterodub.model.evaluation.frechet import frechet_distance, frechet_over_speakers


def row(speaker: str, error: float | None, clip_id: str = "c") -> ClipScores:
    return ClipScores(clip_id, speaker, "own", {"error": error})


ROWS = [row("a", 0.1), row("a", 0.3, "d"), row("b", 0.6), row("c", None)]


def test_speakers_have_equal_weight_and_none_is_not_zero():
    assert by_speaker(ROWS, "error") == pytest.approx({"a": 0.2, "b": 0.6})
    assert over_speakers(ROWS, "error") == pytest.approx(0.4)
    assert over_speakers([row("c", None)], "error") is None


def test_pairs_need_both_values():
    others = [row("b", 1.0), row("c", 2.0), row("a", 3.0)]
    assert paired(ROWS, others, "error") == (pytest.approx([0.2, 0.6]), [3.0, 1.0])


def features(seed: int, shift: float = 0.0) -> dict[str, list[np.ndarray]]:
    draw = np.random.default_rng(seed)
    return {name: [draw.normal(shift, 1, (40, 3)), draw.normal(shift, 1, (20, 3))] for name in "abcd"}


def test_pooled_score_is_jackknifed_over_speakers():
    made, true = features(0, 1), features(1)
    result = frechet_over_speakers(made, true)
    flat = [np.concatenate([part for parts in one.values() for part in parts]) for one in (made, true)]
    assert result.interval.mean == pytest.approx(frechet_distance(*flat))
    assert set(result.parts) == set("abcd")
    assert result.interval.low < result.interval.mean < result.interval.high
    assert result.interval.clips == 8


def test_differences_are_paired_by_speaker():
    one, other = mean_over_speakers({"a": 1.0, "b": 5.0, "c": 9.0}), mean_over_speakers({"a": 0.5, "b": 4.5, "d": 0.0})
    apart = difference(one, other)
    assert (apart.mean, apart.groups) == (0.5, 2)
    assert (apart.low, apart.high) == (0.5, 0.5)
    far, near = (frechet_over_speakers(features(0, shift), features(1)) for shift in (2, 1))
    gained = difference(far, near)
    assert gained.mean == pytest.approx(far.interval.mean - near.interval.mean)
    assert gained.low > 0


def test_incomparable_scores_are_refused():
    pooled = frechet_over_speakers(features(0), features(1))
    with pytest.raises(ValueError, match="no difference"):
        difference(pooled, mean_over_speakers({"a": 1.0}))
    with pytest.raises(ValueError, match="same speakers"):
        frechet_over_speakers({"a": features(0)["a"]}, features(1))
