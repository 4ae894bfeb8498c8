"""Dubbing of one video, from its file to the new one; used for a single job and for each of a manifest's."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av.error

from model.dubbing.timing import OutputTimeline, plan_timeline
from model.files import atomic_path, is_disk_full
from schemas.config.dubbing import OUTPUT_FORMATS, DubJob
from schemas.config.limits import LimitSettings
from schemas.config.settings import Settings
from schemas.errors import DubbingError
from tasks.dubbing.appearance import ReferenceFrames, References
from tasks.dubbing.appearance_source import lent
from tasks.dubbing.canvas import Canvas, Look
from tasks.dubbing.checks import output_faults
from tasks.dubbing.compositing import FrameCompositor
from tasks.dubbing.face_tracking import Followed, follow
from tasks.dubbing.finetuning import as_clip, first_seconds, tuned
from tasks.dubbing.models import Models
from tasks.dubbing.notes import comment, no_face, on_covers, on_damage, on_speech
from tasks.dubbing.outcomes import OF_SPEECH, Dubbed, readable
from tasks.dubbing.output import write_video
from tasks.dubbing.prefetch import AHEAD, ahead
from tasks.dubbing.progress import KernelTimer
from tasks.dubbing.segments import Face, Segment, covered_frames, lay_out
from tasks.dubbing.source import SourceVideo
from tasks.dubbing.speech import SpeechSource
from tasks.faces.backend import LandmarkBackend
from tasks.media.containers import words
from tasks.media.paths import fingerprint, localise, path_to_uri
from tasks.monitoring.progress import ProgressSink


@dataclass(frozen=True, slots=True, eq=False)
class DubPlan:
    """Plan of a dubbing. covered: output frames that are left alone, since something lies over the mouth.
    speech_s, speech_peak: length of the speech, and its largest magnitude.
    """

    look: Look
    canvas: Canvas
    followed: Followed
    timeline: OutputTimeline
    parts: Sequence[Segment]
    covered: int
    speech_s: Fraction
    speech_peak: float

    @property
    def dubbed(self) -> int:
        """Output frames in which something of the dubbing shows."""
        return sum(part.strength(frame) > 0 for part in self.parts for frame in range(len(part.rows_N)))

    @property
    def speech_cut_s(self) -> float:
        """Seconds of speech that are left out at its end, 0 where it fits; less than a frame is no cut."""
        over = self.speech_s - self.timeline.end_s
        return float(over) if over >= int(self.timeline.lasts_N[-1]) * self.timeline.base else 0.0


Planned = Callable[[DubPlan], None]


def dub(
    job: DubJob,
    models: Models,
    backend: LandmarkBackend,
    settings: Settings,
    watcher: ProgressSink | None = None,
    planned: Planned | None = None,
    made: Path | None = None,
) -> Dubbed:
    """Dub one video. planned: is shown what is going to be done, before it is. made: the file to write, where it is not
    yet to be the job's own.

    Raises: SourceError - the video or the speech cannot be used. DubbingError - there is no such face in it, or the
    output cannot be written. ModelFileError, WorkspaceError - a translator that is to be tuned cannot be, see tuned.
    OSError - the disk is full. The output's name is touched only by a whole file.
    """
    began = time.perf_counter()
    out = made or _writable(job)
    with tempfile.TemporaryDirectory(prefix="heterodub-") as folder:
        tools = _Tools(models, backend, settings, KernelTimer(), watcher or ProgressSink(), Path(folder))
        with _opened(job, tools) as (film, speech), readable(job.video):
            plan = _plan(job, film, speech, tools)
            if planned is not None:
                planned(plan)
            dubbed, names = _render(job, film, speech, plan, tools, out)
        notes = (*on_speech(plan, job), *on_covers(plan), *on_damage(film), *film.seen.lines(), *plan.look.notes)
    took, spent, seconds = time.perf_counter() - began, tools.stopwatch.seconds, float(plan.timeline.end_s)
    return Dubbed(
        str(out), plan.timeline.frames, dubbed, seconds, took, spent, *names, plan.covered, plan.speech_cut_s, notes
    )


def plan_dub(job: DubJob, models: Models, backend: LandmarkBackend, settings: Settings) -> DubPlan:
    """Plan what a dubbing of the job shows, without making it.

    Raises: SourceError, DubbingError - as dub.
    """
    with tempfile.TemporaryDirectory(prefix="heterodub-") as folder:
        tools = _Tools(models, backend, settings, KernelTimer(), ProgressSink(), Path(folder))
        with _opened(job, tools) as (film, speech), readable(job.video):
            return _plan(job, film, speech, tools)


@dataclass(frozen=True, slots=True)
class _Tools:
    """Models, settings and helpers shared by the passes."""

    models: Models
    backend: LandmarkBackend
    settings: Settings
    stopwatch: KernelTimer
    watcher: ProgressSink
    scratch: Path


@contextmanager
def open_speech(named: str, limits: LimitSettings, scratch: Path) -> Iterator[SpeechSource]:
    """Open a speech by its path or address.

    Raises: SourceError - it cannot be used.
    """
    with ExitStack() as opened:
        with readable(named, OF_SPEECH):
            path = opened.enter_context(localise(_uri(named), scratch, limits.web_origins))
            speech = opened.enter_context(SpeechSource.open(path, limits, scratch))
        yield speech


@contextmanager
def _opened(job: DubJob, tools: _Tools) -> Iterator[tuple[SourceVideo, SpeechSource]]:
    """Open the job's video and speech."""
    limits = tools.settings.limits
    with ExitStack() as opened:
        with tools.stopwatch("decode sound"):
            speech = opened.enter_context(open_speech(job.speech, limits, tools.scratch))
        with readable(job.video):
            path = opened.enter_context(localise(_uri(job.video), tools.scratch, limits.web_origins))
            film = SourceVideo.open(path, limits)
        yield film, speech


def _plan(job: DubJob, film: SourceVideo, speech: SpeechSource, tools: _Tools) -> DubPlan:
    """Run the analysis passes: face tracking, timeline, and stage 1."""
    models, settings, stopwatch = tools.models, tools.settings, tools.stopwatch
    for look in film.looks():
        canvas = Canvas(look)
        tools.watcher.phase("follow faces", _expected_frames(film))
        followed = follow(
            film,
            canvas,
            tools.backend,
            settings.clips,
            settings.dub.least_tracked_frames,
            stopwatch,
            tools.watcher.advance,
        )
        if followed.tracks:
            break
    timeline = plan_timeline(followed.ticks_S, followed.last_lasts, followed.base, speech.seconds, job.length)
    with stopwatch("stage 1"):
        parts = lay_out(
            followed, timeline, job.face, speech, models.generator, models.card, settings.dub, settings.clips
        )
    covered = covered_frames(followed, timeline, job.face)
    if not parts:
        raise DubbingError(no_face(job, len(followed.tracks), covered))
    return DubPlan(look, canvas, followed, timeline, parts, covered, speech.seconds, speech.peak)


def _render(
    job: DubJob, film: SourceVideo, speech: SpeechSource, plan: DubPlan, tools: _Tools, out: Path
) -> tuple[int, tuple[str, str]]:
    """Run the passes that composite and write. Returns how many frames were dubbed, and the models' names."""
    models, settings, stopwatch, watcher = tools.models, tools.settings, tools.stopwatch, tools.watcher
    canvas, look, timeline = plan.canvas, plan.look, plan.timeline
    faces = list({id(part.face): part.face for part in plan.parts}.values())
    if job.finetune is not None:
        models = _tuned(models, job.finetune, first_seconds(faces, plan.followed, job.finetune), film, canvas, tools)
    watcher.phase("references", None)
    reference_of: Callable[[Face], ReferenceFrames]
    if job.appearance_from is None:
        reference_of = _collected(faces, film, canvas, tools).of
    else:
        reference_of = _lent(job.appearance_from, tools)
    painting = FrameCompositor(
        film, look, timeline, plan.parts, models.translator, reference_of, settings.dub.chunk_frames, stopwatch
    )
    watcher.phase("dub", timeline.frames)
    painted = closing(ahead(painting.frames(), AHEAD))
    form = OUTPUT_FORMATS[out.suffix.lower()]
    with atomic_path(out) as partial, _written(out), painted as frames:
        dubbed = write_video(
            partial, form, frames, look, timeline, speech, comment(models), settings.dub, stopwatch, watcher.advance
        )
    return dubbed, models.names


def _collected(faces: Sequence[Face], film: SourceVideo, canvas: Canvas, tools: _Tools) -> References:
    """Collect the faces' reference crops."""
    references = References(faces, tools.models.translator.side_px, tools.scratch)
    references.collect(film, canvas, tools.stopwatch, tools.watcher.advance)
    return references


def _tuned(
    models: Models, seconds: float, faces: Sequence[Face], film: SourceVideo, canvas: Canvas, tools: _Tools
) -> Models:
    """Return the models, fine-tuned on the faces."""
    shown = _collected(faces, film, canvas, tools)
    clips = [as_clip(face, shown.of(face)) for face in faces]
    with tools.stopwatch("fine-tune"):
        return tuned(models, clips, fingerprint(film.path), seconds, tools.settings, tools.watcher)


def _lent(named: str, tools: _Tools) -> Callable[[Face], ReferenceFrames]:
    """Return the face of another video or picture, in the place of every face."""
    origins = tools.settings.limits.web_origins
    with readable(named), localise(_uri(named), tools.scratch, origins) as path:
        shown = lent(path, tools.backend, tools.settings, tools.models.translator.side_px, tools.scratch)
    return lambda face: shown


def _expected_frames(film: SourceVideo) -> int | None:
    seconds, fps = film.facts.duration_s, film.facts.nominal_fps
    return round(seconds * fps) if seconds and fps else None


def _uri(named: str) -> str:
    return named if "://" in named else path_to_uri(Path(named))


def _writable(job: DubJob) -> Path:
    """Path of the output.

    Raises: DubbingError - it cannot be written under its name.
    """
    if faults := "; ".join(output_faults(job)):
        raise DubbingError(faults)
    return Path(job.out)


@contextmanager
def _written(out: Path) -> Iterator[None]:
    try:
        yield
    except av.error.FFmpegError as error:
        if is_disk_full(error.errno):
            raise OSError(error.errno, error.strerror, str(out)) from error
        raise DubbingError(f"{out} cannot be written: {words(error)}") from error
