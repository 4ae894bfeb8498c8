"""Code of the child process that dubs: its models are opened once, each job is worked on by itself."""

import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from model.syncnet.scorer import SyncScorer
from schemas.config.dubbing import DubJob
from schemas.config.settings import Settings
from tasks.dubbing.dub import dub
from tasks.dubbing.models import ModelPaths, Models, find_models, open_models
from tasks.dubbing.outcomes import Dubbed
from tasks.evaluation.dubbing import DubScores, evaluate_dubbing
from tasks.faces.backend import LandmarkBackend, open_backend
from tasks.ingestion.child import announce
from tasks.monitoring.progress import ProgressSink

_MESH_THREADS: Final = min(4, os.cpu_count() or 1)
"""A job is worked on alone, and the faces of a film picture after picture. Two threads halve a mesh's time, by
which following as a whole takes a third less; it is too small for many."""


def find(settings: Settings, generator: str, translator: str, scratch: str) -> ModelPaths:
    """The models, fetched into `scratch`. They are not opened: this runs outside of the sandbox.

    Raises: as find_models.
    """
    return find_models(settings, generator, translator, Path(scratch))


def open_both(found: ModelPaths, settings: Settings) -> None:
    """Open the models, to see that they can be used.

    Raises: as open_models; WeightsMissingError - the backend's.
    """
    _opened(found, settings)


def work_on(job: DubJob, found: ModelPaths, settings: Settings, made: Path) -> Dubbed:
    """Dub one video, into the file `made`.

    Raises: as dub.
    """
    models, backend = _opened(found, settings)
    return dub(job, models, backend, settings, _Announcer(), made=made)


def judge(job: DubJob, found: ModelPaths, settings: Settings, scorer: SyncScorer) -> DubScores:
    """Judge one job's dubbing.

    Raises: as evaluate_dubbing.
    """
    models, backend = _opened(found, settings)
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        return evaluate_dubbing(job, models, backend, settings, scorer, Path(scratch), _Announcer())


@cache
def _opened(found: ModelPaths, settings: Settings) -> tuple[Models, LandmarkBackend]:
    backend = open_backend(settings, _MESH_THREADS)
    return open_models(found, settings, backend), backend


class _Announcer(ProgressSink):
    """Sends progress to the parent, as the name of a sink's method and its arguments."""

    def phase(self, name: str, total: int | None = None, done: int = 0, share: float | None = None) -> None:
        """Announce it to the parent."""
        announce(("phase", (name, total)))

    def advance(self, detail: str = "", share: float | None = None) -> None:
        """Announce it to the parent."""
        announce(("advance", ()))
