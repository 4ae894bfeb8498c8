"""One network, one loss: optimiser, schedule and weight average. A training module has one learner for each that
learns.
"""

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from model.training.trainer import NotFiniteError
from schemas.config.training import OptimiserSettings


class NetworkOptimizer:
    """Takes steps on a network, and keeps a moving average of its weights, which is what is judged and shipped."""

    def __init__(self, fabric: Fabric, network: nn.Module, settings: OptimiserSettings, steps: int) -> None:
        """Weights that take no gradient (Module.requires_grad_) are left as they are, by weight decay too."""
        self.fabric, self.settings, self.steps = fabric, settings, steps
        averaging = get_ema_multi_avg_fn(settings.ema_decay)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(network, multi_avg_fn=averaging).to(fabric.device)
        optimiser = torch.optim.AdamW(
            [value for value in network.parameters() if value.requires_grad],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        self.network, self.optimiser = fabric.setup(network, optimiser)

    def step(self, total: Tensor, step: int) -> None:
        """Learn from a loss. In fp16 a scaled gradient may overflow: then the scale falls, and nothing else moves.

        Raises: NotFiniteError - it, or its gradient whatever the scale, is not finite on some process; nothing was
        learned.
        """
        require_finite(self.fabric, total)
        rate = self.settings.learning_rate * schedule(step, self.steps, self.settings.warmup_steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        self.fabric.backward(total)
        norm = self.fabric.clip_gradients(
            self.network, self.optimiser, max_norm=self.settings.max_norm, error_if_nonfinite=False
        )
        finite = norm is None or bool(torch.isfinite(norm))
        if not finite:
            self._require_overflow(total, norm)
        self.optimiser.step()  # leaves the weights where a scaled gradient overflowed, and lowers the scale
        if finite:
            self.averaged.update_parameters(self.network.module)

    def _require_overflow(self, total: Tensor, norm: Tensor | None) -> None:
        """Raises: NotFiniteError - the gradient is not finite, and that is no loss scale's doing: one of 1 or less."""
        scaler = getattr(self.fabric.strategy.precision, "scaler", None)
        if scaler is None or scaler.get_scale() <= 1:
            at = "" if scaler is None else f" at a loss scale of {scaler.get_scale():g}"
            raise NotFiniteError(f"the loss is {float(total.detach())}, but its gradient is {norm}{at}")

    def unmoved(self, *given: Tensor) -> Any:
        """What the network makes of something, in the training's number format, while nothing is learned for it:
        gradients pass through, and miss its weights.
        """
        network: nn.Module = self.network.module
        network.requires_grad_(False)
        with self.fabric.autocast():
            made = network(*given)
        network.requires_grad_(True)
        return self.fabric.strategy.precision.convert_output(made)

    @property
    def judged(self) -> nn.Module:
        """The network with averaged weights."""
        return self.averaged.module

    def learning_rate(self) -> float:
        """The rate of the last step."""
        return float(self.optimiser.param_groups[0]["lr"])

    def state(self) -> dict[str, Any]:
        """Weights, average and optimiser."""
        return {
            "network": self.network.module.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` gave."""
        self.network.module.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])


def for_features(fabric: Fabric) -> AbstractContextManager[None]:
    """Number format in which frozen feature networks look at pictures: the training's, unless that is fp16, which ends
    at 65,504. Feature networks are not trained within it, and VGGFace takes colours of 0 to 255.
    """
    precision = fabric.strategy.precision
    return nullcontext() if getattr(precision, "scaler", None) else fabric.autocast()


def over_devices(fabric: Fabric, value: Tensor) -> Tensor:
    """The mean of a number over all devices."""
    if fabric.world_size == 1:
        return value
    mean = fabric.all_reduce(value, reduce_op="mean")
    assert isinstance(mean, Tensor)
    return mean


def require_finite(fabric: Fabric, *totals: Tensor) -> None:
    """Hold losses against infinity before anything is learned from the first of them.

    Raises: NotFiniteError - one is not finite on some process.
    """
    for total in totals:
        finite = torch.isfinite(total.detach()).float()
        if not bool(fabric.all_reduce(finite, reduce_op="min") > 0):  # type: ignore[operator]
            raise NotFiniteError(f"the loss is {float(total.detach())}")


def schedule(step: int, steps: int, warmup: int) -> float:
    """Share of the learning rate at a step: a straight rise over `warmup` steps, then half a cosine down to 0."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))
