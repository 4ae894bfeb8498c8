"""Dubbing of one video: follow its faces, speak, collect references, fine-tune, composite, and encode."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

from heterodub.model.dubbing.timing import OutputTimeline, plan_timeline
from heterodub.schemas.config.dubbing import SYNTHETIC, DubJob
from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import DubbingError
from heterodub.schemas.reasons import EXPLANATIONS, ClipReason, FileReason
from heterodub.tasks.dubbing.compositing import composite
from heterodub.tasks.dubbing.encoding import encode
from heterodub.tasks.dubbing.face_tracking import Followed, follow
from heterodub.tasks.dubbing.jobs import OF_SPEECH, Dubbed, output_faults, own_version, readable, uri_of
from heterodub.tasks.dubbing.models import Models, as_clip, finetune, first_seconds
from heterodub.tasks.dubbing.passes import PassMonitor
from heterodub.tasks.dubbing.references import ReferenceFrames, collect_references, load_references
from heterodub.tasks.dubbing.segments import Face, Segment, covered_frames, speak
from heterodub.tasks.dubbing.speaker_choice import speaking_faces
from heterodub.tasks.faces.backend import LandmarkBackend
from heterodub.tasks.media.canvas import Canvas, PictureFormat
from heterodub.tasks.media.counted_notes import note_lines
from heterodub.tasks.media.paths import fingerprint, localise
from heterodub.tasks.media.source_video import SourceVideo
from heterodub.tasks.media.speech import SpeechSource
from heterodub.tasks.monitoring.progress import ProgressSink

_SILENT: Final = 10 ** (-60 / 20)
"""Peak below which a speech counts as silent: -60 dBFS, below the level of the quietest speech that is learned from."""


@dataclass(frozen=True, slots=True, eq=False)
class DubInputs:
    """The opened files of a job, and what works on them. scratch: a folder that is removed behind it."""

    job: DubJob
    film: SourceVideo
    speech: SpeechSource
    models: Models
    backend: LandmarkBackend
    settings: Settings
    scratch: Path
    monitor: PassMonitor


@dataclass(frozen=True, slots=True, eq=False)
class DubPlan:
    """Plan of a dubbing: its frames and their landmarks. covered: output frames that are left alone, since something
    lies over the mouth. speech_s, speech_peak: length of the speech, and its largest magnitude.
    """

    look: PictureFormat
    canvas: Canvas
    followed: Followed
    timeline: OutputTimeline
    parts: Sequence[Segment]
    covered: int
    speech_s: Fraction
    speech_peak: float
    notes: tuple[str, ...] = ()

    @property
    def dubbed(self) -> int:
        """Output frames in which something of the dubbing shows."""
        return sum(part.strength(frame) > 0 for part in self.parts for frame in range(len(part.rows_N)))

    @property
    def faces(self) -> list[Face]:
        """Faces of the segments, each once, by time."""
        return list(dict.fromkeys(part.face for part in self.parts))

    @property
    def speech_cut_s(self) -> float:
        """Seconds of speech that are left out at its end, 0 where it fits; less than a frame is no cut."""
        over = self.speech_s - self.timeline.end_s
        return float(over) if over >= int(self.timeline.lasts_N[-1]) * self.timeline.base else 0.0


def dub(
    job: DubJob,
    models: Models,
    backend: LandmarkBackend,
    settings: Settings,
    progress: ProgressSink | None = None,
    out: Path | None = None,
) -> Dubbed:
    """Dub one video. out: the file to write, where it is not yet to be the job's own.

    Raises: SourceError - the video or the speech cannot be used. DubbingError - there is no such face in it, or the
    output cannot be written. ModelFileError, WorkspaceError - a translator cannot be fine-tuned, see finetune.
    OSError - the disk is full. The output's name is touched only by a whole file.
    """
    if out is None and (faults := "; ".join(output_faults(job))):
        raise DubbingError(faults)
    with open_inputs(job, models, backend, settings, progress) as inputs:
        return render(inputs, plan_dub(inputs), out or Path(job.out))


@contextmanager
def open_inputs(
    job: DubJob, models: Models, backend: LandmarkBackend, settings: Settings, progress: ProgressSink | None = None
) -> Iterator[DubInputs]:
    """Open the job's video and speech.

    Raises: SourceError - one of them cannot be used, now or within the block.
    """
    monitor, limits = PassMonitor(progress), settings.limits
    with tempfile.TemporaryDirectory(prefix="heterodub-") as folder:
        scratch = Path(folder)
        with monitor("decode sound"):
            speech = open_speech(job.speech, limits, scratch)
        with speech, readable(job.video), localise(uri_of(job.video), scratch, limits.web_origins) as path:
            film = SourceVideo.open(path, limits)
            yield DubInputs(job, film, speech, models, backend, settings, scratch, monitor)


def open_speech(location: str, limits: LimitSettings, scratch: Path) -> SpeechSource:
    """Open a speech by its path or address: it is decoded into `scratch`. To be closed.

    Raises: SourceError - it cannot be used.
    """
    with readable(location, OF_SPEECH), localise(uri_of(location), scratch, limits.web_origins) as path:
        return SpeechSource.open(path, limits, scratch)


def plan_dub(inputs: DubInputs) -> DubPlan:
    """Plan the frames of the output: follow the faces of the video, and predict the lips of the chosen one.

    Raises: MediaRefusedError - the video cannot be read. DubbingError - it has no such face.
    """
    job, speech, models, settings = inputs.job, inputs.speech, inputs.models, inputs.settings
    look, canvas, followed = _follow(inputs)
    notes: tuple[str, ...] = ()
    if (number := job.face) == "speaking":
        with inputs.monitor("who speaks"):
            speakers = speaking_faces(followed, inputs.film.path, settings.limits)
        followed, notes, number = replace(followed, tracks=speakers.tracks), speakers.notes, 1
    timeline = plan_timeline(followed.ticks_S, followed.last_lasts, followed.base, speech.seconds, job.length)
    with inputs.monitor("stage 1"):
        segments = speak(
            followed, timeline, number, speech, models.generator, models.card.gain, settings.dub, settings.clips
        )
    covered = covered_frames(followed, timeline, number)
    if not segments:
        raise DubbingError(_no_face(job, len(followed.tracks), covered))
    return DubPlan(look, canvas, followed, timeline, segments, covered, speech.seconds, speech.peak, notes)


def render(inputs: DubInputs, plan: DubPlan, out: Path) -> Dubbed:
    """Render a plan: collect references, fine-tune where the job says so, composite, and encode into a file.

    Raises: MediaRefusedError, SourceError, DubbingError, ModelFileError, WorkspaceError, OSError - as dub.
    """
    film, speech, settings, monitor = inputs.film, inputs.speech, inputs.settings, inputs.monitor
    references = _references(inputs, plan)
    models = _finetuned(inputs, plan)
    monitor.progress.phase("dub", plan.timeline.frames)
    frames = composite(
        film,
        plan.look,
        plan.timeline,
        plan.parts,
        models.translator,
        references,
        settings.dub.chunk_frames,
        monitor,
    )
    dubbed = encode(out, frames, plan.look, plan.timeline, speech, _comment(models.names), settings.dub, monitor)
    return Dubbed(
        out=str(out),
        frames=plan.timeline.frames,
        dubbed=dubbed,
        seconds=float(plan.timeline.end_s),
        took_s=monitor.took_s,
        seconds_by=monitor.seconds,
        generator=models.names[0],
        translator=models.names[1],
        covered=plan.covered,
        speech_cut_s=plan.speech_cut_s,
        notes=tuple(_notes(inputs, plan)),
    )


def _follow(inputs: DubInputs) -> tuple[PictureFormat, Canvas, Followed]:
    """Follow the faces of the first video stream that shows one, or of the last one, if none does."""
    film, settings, monitor = inputs.film, inputs.settings, inputs.monitor
    for look in film.looks():
        canvas = Canvas(look)
        monitor.progress.phase("follow faces", _expected_frames(film))
        followed = follow(film, canvas, inputs.backend, settings.clips, settings.dub.least_tracked_frames, monitor)
        if followed.tracks:
            break
    return look, canvas, followed


def _references(inputs: DubInputs, plan: DubPlan) -> dict[Face, ReferenceFrames]:
    """Reference crops of each face: its own, or those of the video or picture that lends its looks to all."""
    side_px, lender = inputs.models.translator.side_px, inputs.job.appearance_from
    inputs.monitor.progress.phase("references", None)
    if lender is None:
        return collect_references(plan.faces, inputs.film, plan.canvas, side_px, inputs.scratch, inputs.monitor)
    origins = inputs.settings.limits.web_origins
    with readable(lender), localise(uri_of(lender), inputs.scratch, origins) as path:
        lent = load_references(path, inputs.backend, inputs.settings, side_px, inputs.scratch)
    return dict.fromkeys(plan.faces, lent)


def _finetuned(inputs: DubInputs, plan: DubPlan) -> Models:
    """Models of the dubbing, with the translator fine-tuned on the video's faces where the job says so."""
    film, models, monitor, seconds = inputs.film, inputs.models, inputs.monitor, inputs.job.finetune
    if seconds is None:
        return models
    faces = first_seconds(plan.faces, plan.followed, seconds)
    by_face = collect_references(faces, film, plan.canvas, models.translator.side_px, inputs.scratch, monitor)
    clips = [as_clip(face, references) for face, references in by_face.items()]
    with monitor("fine-tune"):
        return finetune(models, clips, fingerprint(film.path), seconds, inputs.settings, monitor.progress)


def _expected_frames(film: SourceVideo) -> int | None:
    seconds, fps = film.facts.duration_s, film.facts.nominal_fps
    return round(seconds * fps) if seconds and fps else None


def _no_face(job: DubJob, tracks: int, covered: int) -> str:
    """Explain why no face can be dubbed. tracks: faces in the video. covered: frames with a covered mouth."""
    if covered:
        return f"{job.video}: {EXPLANATIONS[ClipReason.MOUTH_COVERED]} of the face wherever it is seen"
    if tracks and job.face != "speaking":
        return f"{job.video}: no shot has {job.face} faces; `--face 1` takes the largest of each"
    return f"{job.video}: {EXPLANATIONS[FileReason.NO_FACE]}, so there is no mouth to move"


def _notes(inputs: DubInputs, plan: DubPlan) -> Iterator[str]:
    """Yield remarks for people: on the speech and on where it and the picture end, on covers, damage and losses."""
    end_s, frame_s = plan.timeline.end_s, int(plan.timeline.lasts_N[-1]) * plan.timeline.base
    picture_s = plan.followed.seconds
    if plan.speech_peak < _SILENT:
        yield "the speech is silent, so the mouth rests"
    if cut_s := plan.speech_cut_s:
        yield (
            f"the speech is {cut_s:.2f} s longer than the picture: its last {cut_s:.2f} s are cut off; "
            f"`--length speech` or `--length loop` keeps them"
        )
    elif end_s - plan.speech_s >= frame_s:
        left_s = float(end_s - plan.speech_s)
        yield f"the speech is {left_s:.2f} s shorter than the picture: silence follows it, under a mouth at rest"
    if inputs.job.length != "picture" and picture_s - float(end_s) >= float(frame_s):
        yield f"the picture is longer than the speech: its last {picture_s - float(end_s):.2f} s are cut off"
    if plan.covered:
        yield f"something lies over the mouth in {plan.covered} frames, which are left alone"
    yield from plan.notes
    yield from (f"the video is damaged, what follows is lost: {words}" for words in inputs.film.damage)
    yield from note_lines(inputs.film.seen.counted())
    yield from plan.look.notes


def _comment(names: tuple[str, str]) -> str:
    """Text for the file's metadata: that it is synthetic, and made by which models."""
    return (
        f"synthetic: the mouth was made to fit another speech; digitalSourceType={SYNTHETIC}; "
        f"software=heterodub {own_version()}; landmarks={names[0]}; translator={names[1]}"
    )
