"""The device on which networks are evaluated and used. Without Lightning, which takes a process seconds to load: a
training (distributed.py) comes to the same device.
"""

from collections.abc import Callable, Mapping
from typing import Final

import torch

from heterodub.schemas.config.training import Device
from heterodub.schemas.errors import SettingsError

_PRESENT: Final[Mapping[str, Callable[[], bool]]] = {
    "mps": torch.backends.mps.is_available,
    "cuda": torch.cuda.is_available,
}
"""Accelerators in the order in which "auto" looks for them, which is Lightning's."""


def device_of(device: Device) -> torch.device:
    """The device that networks are judged and used on, as `device` of the settings says: the one a training on one
    device takes.

    Raises: SettingsError - this machine, or its build of PyTorch, has none of that kind.
    """
    if device == "auto":
        return _best()
    if device == "cpu":
        return torch.device("cpu")
    if not _PRESENT[device]():
        raise SettingsError(
            f"device = {device}: networks cannot run there (no such device, or PyTorch was built without)"
        )
    return torch.device(device, 0)


def _best() -> torch.device:
    return next((torch.device(kind, 0) for kind, is_present in _PRESENT.items() if is_present()), torch.device("cpu"))
