"""Evaluation of the finished files of dubbing jobs, each in a child process, whose death costs one job its scores."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from heterodub.model.evaluation.syncnet import SyncScorer
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import HeterodubError
from heterodub.tasks.dubbing.batch import Dubber, open_dubber, titled
from heterodub.tasks.dubbing.jobs import ModelPaths, inputs_of, readable
from heterodub.tasks.dubbing.worker import Announcer, opened
from heterodub.tasks.evaluation.dubbing import DubScores, evaluate_dubbing, merged
from heterodub.tasks.ingestion.child_process import FunctionName
from heterodub.tasks.monitoring.progress import ProgressSink

_EVALUATE = FunctionName("heterodub.tasks.evaluation.dub_jobs:evaluate_job")


def evaluate_jobs(
    jobs: Sequence[DubJob],
    generator: str | None,
    translator: str | None,
    settings: Settings,
    scorer: SyncScorer,
    progress: ProgressSink,
) -> DubScores:
    """Score the jobs' finished files; see tasks/evaluation/dubbing.py.

    Raises: ModelFileError, TrackingError, WorkspaceError, WeightsMissingError, DubbingError - as dub_jobs.
    """
    with open_dubber(settings, generator, translator) as dubber:
        return evaluate_by(dubber, jobs, generator, translator, settings, scorer, progress)


def evaluate_by(
    dubber: Dubber,
    jobs: Sequence[DubJob],
    generator: str | None,
    translator: str | None,
    settings: Settings,
    scorer: SyncScorer,
    progress: ProgressSink,
) -> DubScores:
    """Score the jobs' finished files in a dubber's child; see evaluate_jobs.

    Raises: as evaluate_jobs.
    """
    scores: list[DubScores] = []
    paths = dubber.find(generator, translator)
    dubber.open(paths)
    for place, job in enumerate(jobs):
        try:
            with readable(job.video):
                request, media = (_EVALUATE, job, paths, settings, scorer), [*inputs_of(job), job.out]
                scores.append(
                    dubber.ask(*request, progress=titled(progress, jobs, place), media=media, returns=DubScores)
                )
        except HeterodubError as error:
            scores.append(DubScores(*paths.names, (), {job.video: str(error)}, {}))
    return merged(scores)


def evaluate_job(job: DubJob, paths: ModelPaths, settings: Settings, scorer: SyncScorer) -> DubScores:
    """Score one job's finished file, in the child.

    Raises: as evaluate_dubbing.
    """
    models, backend = opened(paths, settings)
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        return evaluate_dubbing(job, models, backend, settings, scorer, Path(scratch), Announcer())
