"""Optimiser, learning-rate schedule and weight average of one network."""

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from heterodub.schemas.config.training import OptimiserSettings


class NotFiniteError(Exception):
    """A loss or its gradient is NaN or infinite."""


class NetworkOptimizer:
    """Optimises a network and keeps a moving average of its weights, which is evaluated and exported."""

    def __init__(self, fabric: Fabric, network: nn.Module, settings: OptimiserSettings, steps: int) -> None:
        """Set up AdamW. Weights that take no gradient (Module.requires_grad_) are left out, of weight decay too."""
        self.fabric, self.settings, self.steps = fabric, settings, steps
        averaging = get_ema_multi_avg_fn(settings.ema_decay)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(network, multi_avg_fn=averaging).to(fabric.device)
        optimiser = torch.optim.AdamW(
            [value for value in network.parameters() if value.requires_grad],
            lr=settings.learning_rate,
            betas=(settings.beta1, 0.999),
            weight_decay=settings.weight_decay,
        )
        self.network, self.optimiser = fabric.setup(network, optimiser)

    def step(self, total: Tensor, step: int) -> None:
        """Take a step on a finite loss. In fp16 a scaled gradient may overflow: then the scale falls and weights stay.

        The learning rate follows from the step alone, not from a scheduler's own count: a discriminator that starts
        late joins the schedule where it is, and nothing has to be stored to resume exactly.

        Raises: NotFiniteError - the gradient at any scale is not finite; the weights are unchanged.
        """
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
        """Raises: NotFiniteError - the gradient is not finite, and the loss scale, 1 or less, is not the cause."""
        scaler = getattr(self.fabric.strategy.precision, "scaler", None)
        if scaler is None or scaler.get_scale() <= 1:
            at = "" if scaler is None else f" at a loss scale of {scaler.get_scale():g}"
            raise NotFiniteError(f"the loss is {float(total.detach())}, but its gradient is {norm}{at}")

    def frozen_forward(self, *inputs: Tensor) -> Any:
        """Run the network in the training's precision with frozen weights: gradients reach the inputs only."""
        network: nn.Module = self.network.module
        network.requires_grad_(False)
        with self.fabric.autocast():
            outputs = network(*inputs)
        network.requires_grad_(True)
        return self.fabric.strategy.precision.convert_output(outputs)

    @property
    def ema_network(self) -> nn.Module:
        """The network with averaged weights."""
        return self.averaged.module

    def learning_rate(self) -> float:
        """Return the learning rate of the last step."""
        return float(self.optimiser.param_groups[0]["lr"])

    def state_dict(self) -> dict[str, Any]:
        """Return the state of weights, average and optimiser."""
        return {
            "network": self.network.module.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state of `state_dict`.

        Raises: RuntimeError, KeyError, ValueError - it is of another network.
        """
        self.network.module.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        for weight, values in self.optimiser.optimizer.state.items():  # torch takes whatever stands there
            if not all(isinstance(value, Tensor) and value.shape in (weight.shape, ()) for value in values.values()):
                raise ValueError("the optimiser's state does not fit the weights")


def for_features(fabric: Fabric) -> AbstractContextManager[None]:
    """Return the autocast context of frozen feature networks: the training's precision, unless that is fp16, whose
    largest number is 65,504. Feature networks were not trained in it, and VGGFace takes colours of 0 to 255.
    """
    precision = fabric.strategy.precision
    return nullcontext() if getattr(precision, "scaler", None) else fabric.autocast()


def over_devices(fabric: Fabric, value: Tensor) -> Tensor:
    """Return the mean of a number over all devices."""
    if fabric.world_size == 1:
        return value
    mean = fabric.all_reduce(value, reduce_op="mean")
    assert isinstance(mean, Tensor)
    return mean


def require_finite(fabric: Fabric, *totals: Tensor) -> None:
    """Check that all losses are finite, on all processes, before any step is taken.

    Raises: NotFiniteError - one is not finite on some process.
    """
    for total in totals:
        finite = torch.isfinite(total.detach()).float()
        if not bool(fabric.all_reduce(finite, reduce_op="min") > 0):  # type: ignore[operator]
            raise NotFiniteError(f"the loss is {float(total.detach())}")


def schedule(step: int, steps: int, warmup: int) -> float:
    """Return the factor of the learning rate at a step: linear warmup over `warmup` steps, then cosine decay to 0."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))
