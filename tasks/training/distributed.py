"""One training over one device or several, and its news back to who asked for it.

Lightning Fabric is the engine: it puts the same loop on one process, on several, or on GPUs, and knows the number
formats. The full Lightning trainer would own the loop, the checkpoints and the logging that are ours; with bare
torch.distributed we would write launcher, gradient exchange and precision by hand.

Processes are either started here, on one machine, or by torchrun, on one or several. Then the first of all leads: it
alone knows what is trained, tracks it and writes files; the others join and are told.
"""

import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch.multiprocessing.spawn import ProcessRaisedException

from model.training.callbacks import Callback, Callbacks, StepMetrics, ValidationMetrics
from schemas.config.training import Device, Precision
from schemas.errors import SettingsError, TrainingError

Given = ParamSpec("Given")
Result = TypeVar("Result")


def _engine(device: Device, **named: Any) -> Fabric:
    try:
        return Fabric(accelerator=device, **{"devices": 1} | named)
    except (RuntimeError, ValueError) as error:  # MisconfigurationException is one
        raise SettingsError(f"device = {device}: networks cannot run there ({error})") from error


def on_devices(
    device: Device,
    devices: int,
    precision: Precision,
    work: Callable[Concatenate[Fabric, Callback, Given], Result],
    listener: Callback,
    *given: Given.args,
    **named: Given.kwargs,
) -> Result:
    """The result of `work(fabric, listener, ...)`, which runs here for one device, else in a process for each.

    Arguments and result must travel between processes then; the listener stays here and is told from afar. In a process
    that torchrun started, `work` runs here and in all those that join.

    Raises: SettingsError - there is no such device, or fewer of them. TrainingError - a process failed, or torchrun
    started another number of them, or on other devices; what `work` raises, for one device or under torchrun.
    """
    if TorchElasticEnvironment.detect():
        return _lead(device, devices, precision, work, listener, given, named)
    if devices == 1:
        return work(_engine(device, precision=precision), listener, *given, **named)
    fabric = _engine(device, devices=devices, precision=precision, strategy="ddp_spawn")
    with _heard_from_afar(listener) as told:
        try:
            packed: bytes = fabric.launch(cast(Any, _unpacked), told, pickle.dumps((work, given, named)))
        except ProcessRaisedException as error:
            last = str(error).strip().splitlines()[-1]
            raise TrainingError(f"a training process failed: {last}") from error
    result: Result = pickle.loads(packed)
    return result


def _lead(
    device: Device,
    devices: int,
    precision: Precision,
    work: Callable[..., Result],
    listener: Callback,
    given: tuple[Any, ...],
    named: dict[str, Any],
) -> Result:
    if devices != (started := TorchElasticEnvironment().world_size()):
        raise TrainingError(
            f"torchrun started {started} processes in all, and the settings say devices = {devices}: make them equal"
        )
    first = _launched()
    if device not in ("auto", first.device.type):
        raise TrainingError(
            f"device = {device}, and the processes that torchrun started met on {first.device.type}: leave it at auto"
            + (", and set CUDA_VISIBLE_DEVICES to nothing for all of them" if device == "cpu" else "")
        )
    first.broadcast(pickle.dumps((precision, work, given, named)))
    return work(_launched(precision), listener, *given, **named)


def join_training() -> None:
    """Take part in the training that the first of torchrun's processes leads, to its end.

    Raises: what the training raises. ValueError - the nodes run different numbers of processes.
    """
    precision, work, given, named = pickle.loads(_launched().broadcast(b""))
    work(_launched(precision), Callbacks(), *given, **named)


def _launched(precision: Precision | None = None) -> Fabric:
    """An engine over all of torchrun's processes, which it tells of itself through the environment alone."""
    here = int(os.environ["LOCAL_WORLD_SIZE"])
    nodes = TorchElasticEnvironment().world_size() // here
    fabric = Fabric(devices=here, num_nodes=nodes, precision=precision, strategy="ddp")
    fabric.launch()
    return fabric


def _unpacked(fabric: Fabric, listener: Callback, packed: bytes) -> bytes:
    """Does the work in a process of its own. All travels as bytes: Fabric walks into what it carries, and refuses
    frozen records there.
    """
    work, given, named = pickle.loads(packed)
    return pickle.dumps(work(fabric, listener, *given, **named))


class _Afar:
    """Passes what a training tells on to another process. Only the first device speaks."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def started(self, first_step: int, steps: int) -> None:
        self._queue.put(("started", (first_step, steps)))

    def stepped(self, report: StepMetrics) -> None:
        self._queue.put(("stepped", (report,)))

    def validated(self, report: ValidationMetrics) -> None:
        self._queue.put(("validated", (report,)))

    def shown(self, name: str, data: bytes) -> None:
        self._queue.put(("shown", (name, data)))

    def saved(self, step: int, checkpoint: Path) -> None:
        self._queue.put(("saved", (step, checkpoint)))

    def ended(self, step: int, reason: str) -> None:
        self._queue.put(("ended", (step, reason)))


@contextmanager
def _heard_from_afar(listener: Callback) -> Iterator[Callback]:
    with multiprocessing.get_context("spawn").Manager() as manager:
        queue = manager.Queue()
        ear = threading.Thread(target=_relay, args=(queue, listener), daemon=True)
        ear.start()
        try:
            yield _Afar(queue)
        finally:
            queue.put(None)
            ear.join()


def _relay(queue: Any, listener: Callback) -> None:
    while (news := queue.get()) is not None:
        name, values = news
        getattr(listener, name)(*values)
