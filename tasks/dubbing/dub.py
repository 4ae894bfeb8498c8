"""One video dubbed, from its file to the new one. The same function serves a single job and each of a manifest's."""

import errno
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import av.error

from model.dubbing.timing import Timeline, plan_timeline
from schemas.dubbing import DubJob
from schemas.errors import DubbingError
from schemas.reasons import EXPLANATIONS, FileReason
from schemas.settings import Settings
from tasks.dubbing.ahead import AHEAD, ahead
from tasks.dubbing.appearance import References, Shown
from tasks.dubbing.canvas import Canvas
from tasks.dubbing.following import follow
from tasks.dubbing.lending import lent
from tasks.dubbing.models import Models
from tasks.dubbing.outcomes import Dubbed, readable
from tasks.dubbing.output import write_video
from tasks.dubbing.painting import Painting
from tasks.dubbing.partials import whole_or_not_at_all
from tasks.dubbing.parts import Face, Part, lay_out
from tasks.dubbing.source import Film
from tasks.dubbing.speech import Speech
from tasks.dubbing.tuning import as_clip, first_seconds, tuned
from tasks.dubbing.watching import DubWatcher, Silent, Stopwatch
from tasks.faces.backend import LandmarkBackend
from tasks.media.locate import fingerprint, localise, path_to_uri
from tasks.media.opening import words

SYNTHETIC: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's term for pictures of which a part was made by a trained model."""

Planned = Callable[[Timeline, Sequence[Part]], None]

NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def dub(
    job: DubJob,
    models: Models,
    backend: LandmarkBackend,
    settings: Settings,
    watcher: DubWatcher | None = None,
    planned: Planned | None = None,
) -> Dubbed:
    """Dub one video. planned: is shown what is going to be done, before it is.

    Raises: SourceError - the video or the speech cannot be used. DubbingError - there is no such face in it, or the
    output cannot be written. ModelFileError, WorkspaceError - a translator that is to be tuned cannot be, see tuned.
    OSError - the disk is full. The output's name is touched only by a whole file.
    """
    began = time.perf_counter()
    out = _writable(job)
    watcher, stopwatch = watcher or Silent(), Stopwatch()
    with tempfile.TemporaryDirectory(prefix="heterodub-") as folder, ExitStack() as opened:
        scratch = Path(folder)
        with readable(job.speech), stopwatch("decode sound"):
            spoken = opened.enter_context(localise(_uri(job.speech), scratch))
            speech = opened.enter_context(Speech.open(spoken, settings.guards, scratch))
        with readable(job.video):
            film = Film.open(opened.enter_context(localise(_uri(job.video), scratch)), settings.guards)
            tools = _Tools(models, backend, settings, stopwatch, watcher, scratch, planned)
            made = _work(job, film, speech, tools, out)
        notes = tuple(f"the video is damaged, what follows is lost: {words}" for words in film.damage)
        notes += film.seen.lines() + made.notes
    took = time.perf_counter() - began
    return Dubbed(str(out), made.frames, made.dubbed, made.seconds, took, stopwatch.seconds, *made.names, notes)


@dataclass(frozen=True, slots=True)
class _Tools:
    """What the passes share."""

    models: Models
    backend: LandmarkBackend
    settings: Settings
    stopwatch: Stopwatch
    watcher: DubWatcher
    scratch: Path
    planned: Planned | None


@dataclass(frozen=True, slots=True)
class _Made:
    """What the passes came to: the output's frames, how many of them are dubbed, its length, the models' names. notes:
    what of the source's pictures could not be kept.
    """

    frames: int
    dubbed: int
    seconds: float
    names: tuple[str, str]
    notes: tuple[str, ...]


def _work(job: DubJob, film: Film, speech: Speech, tools: _Tools, out: Path) -> _Made:
    """The passes."""
    models, settings, stopwatch, watcher = tools.models, tools.settings, tools.stopwatch, tools.watcher
    look = film.look()
    canvas = Canvas(look)
    watcher.phase("follow faces", _expected_frames(film))
    followed = follow(
        film, canvas, tools.backend, settings.clips, settings.dub.least_tracked_frames, stopwatch, watcher.frame
    )
    timeline = plan_timeline(followed.ticks_S, followed.last_lasts, followed.base, speech.seconds, job.length)
    with stopwatch("stage 1"):
        parts = lay_out(
            followed, timeline, job.face, speech, models.generator, models.card, settings.dub, settings.clips
        )
    if not parts:
        raise DubbingError(_no_face(job, len(followed.tracks)))
    if tools.planned is not None:
        tools.planned(timeline, parts)
    faces = list({id(part.face): part.face for part in parts}.values())
    if job.finetune is not None:
        models = _tuned(models, job.finetune, first_seconds(faces, followed, job.finetune), film, canvas, tools)
    watcher.phase("references", None)
    reference_of: Callable[[Face], Shown]
    if job.appearance_from is None:
        reference_of = _collected(faces, film, canvas, tools).of
    else:
        reference_of = _lent(job.appearance_from, tools)
    painting = Painting(
        film, look, timeline, parts, models.translator, reference_of, settings.dub.chunk_frames, stopwatch
    )
    watcher.phase("dub", timeline.frames)
    painted = closing(ahead(painting.frames(), AHEAD))
    with whole_or_not_at_all(out) as partial, _written(out), painted as frames:
        dubbed = write_video(
            partial, frames, look, timeline, speech, _comment(models), settings.dub, stopwatch, watcher.frame
        )
    return _Made(timeline.frames, dubbed, float(timeline.end_s), models.names, look.notes)


def _collected(faces: Sequence[Face], film: Film, canvas: Canvas, tools: _Tools) -> References:
    """What the faces' reference pictures show."""
    references = References(faces, tools.models.translator.side_px, tools.scratch)
    references.collect(film, canvas, tools.stopwatch, tools.watcher.frame)
    return references


def _tuned(models: Models, seconds: float, faces: Sequence[Face], film: Film, canvas: Canvas, tools: _Tools) -> Models:
    """The models, adapted to what the faces show."""
    shown = _collected(faces, film, canvas, tools)
    clips = [as_clip(face, shown.of(face)) for face in faces]
    with tools.stopwatch("fine-tune"):
        return tuned(models, clips, fingerprint(film.path), seconds, tools.settings, tools.watcher)


def _lent(named: str, tools: _Tools) -> Callable[[Face], Shown]:
    """The face of another video or picture, in the place of every face."""
    with readable(named), localise(_uri(named), tools.scratch) as path:
        shown = lent(path, tools.backend, tools.settings, tools.models.translator.side_px, tools.scratch)
    return lambda face: shown


def _expected_frames(film: Film) -> int | None:
    seconds, fps = film.facts.duration_s, film.facts.nominal_fps
    return round(seconds * fps) if seconds and fps else None


def _no_face(job: DubJob, tracks: int) -> str:
    if tracks:
        return f"{job.video}: no shot has {job.face} faces; `--face 1` takes the largest of each"
    return f"{job.video}: {EXPLANATIONS[FileReason.NO_FACE]}, so there is no mouth to move"


def _comment(models: Models) -> str:
    """What the file's metadata say: that it is synthetic, and by what."""
    try:
        ours = version("heterodub")
    except PackageNotFoundError:
        ours = "of a checkout"
    generator, translator = models.names
    return (
        f"synthetic: the mouth was made to fit another speech; digitalSourceType={SYNTHETIC}; "
        f"software=heterodub {ours}; landmarks={generator}; translator={translator}"
    )


def _uri(named: str) -> str:
    return named if "://" in named else path_to_uri(Path(named))


def _writable(job: DubJob) -> Path:
    out = Path(job.out)
    if not out.parent.is_dir():
        raise DubbingError(f"{out.parent} is no folder that {out.name} could be written into")
    if out.is_dir():
        raise DubbingError(f"{out} is a folder, not the name of a video to write")
    for source in (job.video, job.speech):
        if "://" not in source and out.exists() and Path(source).exists() and out.samefile(source):
            raise DubbingError(f"{out} is the source itself; sources are never written to")
    return out


@contextmanager
def _written(out: Path) -> Iterator[None]:
    try:
        yield
    except av.error.FFmpegError as error:
        if error.errno in NO_ROOM:
            raise OSError(error.errno, error.strerror, str(out)) from error
        raise DubbingError(f"{out} cannot be written: {words(error)}") from error
