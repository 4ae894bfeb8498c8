"""Agreement by hand, and by the worked example of its author."""

import numpy as np
import pytest

from model.metrics.agreement import krippendorff_alpha

_ = None
KRIPPENDORFF = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
]
"""Four observers, twelve units: Klaus Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011, section C."""


def test_agreement_matches_the_published_example():
    assert krippendorff_alpha(KRIPPENDORFF) == pytest.approx(0.815, abs=5e-4)


def test_full_agreement_is_one_and_disagreement_negative():
    assert krippendorff_alpha([[1, 2, 5], [1, 2, 5]]) == 1
    # by hand: values 1, 5 twice each; every pair within a unit disagrees, and of 6 pairs at large 4 do
    assert krippendorff_alpha([[1, 5], [5, 1]]) == pytest.approx(1 - (2 * 2 / 4) / (4 / 6))


def test_near_grades_disagree_less_than_far_ones():
    near, far = ([[1, 2, 3, 4, 5], [1, 2, 3, 4, last]] for last in (4, 1))
    assert 1 > krippendorff_alpha(near) > krippendorff_alpha(far)


def test_undefined_agreement_is_none():
    assert krippendorff_alpha([[3, 3], [3, 3]]) is None  # nothing varies
    assert krippendorff_alpha([[1, 2, 3]]) is None  # nobody to agree with
    assert krippendorff_alpha([]) is None
    with pytest.raises(ValueError, match="differ in length"):
        krippendorff_alpha([[1, 2], [1]])


def test_random_grades_have_agreement_near_zero():
    draw = np.random.default_rng(0)
    assert abs(krippendorff_alpha(draw.integers(1, 6, (4, 2000)).tolist())) < 0.03
