"""The opened files of a dubbing, and what works on them."""

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.config.settings import Settings
from heterodub.tasks.dubbing.dialogue import Speech, open_dialogue
from heterodub.tasks.dubbing.jobs import OF_SPEECH, readable, uri_of
from heterodub.tasks.dubbing.models import Models
from heterodub.tasks.dubbing.passes import PassMonitor
from heterodub.tasks.faces.backend import LandmarkBackend
from heterodub.tasks.media.paths import localise
from heterodub.tasks.media.source_video import SourceVideo
from heterodub.tasks.media.speech import SpeechSource
from heterodub.tasks.monitoring.progress import ProgressSink


@dataclass(frozen=True, slots=True, eq=False)
class FilmInputs:
    """The opened film of a job, and what works on it. scratch: a folder that is removed behind it."""

    job: DubJob
    film: SourceVideo
    models: Models
    backend: LandmarkBackend
    settings: Settings
    scratch: Path
    monitor: PassMonitor


@dataclass(frozen=True, slots=True, eq=False)
class DubInputs(FilmInputs):
    """The same, with the speech."""

    speech: Speech


@contextmanager
def open_film(
    job: DubJob, models: Models, backend: LandmarkBackend, settings: Settings, progress: ProgressSink | None = None
) -> Iterator[FilmInputs]:
    """Open the job's video.

    Raises: SourceError - it cannot be used, now or within the block.
    """
    monitor, limits = PassMonitor(progress), settings.limits
    with tempfile.TemporaryDirectory(prefix="heterodub-") as folder:
        scratch = Path(folder)
        with readable(job.video), localise(uri_of(job.video), scratch, limits.web_origins) as path:
            yield FilmInputs(job, SourceVideo.open(path, limits), models, backend, settings, scratch, monitor)


@contextmanager
def open_inputs(
    job: DubJob, models: Models, backend: LandmarkBackend, settings: Settings, progress: ProgressSink | None = None
) -> Iterator[DubInputs]:
    """Open the job's video and speech.

    Raises: SourceError - one of them cannot be used, now or within the block.
    """
    with open_film(job, models, backend, settings, progress) as opened, ExitStack() as stack:
        scratch, monitor = opened.scratch, opened.monitor
        with monitor("decode sound"):
            speech = stack.enter_context(_opened_speech(job, opened.film.path, settings.limits, scratch))
        yield DubInputs(job, opened.film, models, backend, settings, scratch, monitor, speech)


def _opened_speech(job: DubJob, film: Path, limits: LimitSettings, scratch: Path) -> AbstractContextManager[Speech]:
    if job.speech is None:
        return open_dialogue(job, film, limits, scratch)
    return open_speech(job.speech, limits, scratch)


def open_speech(location: str, limits: LimitSettings, scratch: Path) -> SpeechSource:
    """Open a speech by its path or address: it is decoded into `scratch`. To be closed.

    Raises: SourceError - it cannot be used.
    """
    with readable(location, OF_SPEECH), localise(uri_of(location), scratch, limits.web_origins) as path:
        return SpeechSource.open(path, limits, scratch)
