"""The trainer and its optimizers: a non-finite number ends a training with an error, and all processes act alike."""

import threading
from dataclasses import dataclass
from itertools import repeat

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision import MixedPrecision
from torch import nn

from heterodub.model.training.batch import TrainingBatch
from heterodub.model.training.callbacks import Callback
from heterodub.model.training.checkpoints import LAST, Checkpoints
from heterodub.model.training.module import TrainingModule, ValidationResult
from heterodub.model.training.trainer import Trainer
from heterodub.schemas.config.training import OptimiserSettings, ScheduleSettings, Stage1Settings
from heterodub.schemas.errors import TrainingError

HUGE, STEEP = 2.0**127, (1e4, 1e4, 1e4)
"""A loss scale, and values whose slopes it takes beyond the largest number of 32 bits."""

HOW = OptimiserSettings(learning_rate=0.003, warmup_steps=1)


@dataclass(frozen=True, slots=True)
class Batch(TrainingBatch):
    values: torch.Tensor
    clip_ids: tuple[str, ...] = ("one", "two", "one")


class Roots(nn.Module):
    """Roots of weighted values: that of 0 is 0, and its slope infinite."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return (values * self.weight).sqrt()


class SquareRootModule(TrainingModule):
    """One network, and validation losses that are given by step."""

    def __init__(self, fabric: Fabric, losses: list[float], steps: int = 8) -> None:
        settings = Stage1Settings(optimiser=HOW, schedule={"max_steps": steps})
        super().__init__(fabric, settings, lambda _, step: ValidationResult({"loss": losses[step - 1]}))
        self.add("roots", Roots())

    @property
    def network(self) -> nn.Module:
        return self.optimizers["roots"].network

    def training_step(self, batch: Batch, step: int) -> dict[str, torch.Tensor]:
        total = self.network(batch.values).mean()
        self.optimizer_step(step, {"roots": total})
        return {"total": total}


def fitted(fabric, module, folder, values=(1.0, 2.0, 3.0), steps=8, patience=2):
    batch = Batch(torch.tensor(values))
    trainer = Trainer(fabric, pace(steps, 1, patience), Checkpoints(folder), Callback())
    return trainer.fit(module, lambda _: repeat(batch), 0)


def pace(steps, save_interval, patience, minutes=None) -> ScheduleSettings:
    return ScheduleSettings(
        max_steps=steps, eval_interval=1, save_interval=save_interval, patience=patience, minutes=minutes
    )


def engine(scale: float | None = None) -> Fabric:
    """On the CPU; scale: with losses multiplied by so much, as for fp16."""
    if scale is None:
        return Fabric(accelerator="cpu", devices=1)
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    return Fabric(accelerator="cpu", devices=1, plugins=MixedPrecision("16-mixed", "cpu", scaler))


def test_non_finite_gradient_ends_training_and_names_the_clips(tmp_path):
    fabric = engine()
    module = SquareRootModule(fabric, [1.0] * 8)
    with pytest.raises(
        TrainingError, match=r"step 1: the loss is 1\.0\d+, but its gradient is nan; the batch holds clips one, two$"
    ):
        fitted(fabric, module, tmp_path, (0.0, 2.0, 3.0))
    assert torch.equal(module.network.module.weight, torch.ones(3)), "something was learned from it"
    assert torch.equal(module.ema_network.weight, torch.ones(3))


def test_steps_skipped_by_the_loss_scale_are_no_error(tmp_path):
    """A scale of 2^127 overflows until it was halved often enough, and then there is learning."""
    fabric = engine(HUGE)
    module = SquareRootModule(fabric, [1.0] * 60, 60)
    assert fitted(fabric, module, tmp_path, STEEP, steps=60, patience=0).reason == "done"
    assert not torch.equal(module.network.module.weight, torch.ones(3))
    assert torch.isfinite(module.network.module.weight).all()
    assert fabric.strategy.precision.scaler.get_scale() < HUGE


def test_gradient_never_finite_under_scaling_ends_training(tmp_path):
    fabric = engine(8.0)
    with pytest.raises(TrainingError, match=r"step \d+: .* gradient is nan at a loss scale of 1"):
        fitted(fabric, SquareRootModule(fabric, [1.0] * 60, 60), tmp_path, (0.0, 2.0, 3.0), steps=60, patience=0)


def test_resumed_training_restores_the_loss_scale(tmp_path):
    fabric = engine(HUGE)
    fitted(fabric, SquareRootModule(fabric, [1.0] * 60, 60), tmp_path, STEEP, steps=30, patience=0)
    reached = fabric.strategy.precision.scaler.get_scale()
    again = engine(HUGE)
    assert Checkpoints(tmp_path).load(LAST) is not None
    fitted(again, SquareRootModule(again, [1.0] * 60, 60), tmp_path, STEEP, steps=30, patience=0)
    assert again.strategy.precision.scaler.get_scale() == reached < HUGE


class Rank(Fabric):
    """One of several processes, here a thread: what the first broadcasts, all have."""

    def __init__(self, number: int, meet: threading.Barrier, message: list) -> None:
        super().__init__(accelerator="cpu", devices=1)
        self.number, self.meet, self.sent = number, meet, message

    global_rank = property(lambda self: self.number)
    is_global_zero = property(lambda self: self.number == 0)

    def barrier(self, name=None):
        self.meet.wait()

    def broadcast(self, obj, src=0):
        if self.number == src:
            self.sent[:] = [obj]
        self.meet.wait()
        received = self.sent[0]
        self.meet.wait()
        return received


def ended(folder, losses, minutes=None):
    """Return how a training ends on two processes with these validation losses."""
    meet, collected, results = threading.Barrier(2, timeout=5), [], {}

    def work(number: int) -> None:
        fabric, batch = Rank(number, meet, collected), Batch(torch.ones(3))
        schedule = pace(8, 100, 2, minutes[number] if minutes else None)
        module = SquareRootModule(fabric, losses[number])
        try:
            trainer = Trainer(fabric, schedule, Checkpoints(folder), Callback())
            results[number] = trainer.fit(module, lambda _: repeat(batch), 0)
        except (TrainingError, threading.BrokenBarrierError) as error:
            results[number] = str(error)

    threads = [threading.Thread(target=work, args=[number]) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_rank_zero_validation_result_is_shared(tmp_path):
    """By a rounding, one process may find a step better and the other one worse."""
    first, other = [3.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0], [3.0, 2.0, 1.0, 1.0, 0.5, 0.4, 0.3, 0.2]
    results = ended(tmp_path, [first, other])
    assert results[0] == results[1]
    assert (results[0].step, results[0].best_step, results[0].best_loss) == (4, 2, 1.0)


def test_non_finite_validation_ends_all_ranks(tmp_path):
    """Else the others would wait for the one that ended."""
    assert set(ended(tmp_path, [[float("nan")] * 8, [1.0] * 8]).values()) == {"step 1: the validation loss is nan"}


def test_rank_zero_clock_is_shared(tmp_path):
    results = ended(tmp_path, [[1.0] * 8] * 2, minutes=[1e-9, 1e9])
    assert {number: result.step for number, result in results.items()} == {0: 1, 1: 1}
