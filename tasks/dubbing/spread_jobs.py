"""Jobs of a manifest spread over Dask workers, as files are in an ingest: with the same back-pressure, and the same
isolation. A worker keeps a child with its models from job to job. One that dies is replaced, and its job tried again.

Outputs are put in their places and signed by the workers, so these see the paths of the driver, the private key's
among them; records of finished jobs are the driver's.
"""

import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from heterodub.schemas.acceptance import AcceptancePolicy, load_acceptance_policy
from heterodub.schemas.config.cores import usable_cores
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import DubbingError, MediaRefusedError
from heterodub.tasks.dubbing.batch import Dubber, Elsewhere, Outcome, open_dubber, outcome_of
from heterodub.tasks.dubbing.jobs import Dubbed, ModelPaths, rooted
from heterodub.tasks.ingestion.dask_client import open_client
from heterodub.tasks.ingestion.dask_executor import spread
from heterodub.tasks.media.paths import local_path
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.provenance.certificate import Signer, open_signer

Item = tuple[int, DubJob]


class _Kept(threading.local):
    """The dubber of a worker's thread, with what it was opened for."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.asked: object = None
        self.opened: tuple[Dubber, ModelPaths, AcceptancePolicy | None, Signer | None] | None = None


_KEPT: Final = _Kept()


def workers_of(settings: Settings, generator: str | None, translator: str | None) -> Elsewhere | None:
    """Return what dubs on Dask workers, where the settings name some: a cluster, or several on this machine."""
    if settings.run.dask is None and settings.dub.workers < 2:
        return None
    return partial(_dub_on_workers, generator=generator, translator=translator, settings=settings)


def _dub_on_workers(
    jobs: Mapping[int, DubJob],
    paths: ModelPaths,
    progress: ProgressSink,
    generator: str | None,
    translator: str | None,
    settings: Settings,
) -> Iterator[tuple[int, Outcome]]:
    """Yield the outcome of each job as it ends, the largest film first.

    Raises: ClusterError - there is no such cluster, or it was lost.
    """
    cores = None if settings.run.dask else max(1, usable_cores() // settings.dub.workers)
    tuned = any(job.finetune is not None for job in jobs.values())
    work = partial(
        _work, models=(generator, translator), names=paths.names, settings=settings.rooted(), tuned=tuned, cores=cores
    )
    items = iter(
        sorted(((place, rooted(job)) for place, job in jobs.items()), key=lambda item: (-_size(item), item[0]))
    )
    workers = min(settings.dub.workers, len(jobs))
    progress.phase("dub jobs", len(jobs))
    with (
        tempfile.TemporaryDirectory(prefix="heterodub-") as scratch,
        open_client(settings.run.dask, workers, Path(scratch), settings.limits.attempts) as client,
    ):
        for (place, job), outcome in spread(client, work, items, lambda item: f"dub-{item[0]}", _size):
            progress.advance()
            yield place, f"{job.video}: {outcome}" if isinstance(outcome, MediaRefusedError) else outcome


def _size(item: Item) -> float:
    """Bytes of a job's film, which say how long it takes; 0 where it is remote."""
    video = item[1].video
    path = local_path(video) if "://" in video else Path(video)
    return float(path.stat().st_size) if path is not None and path.is_file() else 0.0


def _work(
    item: Item,
    models: tuple[str | None, str | None],
    names: tuple[str, str],
    settings: Settings,
    tuned: bool,
    cores: int | None,
) -> Outcome:
    """Dub a job on a worker."""
    job = item[1]
    return outcome_of(job, lambda: _dubbed(job, models, names, settings, tuned, cores))


def _dubbed(
    job: DubJob,
    models: tuple[str | None, str | None],
    names: tuple[str, str],
    settings: Settings,
    tuned: bool,
    cores: int | None,
) -> Dubbed:
    asked = (models, names, settings.model_dump_json(), tuned)
    if _KEPT.asked != asked or _KEPT.opened is None:
        _KEPT.stack.close()
        _KEPT.opened, _KEPT.asked = None, asked
        dubber = _KEPT.stack.enter_context(open_dubber(settings, *models, tuned, cores))
        paths = dubber.find(*models)
        if paths.names != names:
            raise DubbingError(f"a worker finds {' and '.join(paths.names)} in place of {' and '.join(names)}")
        dubber.open(paths)
        policy = load_acceptance_policy(settings.dub.accept) if settings.dub.measure else None
        _KEPT.opened = dubber, paths, policy, open_signer(settings.provenance)
    dubber, paths, policy, signer = _KEPT.opened
    return dubber.dub(job, paths, policy, ProgressSink(), signer)
