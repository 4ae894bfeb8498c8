"""Code of the child process that dubs: its models are opened once, each job is worked on by itself."""

from functools import cache
from pathlib import Path
from typing import Final

from heterodub.schemas.acceptance import AcceptancePolicy
from heterodub.schemas.config.cores import usable_cores
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.tasks.dubbing.jobs import ModelPaths
from heterodub.tasks.dubbing.models import Models, open_models
from heterodub.tasks.evaluation.acceptance import dub_accepted
from heterodub.tasks.evaluation.acceptance_reports import AcceptedDub
from heterodub.tasks.faces.backend import LandmarkBackend, open_backend
from heterodub.tasks.ingestion.child import announce
from heterodub.tasks.monitoring.progress import ProgressSink

_MESH_THREADS: Final = min(4, usable_cores())
"""A job is worked on alone, and the faces of a film picture after picture. Two threads halve a mesh's time, by
which following as a whole takes a third less; it is too small for many."""


def open_both(paths: ModelPaths, settings: Settings) -> None:
    """Open the models, to see that they can be used.

    Raises: as open_models; WeightsMissingError - the backend's.
    """
    opened(paths, settings)


def work_on(
    job: DubJob, paths: ModelPaths, settings: Settings, rendered: Path, policy: AcceptancePolicy | None
) -> AcceptedDub:  # fmt: skip
    """Dub one video, into the file `rendered`, and measure it against a policy.

    Raises: as dub_accepted.
    """
    models, backend = opened(paths, settings)
    return dub_accepted(job, models, backend, settings, Announcer(), rendered, policy)


@cache
def opened(paths: ModelPaths, settings: Settings) -> tuple[Models, LandmarkBackend]:
    """Return the models and the backend, which are opened once.

    Raises: as open_models; WeightsMissingError - the backend's.
    """
    backend = open_backend(settings, _MESH_THREADS)
    return open_models(paths, settings, backend), backend


class Announcer(ProgressSink):
    """Sends progress to the parent, as the name of a sink's method and its arguments."""

    def phase(self, name: str, total: int | None = None, done: int = 0, share: float | None = None) -> None:
        """Announce it to the parent."""
        announce(("phase", (name, total)))

    def advance(self, detail: str = "", share: float | None = None) -> None:
        """Announce it to the parent."""
        announce(("advance", ()))
