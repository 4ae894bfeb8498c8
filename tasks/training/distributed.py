"""One training over one device or several, and its news back to who asked for it.

Lightning Fabric runs the same loop in one process, in several, or on GPUs, and handles precision. The full Lightning
trainer would own the loop, the checkpoints and the logging that are ours; with bare torch.distributed we would write
launcher, gradient exchange and precision by hand.

Processes are started either here, on one machine, or by torchrun, on one or several. The first process leads: it alone
knows the training, tracks it and writes files; the others join and receive the work from it.
"""

import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch.multiprocessing.spawn import ProcessRaisedException

from heterodub.model.training.callbacks import Callback, ForwardingCallback
from heterodub.schemas.config.training import Device, Precision
from heterodub.schemas.errors import SettingsError, TrainingError

P = ParamSpec("P")
Result = TypeVar("Result")


def _engine(device: Device, **options: Any) -> Fabric:
    try:
        return Fabric(accelerator=device, **{"devices": 1} | options)
    except (RuntimeError, ValueError) as error:  # MisconfigurationException is one
        raise SettingsError(f"device = {device}: networks cannot run there ({error})") from error


def on_devices(
    device: Device,
    devices: int,
    precision: Precision,
    work: Callable[Concatenate[Fabric, Callback, P], Result],
    callback: Callback,
    *args: P.args,
    **kwargs: P.kwargs,
) -> Result:
    """Run `work(fabric, callback, ...)` here for one device, else in a process for each, and return its result.

    Arguments and result must then travel between processes; the callback stays here and receives forwarded events. In a
    process that torchrun started, `work` runs here and in all those that join.

    Raises: SettingsError - there is no such device, or fewer of them. TrainingError - a process failed, or torchrun
    started another number of them, or on other devices; what `work` raises, for one device or under torchrun.
    """
    if TorchElasticEnvironment.detect():
        return _lead(device, devices, precision, work, callback, args, kwargs)
    if devices == 1:
        return work(_engine(device, precision=precision), callback, *args, **kwargs)
    fabric = _engine(device, devices=devices, precision=precision, strategy="ddp_spawn")
    with _relayed(callback) as events:
        try:
            packed: bytes = fabric.launch(cast(Any, _unpacked), events, pickle.dumps((work, args, kwargs)))
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
    callback: Callback,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Result:
    if devices != (started := TorchElasticEnvironment().world_size()):
        raise TrainingError(
            f"torchrun started {started} processes in all, but the settings say devices = {devices}: make them equal"
        )
    first = _launched()
    if device not in ("auto", first.device.type):
        raise TrainingError(
            f"device = {device}, but the processes that torchrun started run on {first.device.type}: leave it at auto"
            + (", and set CUDA_VISIBLE_DEVICES to nothing for all of them" if device == "cpu" else "")
        )
    first.broadcast(pickle.dumps((precision, work, args, kwargs)))
    return work(_launched(precision), callback, *args, **kwargs)


def join_training() -> None:
    """Take part in the training that the first of torchrun's processes leads, until it ends.

    Raises: what the training raises. ValueError - the nodes run different numbers of processes.
    """
    precision, work, args, kwargs = pickle.loads(_launched().broadcast(b""))
    work(_launched(precision), Callback(), *args, **kwargs)


def _launched(precision: Precision | None = None) -> Fabric:
    """Return a Fabric over all of torchrun's processes, which are known from the environment."""
    local_processes = int(os.environ["LOCAL_WORLD_SIZE"])
    nodes = TorchElasticEnvironment().world_size() // local_processes
    fabric = Fabric(devices=local_processes, num_nodes=nodes, precision=precision, strategy="ddp")
    fabric.launch()
    return fabric


def _unpacked(fabric: Fabric, events: Any, packed: bytes) -> bytes:
    """Unpickle and run the work in a process, whose events are put into a queue. It travels as bytes, since Fabric
    traverses arguments and refuses frozen records in them.
    """
    work, args, kwargs = pickle.loads(packed)
    callback = ForwardingCallback(lambda event, values: events.put((event, values)))
    return pickle.dumps(work(fabric, callback, *args, **kwargs))


@contextmanager
def _relayed(callback: Callback) -> Iterator[Any]:
    """Return a queue between processes whose events reach the callback here."""
    with multiprocessing.get_context("spawn").Manager() as manager:
        queue = manager.Queue()
        thread = threading.Thread(target=_relay, args=(queue, callback), daemon=True)
        thread.start()
        try:
            yield queue
        finally:
            queue.put(None)
            thread.join()


def _relay(queue: Any, callback: Callback) -> None:
    while (event := queue.get()) is not None:
        name, values = event
        getattr(callback, name)(*values)
