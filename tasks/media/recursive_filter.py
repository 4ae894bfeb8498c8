"""Recursive filters of sound, by scipy's own loop without the package `scipy.signal` around it.

Loading that package takes a process more than a CPU second, longer than most sounds. Tests hold the results against it.
"""

from functools import cache
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def filtered(sections: Numbers, samples: NDArray[np.floating[Any]], state: Numbers | None = None) -> Numbers:
    """Filter a sound, (n,), by second-order sections, (s, 6), as `scipy.signal.sosfilt` does.

    state: (s, 2), what the samples before left behind; brought up to date. None: nothing.
    """
    lines, states = samples[np.newaxis].astype(np.float64), np.zeros((1, len(sections), 2))
    if state is not None:
        states[0] = state
    _scipy_signal_sosfilt()(sections, lines, states)
    if state is not None:
        state[:] = states[0]
    line: Numbers = lines[0]
    return line


@cache
def _scipy_signal_sosfilt() -> Any:
    """Load the function of scipy's extension module that filters in place.

    Raises: ImportError - this scipy has none.
    """
    spec = PathFinder.find_spec("_sosfilt", [f"{scipy.__path__[0]}/signal"])
    if spec is None or spec.loader is None:
        raise ImportError("scipy.signal._sosfilt")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module._sosfilt
