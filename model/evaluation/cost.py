"""Inference cost of models on a fixed input: time, parameters, memory. Only ratios of two models are meaningful."""

import gc
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from heterodub.schemas.promotion import COSTS

Work = Callable[[], object]
"""Runs a model once on the fixed input."""

TURNS: Final = 15
"""Number of times each model runs. Models run in turns, so that varying machine load affects all alike."""

_MIB: Final = 2**20


def costs(models: Sequence[tuple[nn.Module, Work]]) -> list[dict[str, float]]:
    """Measure the costs of each network, by COSTS; latencies are measured in turns."""
    latencies = latencies_ms([work for _, work in models])
    counted = [(float(parameters(network)), peak_memory_mib(network, work)) for network, work in models]
    return [
        dict(zip(COSTS, (milliseconds, *rest), strict=True))
        for milliseconds, rest in zip(latencies, counted, strict=True)
    ]


def latencies_ms(works: Sequence[Work], turns: int = TURNS) -> list[float]:
    """Return the median milliseconds of each, measured in turns in one process after a warm-up run.

    The order changes with every turn, so that none always runs first.
    """
    for work in works:
        work()
    latencies: list[list[float]] = [[] for _ in works]
    for turn in range(turns):
        for place in range(len(works)):
            number = (place + turn) % len(works)
            began = time.perf_counter()
            works[number]()
            latencies[number].append(1000 * (time.perf_counter() - began))
    return [float(np.median(samples)) for samples in latencies]


def parameters(network: nn.Module) -> int:
    """Return the number of trained parameters."""
    return sum(value.numel() for value in network.parameters())


def peak_memory_mib(network: nn.Module, work: Work) -> float:
    """Return weights, buffers, and the peak bytes of tensors alive at once during `work`, in MiB.

    Counted from tensors, not from the process, so the same input gives the same number on a busy machine. Memory used
    inside operators is not counted.
    """
    tensors = {part.untyped_storage().data_ptr(): part for part in (*network.parameters(), *network.buffers())}
    static_bytes = sum(part.untyped_storage().nbytes() for part in tensors.values())
    with _Alive(set(tensors)) as alive:
        work()
    return (static_bytes + alive.most) / _MIB


class _Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of storages that operators return, for as long as anything refers to them."""

    def __init__(self, known_storages: set[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = 0
        self._now = 0
        self._known_storages = known_storages
        self._seen: dict[int, Any] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operator, and count what it returns."""
        out = func(*args, **(kwargs or {}))
        for value in out if isinstance(out, tuple | list) else (out,):
            if isinstance(value, torch.Tensor):
                self._count(value)
        return out

    def __enter__(self) -> "_Alive":
        gc.collect()
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def _count(self, value: torch.Tensor) -> None:
        storage = value.untyped_storage()
        place, size = storage.data_ptr(), storage.nbytes()
        if not size or place in self._known_storages or place in self._seen:
            return
        self._seen[place] = weakref.finalize(storage, self._forget, place, size)
        self._now += size
        self.most = max(self.most, self._now)

    def _forget(self, place: int, size: int) -> None:
        self._seen.pop(place, None)
        self._now -= size
