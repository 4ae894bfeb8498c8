"""The watermark: found after encoding, scaling and a change of brightness, not found where there is none."""

import numpy as np
import pytest

from heterodub.tasks.provenance.watermark import THRESHOLD, embed, evidence, phases
from tests.bench.watermark import encoded, luma, psnr_db
from tests.flows.heads import head


def planes(rgb):
    """yuv420p of a picture in greys, which is all that the mark sees."""
    grey = rgb.mean(axis=2).astype(np.uint8)
    return np.concatenate([grey, np.full((grey.shape[0] // 2, grey.shape[1]), 128, np.uint8)])


@pytest.fixture(scope="module")
def plain():
    return [planes(picture) for picture in head(3, 8)]


@pytest.fixture(scope="module")
def marked(plain):
    copies = [one.copy() for one in plain]
    for one in copies:
        embed(luma(one), 8)
    return copies


def found(films, bits=8):
    return evidence(np.stack([phases(luma(one), bits) for one in films]))


def test_mark_is_found_after_encoding_and_scaling(plain, marked):
    assert found(encoded(encoded(marked, 18), 28, 720)) > 3 * THRESHOLD
    assert found(encoded(marked, 28, 200)) > 2 * THRESHOLD
    assert found(plain) < THRESHOLD / 2


def test_mark_is_found_in_a_brighter_picture(marked):
    assert found([np.clip(one.astype(int) + 7, 0, 255).astype(np.uint8) for one in marked]) > 5 * THRESHOLD


def test_mark_is_lost_with_a_cut_edge(marked):
    assert found([one[: one.shape[0] * 2 // 3, 40:] for one in marked]) < THRESHOLD


def test_mark_is_below_what_is_seen(plain, marked):
    assert min(psnr_db(luma(a), luma(b)) for a, b in zip(plain, marked, strict=True)) > 42
    assert max(np.abs(luma(a).astype(int) - luma(b)).max() for a, b in zip(plain, marked, strict=True)) <= 4


def test_marked_picture_hardly_changes_when_it_is_marked_again(marked):
    again = marked[0].copy()
    embed(luma(again), 8)
    assert psnr_db(luma(again), luma(marked[0])) > 50


@pytest.mark.parametrize("grey", [0, 16, 128, 235, 255])
def test_plain_grey_takes_the_mark_and_shows_none_without(grey):
    flat = [np.full((96 * 3 // 2, 160), grey, np.uint8) for _ in range(2)]
    assert found(flat) < 1e-3
    for one in flat:
        embed(luma(one), 8)
    assert found(flat) > 5 * THRESHOLD


def test_ten_bits_take_the_mark(plain):
    deep = [one.astype(np.uint16) * 4 for one in plain]
    for one in deep:
        embed(luma(one), 10)
    assert found(deep, 10) > 5 * THRESHOLD
    assert max(one.max() for one in deep) <= 1023


def test_turned_views_are_marked_in_place(plain):
    picture = luma(plain[0]).copy()
    embed(np.rot90(picture), 8)
    assert evidence(phases(np.rot90(picture), 8)[None]) > 5 * THRESHOLD
