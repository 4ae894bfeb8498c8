"""Costs that can be computed by hand."""

import time

import pytest
import torch
from torch import nn

from heterodub.model.evaluation.cost import latencies_ms, parameters, peak_memory_mib

MIB = 2**20


def floats(mib: int) -> torch.Tensor:
    return torch.zeros(mib * MIB // 4)


def test_latency_resolves_a_factor_of_two():
    one, two = latencies_ms([lambda: time.sleep(0.002), lambda: time.sleep(0.006)], turns=5)
    assert 2 <= one < two


def test_parameter_count_is_of_trainable_weights():
    assert parameters(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))) == 3 * 4 + 4 + 2 * 4


@pytest.mark.parametrize(
    ("work", "mib"),
    [
        (lambda: [floats(1), floats(2)], 3),  # both at once
        (lambda: (floats(2), None)[1] or floats(1), 2),  # one after the other
        (lambda: floats(4).reshape(2, -1).T, 4),  # a view is no memory of its own
        (lambda: floats(1) + 1, 2),
    ],
)
def test_memory_is_the_most_that_is_alive_at_once(work, mib):
    assert peak_memory_mib(nn.Identity(), work) == pytest.approx(mib, abs=0.01)


def test_weights_count_once_however_often_they_are_used():
    network = nn.Linear(MIB // 4, 1, bias=False)
    assert peak_memory_mib(network, lambda: network.weight.view(-1)) == pytest.approx(1)
