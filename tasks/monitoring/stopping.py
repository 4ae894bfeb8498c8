"""Actions of a process that is stopped at once: its runs say so, its children end, and their folders go.

Ctrl-C ends a command without unwinding what it does, since that may take as long as the work itself.
"""

from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Final
from weakref import WeakMethod

Action = Callable[[], object]

_MOST_S: Final = 3.0
"""A store that is away must keep nobody waiting."""

_actions: list["WeakMethod[Action]"] = []


def at_stop(action: Action) -> None:
    """Have a method called if the process is stopped while its object lives, and before `forget` names it."""
    _actions.append(WeakMethod(action))


def forget(action: Action) -> None:
    """Take an action back; one that was never added is ignored."""
    with suppress(ValueError):
        _actions.remove(WeakMethod(action))


def stop() -> None:
    """Call all actions, the newest first. None of them keeps the process from ending, by an error or by its length."""
    worker = Thread(target=_call_all, daemon=True)
    worker.start()
    worker.join(_MOST_S)


def _call_all() -> None:
    for reference in reversed(tuple(_actions)):
        action = reference()
        if action is not None:
            with suppress(Exception):  # the process ends, and the other actions are due all the same
                action()
