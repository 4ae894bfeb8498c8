"""An accelerator that is not there, for tests of what lies on which device.

Its tensors say that they lie on PRETEND and keep their numbers in the CPU's memory, so whole trainings run to their
end with the very numbers of the CPU. They refuse what a real accelerator refuses: an operation on tensors of two
devices, and NumPy without `.cpu()`; and numbers of 64 bits, as Apple's does. PRETEND is PyTorch's "meta" device, the
only other one that a CPU build takes gradients on. FakeTensorMode's "cuda" has no gradients there, and no numbers
anywhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest import mock

import torch
from lightning_fabric.accelerators import CPUAccelerator
from lightning_fabric.strategies import SingleDeviceStrategy
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing

from heterodub.tasks.training import device

PRETEND = torch.device("meta")

_aten = torch.ops.aten
_CROSSES = {_aten.copy_.default, _aten._to_copy.default}
_INDEXED = {_aten.index.Tensor, _aten.index_put.default, _aten.index_put_.default, _aten._index_put_impl_.default}
"""Places may be named by a tensor on the CPU; PyTorch copies it over."""


class There(torch.Tensor):
    """A tensor on PRETEND."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "There":
        if held.dtype in (torch.float64, torch.complex128):
            raise TypeError("Cannot convert a tensor to 64 bits: PRETEND does not know them")
        layout = {"strides": held.stride(), "storage_offset": held.storage_offset(), "dtype": held.dtype}
        made = torch.Tensor._make_wrapper_subclass(cls, held.size(), device=PRETEND, **layout)
        made.held = held
        return made

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["held"], None

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, torch.Tensor], *_: Any) -> "There":
        return There(inner["held"])

    def __repr__(self) -> str:
        return f"There({self.held!r})"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.held.__reduce_ex__(protocol)  # a file says nothing of PRETEND: whoever reads it may not have it

    def __deepcopy__(self, memo: dict[int, Any]) -> "There":
        return There(self.held.detach().clone()).requires_grad_(self.requires_grad)

    def tolist(self) -> Any:
        return self.held.tolist()

    def numpy(self, *args: Any, **named: Any) -> Any:
        raise TypeError("can't convert a tensor on PRETEND to numpy. Use Tensor.cpu() first")

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Elsewhere(TorchDispatchMode):
    """Places created and moved tensors on PRETEND if requested."""

    def __enter__(self) -> "_Elsewhere":
        self._lifted = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(True)  # else torch.tensor(device=PRETEND) moves its numbers past this mode
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        torch._C._set_only_lift_cpu_tensors(self._lifted)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if _is_composite(func):
            with self:  # without gradients such an operator comes here whole, and would move tensors by itself
                if (out := func.decompose(*args, **kwargs or {})) is not NotImplemented:
                    return out
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors: list[torch.Tensor] = []
    held, named = _held(args, tensors), {name: _held(one, tensors) for name, one in kwargs.items()}
    there, wanted = any(isinstance(one, There) for one in tensors), kwargs.get("device")
    if there:
        _refuse_mixed(func, args, tensors)
    if wanted is not None:
        named["device"] = torch.device("cpu")
    out = func(*held, **named)
    if func is _aten.copy_.default:
        return args[0]
    if not (there if wanted is None else torch.device(wanted) == PRETEND):
        return out
    out = _put_there(out)
    return return_and_correct_aliasing(func, args, kwargs, out) if there and _is_aliasing(func) else out


def _held(given: Any, tensors: list[torch.Tensor]) -> Any:
    """Return arguments with the held tensors, and note all tensors. Written out: PyTorch's maps over trees take most of
    a training's time.
    """
    if isinstance(given, torch.Tensor):
        tensors.append(given)
        return given.held if isinstance(given, There) else given
    return type(given)([_held(one, tensors) for one in given]) if type(given) in (list, tuple) else given


def _put_there(made: Any) -> Any:
    if isinstance(made, torch.Tensor):
        return made if isinstance(made, There) else There(made)
    return type(made)([_put_there(one) for one in made]) if type(made) in (list, tuple) else made


@cache
def _is_aliasing(func: Any) -> bool:
    """Return True if an operator returns one of its arguments, or a view of one."""
    return any(one.alias_info is not None for one in func._schema.returns)


@cache
def _is_composite(func: Any) -> bool:
    return bool(torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"))


def _refuse_mixed(func: Any, args: Any, tensors: list[torch.Tensor]) -> None:
    if func in _CROSSES:
        return
    looked_at = [args[0], *args[2:3]] if func in _INDEXED else tensors
    if any(not isinstance(one, There) and one.dim() for one in looked_at if isinstance(one, torch.Tensor)):
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found two of them, PRETEND and cpu: {func}"
        )


@contextmanager
def on_pretend_device() -> Iterator[None]:
    """Inside, PRETEND is the device that Lightning Fabric and device_of find, and tensors can be put there."""
    result = mock.patch.object(SingleDeviceStrategy, "root_device", property(lambda _: PRETEND))
    best = mock.patch.object(device, "_best", lambda: PRETEND)
    with result, best, mock.patch.object(CPUAccelerator, "setup_device"), _Elsewhere():
        yield
