"""Additional callback of trainings, such as a progress bar, set by the caller of a flow."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from model.training.callbacks import Callback

_CALLBACK: ContextVar[Callback | None] = ContextVar("training_callback", default=None)


@contextmanager
def use_training_callback(callback: Callback) -> Iterator[None]:
    """Add this callback to trainings inside the block. It is no flow parameter, since it does not affect the run."""
    token = _CALLBACK.set(callback)
    try:
        yield
    finally:
        _CALLBACK.reset(token)


def training_callback() -> Callback:
    """Return the additional callback of the current training."""
    return _CALLBACK.get() or Callback()
