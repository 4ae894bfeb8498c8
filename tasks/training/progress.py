"""Who watches a training besides its run: a progress bar, or nobody."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from model.training.callbacks import Callback, Callbacks

_LISTENER: ContextVar[Callback | None] = ContextVar("learner_watcher", default=None)


@contextmanager
def learning_watched_by(listener: Callback) -> Iterator[None]:
    """Trainings inside the block tell this listener. No flow parameter: it is no part of what a run does."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def learner_watcher() -> Callback:
    """Whoever watches the current training."""
    return _LISTENER.get() or Callbacks()
