"""Jobs of a manifest spread over Dask workers, as files are in an ingest: with the same back-pressure, and the same
isolation. A worker keeps a child with its models from job to job. One that dies is replaced, and its job tried again.

Outputs are put in their places and signed by the workers, so these see the paths of the driver, the private key's
among them; records of finished jobs are the driver's.
"""

import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from heterodub.schemas.acceptance import AcceptancePolicy
from heterodub.schemas.config.cores import usable_cores
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import DubbingError, MediaRefusedError
from heterodub.tasks.dubbing.batch import Dubber, open_dubber, outcome_of
from heterodub.tasks.dubbing.divided_film import PieceWork, Spent, Workers
from heterodub.tasks.dubbing.elsewhere import Elsewhere, Outcome
from heterodub.tasks.dubbing.jobs import Dubbed, ModelPaths, rooted
from heterodub.tasks.ingestion.dask_client import open_client, workers_for_files
from heterodub.tasks.ingestion.dask_executor import spread
from heterodub.tasks.media.paths import local_path
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.provenance.certificate import open_signer

Item = tuple[int, DubJob]

Asked = tuple[tuple[str | None, str | None], tuple[str, str], Settings, bool]
"""Models as they were asked for, their names, settings, and whether jobs adapt the translator."""


class _Kept(threading.local):
    """The dubber of a worker's thread, with what it was opened for. Workers of a cluster outlive a run, so what is read
    from files that may change under their names, the policy and the certificate, is no part of it.
    """

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.asked: object = None
        self.opened: tuple[Dubber, ModelPaths] | None = None


_KEPT: Final = _Kept()


def workers_of(settings: Settings, generator: str | None, translator: str | None) -> Elsewhere | None:
    """Return what dubs on Dask workers, where the settings name some: a cluster, or several on this machine."""
    if settings.run.dask is None and settings.dub.workers < 2:
        return None
    return _DaskWorkers(settings, (_rooted(generator), _rooted(translator)))


@dataclass(frozen=True, slots=True)
class _DaskWorkers:
    """Workers of a cluster, or local ones. models: as they were asked for."""

    settings: Settings
    models: tuple[str | None, str | None]

    def jobs(
        self, jobs: Mapping[int, DubJob], paths: ModelPaths, policy: AcceptancePolicy | None, progress: ProgressSink
    ) -> Iterator[tuple[int, Outcome]]:
        """Yield the outcome of each job as it ends, the largest film first.

        Raises: ClusterError - there is no such cluster, or it was lost.
        """
        tuned = any(job.finetune is not None for job in jobs.values())
        work = partial(_work, asked=self._asked(paths, tuned), policy=policy, cores=self._cores)
        items = iter(
            sorted(((place, rooted(job)) for place, job in jobs.items()), key=lambda item: (-_size(item), item[0]))
        )
        progress.phase("dub jobs", len(jobs))
        with self._client(min(self.settings.dub.workers, len(jobs))) as client:
            for (place, job), outcome in spread(client, work, items, lambda item: f"dub-{item[0]}", _size):
                progress.advance()
                yield place, f"{job.video}: {outcome}" if isinstance(outcome, MediaRefusedError) else outcome

    @contextmanager
    def pieces(self, paths: ModelPaths, progress: ProgressSink) -> Iterator[tuple[int, Workers]]:
        """Open workers for one film, and say how many there are.

        Raises: ClusterError - there is no such cluster, or it was lost; within the block, what a piece raises.
        """
        work = partial(_work_on_piece, asked=self._asked(paths, False), cores=self._cores)
        with self._client(self.settings.dub.workers) as client:

            def do(pieces: Sequence[PieceWork]) -> list[Spent]:
                done: dict[int, Spent] = {}
                items = enumerate([replace(piece, job=rooted(piece.job)) for piece in pieces])
                for (number, _), spent in spread(client, work, items, lambda item: f"piece-{item[0]}"):
                    if isinstance(spent, MediaRefusedError):
                        raise spent
                    done[number] = spent
                    progress.advance()
                return [done[number] for number in range(len(pieces))]

            yield sum(workers_for_files(client).values()), do

    @property
    def _cores(self) -> int | None:
        return None if self.settings.run.dask else max(1, usable_cores() // self.settings.dub.workers)

    def _asked(self, paths: ModelPaths, tuned: bool) -> Asked:
        return self.models, paths.names, self.settings.rooted(), tuned

    @contextmanager
    def _client(self, workers: int) -> Iterator[Any]:
        settings = self.settings
        with (
            tempfile.TemporaryDirectory(prefix="heterodub-") as scratch,
            open_client(settings.run.dask, workers, Path(scratch), settings.limits.attempts) as client,
        ):
            yield client


def _size(item: Item) -> float:
    """Bytes of a job's film, which say how long it takes; 0 where it is remote."""
    video = item[1].video
    path = local_path(video) if "://" in video else Path(video)
    return float(path.stat().st_size) if path is not None and path.is_file() else 0.0


def _rooted(model: str | None) -> str | None:
    """Return a model with its whole path, if it is named by its folder."""
    return str(Path(model).absolute()) if model is not None and Path(model).is_dir() else model


def _work(item: Item, asked: Asked, policy: AcceptancePolicy | None, cores: int | None) -> Outcome:
    """Dub a job on a worker."""

    def work() -> Dubbed:
        dubber, paths = _opened(asked, cores)
        return dubber.dub(item[1], paths, policy, ProgressSink(), open_signer(asked[2].provenance))

    return outcome_of(item[1], work)


def _work_on_piece(item: tuple[int, PieceWork], asked: Asked, cores: int | None) -> Spent:
    """Work on a piece of a film, on a worker."""
    dubber, paths = _opened(asked, cores)
    return item[1].done_by(dubber, paths, asked[2])


def _opened(asked: Asked, cores: int | None) -> tuple[Dubber, ModelPaths]:
    """Return the dubber of this thread; a new one where another was asked for before."""
    if _KEPT.asked != asked or _KEPT.opened is None:
        models, names, settings, tuned = asked
        _KEPT.stack.close()
        _KEPT.opened, _KEPT.asked = None, asked
        dubber = _KEPT.stack.enter_context(open_dubber(settings, *models, tuned, cores))
        paths = dubber.find(*models)
        if paths.names != names:
            raise DubbingError(f"a worker finds {' and '.join(paths.names)} in place of {' and '.join(names)}")
        dubber.open(paths)
        _KEPT.opened = dubber, paths
    return _KEPT.opened
