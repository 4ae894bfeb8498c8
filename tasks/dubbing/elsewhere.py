"""Requests of a batch of dubbing jobs to workers elsewhere, on this machine or on a cluster."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from heterodub.schemas.acceptance import AcceptancePolicy
from heterodub.schemas.config.dubbing import DubJob
from heterodub.tasks.dubbing.divided_film import Workers
from heterodub.tasks.dubbing.jobs import Dubbed, ModelPaths
from heterodub.tasks.monitoring.progress import ProgressSink

Outcome = Dubbed | str
"""Result of a job, or why there is none."""


class Elsewhere(Protocol):
    """Workers elsewhere."""

    def jobs(
        self, jobs: Mapping[int, DubJob], paths: ModelPaths, policy: AcceptancePolicy | None, progress: ProgressSink
    ) -> Iterable[tuple[int, Outcome]]:
        """Work on jobs, by their places among all; yield the outcome of each as it ends. paths: models found here."""
        ...

    def pieces(self, paths: ModelPaths, progress: ProgressSink) -> AbstractContextManager[tuple[int, Workers]]:
        """Open workers for pieces of one film; see divided_film.OpenWorkers."""
        ...
