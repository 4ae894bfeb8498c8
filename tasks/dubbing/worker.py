"""What runs in the child process that dubs: its models are opened once, each job is worked on by itself."""

import os
from functools import cache
from pathlib import Path
from typing import Final

from schemas.dubbing import DubJob
from schemas.settings import Settings
from tasks.dubbing.dub import dub
from tasks.dubbing.models import Found, Models, find_models, open_models
from tasks.dubbing.outcomes import Dubbed
from tasks.extract.child import announce
from tasks.faces.backend import LandmarkBackend, open_backend

_MESH_THREADS: Final = min(4, os.cpu_count() or 1)
"""A job is worked on alone, and the faces of a film picture after picture. Two threads halve a mesh's time, by
which following as a whole takes a third less; it is too small for many."""


def find(settings: Settings, generator: str, translator: str, scratch: str) -> Found:
    """The models, fetched into `scratch` and opened once to see that they can be used.

    Raises: as find_models and open_models; WeightsMissingError - the backend's.
    """
    found = find_models(settings, generator, translator, Path(scratch))
    _opened(found, settings)
    return found


def work_on(job: DubJob, found: Found, settings: Settings) -> Dubbed:
    """Dub one video.

    Raises: as dub.
    """
    models, backend = _opened(found, settings)
    return dub(job, models, backend, settings, _Teller())


@cache
def _opened(found: Found, settings: Settings) -> tuple[Models, LandmarkBackend]:
    backend = open_backend(settings, _MESH_THREADS)
    return open_models(found, settings, backend), backend


class _Teller:
    """Passes on to the parent what happens, as the name of a watcher's method and its arguments."""

    def job(self, number: int, jobs: int, name: str) -> None:
        """Tell the parent."""
        announce(("job", (number, jobs, name)))

    def phase(self, name: str, frames: int | None) -> None:
        """Tell the parent."""
        announce(("phase", (name, frames)))

    def frame(self) -> None:
        """Tell the parent."""
        announce(("frame", ()))
