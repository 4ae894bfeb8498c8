"""Dubbing of one video: follow its faces, speak, collect references, fine-tune, composite, and encode."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.dubbing.faces import nth_face
from heterodub.model.dubbing.timing import OutputTimeline, plan_timeline
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import DubbingError
from heterodub.tasks.dubbing.casting import lines_of, pictures_of_people
from heterodub.tasks.dubbing.compositing import CompositedFrame, composite
from heterodub.tasks.dubbing.dialogue import Dialogue, dialogue_notes
from heterodub.tasks.dubbing.dub_inputs import DubInputs, FilmInputs, open_inputs
from heterodub.tasks.dubbing.face_tracking import Followed, follow
from heterodub.tasks.dubbing.jobs import Dubbed, output_faults, readable, synthetic_comment, uri_of
from heterodub.tasks.dubbing.models import Models, as_clip, finetune, first_seconds
from heterodub.tasks.dubbing.notes import length_notes, no_face
from heterodub.tasks.dubbing.output import write_output
from heterodub.tasks.dubbing.references import ReferenceFrames, collect_references, load_references
from heterodub.tasks.dubbing.segments import Face, FaceLine, Segment, covered_frames, speak
from heterodub.tasks.dubbing.speaker_choice import speaking_faces
from heterodub.tasks.dubbing.watermarking import watermarked
from heterodub.tasks.faces.backend import LandmarkBackend
from heterodub.tasks.media.canvas import Canvas, PictureFormat
from heterodub.tasks.media.counted_notes import note_lines
from heterodub.tasks.media.paths import fingerprint, localise
from heterodub.tasks.media.source_video import SourceVideo
from heterodub.tasks.monitoring.progress import ProgressSink

_SILENT: Final = 10 ** (-60 / 20)
"""Peak below which a speech counts as silent: -60 dBFS, below the level of the quietest speech that is learned from."""


@dataclass(frozen=True, slots=True, eq=False)
class DubPlan:
    """Plan of a dubbing: its frames and their landmarks. covered: output frames that are left alone, since something
    lies over the mouth. speech_s, speech_peak: length of the speech, and its largest magnitude.
    """

    look: PictureFormat
    followed: Followed
    timeline: OutputTimeline
    lines: Sequence[FaceLine]
    parts: Sequence[Segment]
    covered: int
    speech_s: Fraction
    speech_peak: float
    notes: tuple[str, ...] = ()

    @property
    def dubbed(self) -> int:
        """Output frames in which something of the dubbing shows."""
        return int(self.is_shown.sum())

    @property
    def is_shown(self) -> NDArray[np.bool_]:
        """Flags of output frames in which something of the dubbing shows, (N,)."""
        shown = np.zeros(self.timeline.frames, bool)
        for part in self.parts:
            shown[part.first : part.stop] |= part.is_shown & (part.shown_N > 0)
        return shown

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


def plan_dub(inputs: DubInputs) -> DubPlan:
    """Plan the frames of the output: follow the faces of the video, and predict the lips of the chosen one.

    Raises: MediaRefusedError - the video cannot be read. DubbingError - it has no such face.
    """
    job, speech, models, settings = inputs.job, inputs.speech, inputs.models, inputs.settings
    look, followed = _follow(inputs)
    notes: tuple[str, ...] = ()
    number = 1 if job.face == "speaking" else job.face
    if job.face == "speaking" and job.turns is None:
        with inputs.monitor("who speaks"):
            speakers = speaking_faces(followed, inputs.film.path, settings.limits)
        followed, notes = replace(followed, tracks=speakers.tracks), speakers.notes
    timeline = plan_timeline(followed.ticks_S, followed.last_lasts, followed.base, speech.seconds, job.length)
    lines = _lines(inputs, look, followed, number)
    with inputs.monitor("stage 1"):
        segments = speak(lines, timeline, models.generator, models.card.gain, settings.dub, settings.clips)
    covered = covered_frames(lines, timeline)
    if not segments:
        raise DubbingError(no_face(job, len(followed.tracks), covered))
    return DubPlan(look, followed, timeline, lines, segments, covered, speech.seconds, speech.peak, notes)


def _lines(inputs: DubInputs, look: PictureFormat, followed: Followed, number: int) -> list[FaceLine]:
    """Lines of the one face that speaks throughout, the number-th largest, or of everybody who has turns."""
    if isinstance(inputs.speech, Dialogue):
        people = pictures_of_people(inputs.job, inputs.backend, inputs.settings, inputs.scratch)
        lines = lines_of(inputs.job, inputs.speech, followed, look.geometry.displayed, people)
        return list(lines.values())
    return [FaceLine(nth_face(followed.tracks, number), inputs.speech)]


def render(inputs: DubInputs, plan: DubPlan, out: Path) -> Dubbed:
    """Render a plan: collect references, fine-tune where the job says so, composite, and encode into a file.

    Raises: MediaRefusedError, SourceError, DubbingError, ModelFileError, WorkspaceError, OSError - as dub.
    """
    references = references_of(inputs, plan)
    using = replace(inputs, models=_finetuned(inputs, plan))
    inputs.monitor.progress.phase("dub", plan.timeline.frames)
    return write(using, plan, painted(using, plan, references), out)


def painted(
    inputs: FilmInputs, plan: DubPlan, references: Mapping[Face, ReferenceFrames], numbers: range | None = None
) -> Generator[CompositedFrame]:
    """Yield the output's frames, ready to be encoded. numbers: of those that are wanted, else all."""
    film, monitor, settings = inputs.film, inputs.monitor, inputs.settings
    given = film, plan.look, plan.timeline, plan.parts, inputs.models.translator, references
    frames = composite(*given, settings.dub.chunk_frames, monitor, numbers)
    return watermarked(frames, plan.look, monitor) if settings.provenance.watermark else frames


def write(
    inputs: DubInputs, plan: DubPlan, frames: Generator[CompositedFrame] | Sequence[Path], out: Path
) -> Dubbed:  # fmt: skip
    """Write the output. frames: themselves, or files in which they lie encoded.

    Raises: DubbingError, MediaRefusedError, OSError - as write_output.
    """
    monitor, names = inputs.monitor, inputs.models.names
    into = (plan.look, plan.timeline, plan.is_shown, inputs.speech, _comment(names, plan.dubbed), inputs.settings.dub)
    written = write_output(inputs.job, out, frames, inputs.film, *into, monitor)
    return Dubbed(
        out=str(out),
        frames=plan.timeline.frames,
        dubbed=written.dubbed,
        kept=written.kept,
        seconds=float(plan.timeline.end_s),
        took_s=monitor.took_s,
        seconds_by=monitor.seconds,
        generator=names[0],
        translator=names[1],
        covered=plan.covered,
        speech_cut_s=plan.speech_cut_s,
        notes=(*_notes(inputs, plan), *written.notes),
    )


def _follow(inputs: DubInputs) -> tuple[PictureFormat, Followed]:
    """Follow the faces of the first video stream that shows one, or of the last one, if none does."""
    film, settings, monitor = inputs.film, inputs.settings, inputs.monitor
    for look in film.looks():
        monitor.progress.phase("follow faces", _expected_frames(film))
        followed = follow(
            film, Canvas(look), inputs.backend, settings.clips, settings.dub.least_tracked_frames, monitor
        )
        if followed.tracks:
            break
    return look, followed


def references_of(inputs: FilmInputs, plan: DubPlan) -> dict[Face, ReferenceFrames]:
    """Reference crops of each face: its own, or those of the video or picture that lends its looks to all."""
    side_px, lender = inputs.models.translator.side_px, inputs.job.appearance_from
    inputs.monitor.progress.phase("references", None)
    if lender is None:
        given = plan.faces, inputs.film, Canvas(plan.look), side_px
        return collect_references(*given, inputs.scratch, inputs.monitor)
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
    given = faces, film, Canvas(plan.look), models.translator.side_px
    by_face = collect_references(*given, inputs.scratch, monitor)
    clips = [as_clip(face, references) for face, references in by_face.items()]
    with monitor("fine-tune"):
        return finetune(models, clips, fingerprint(film.path), seconds, inputs.settings, monitor.progress)


def _expected_frames(film: SourceVideo) -> int | None:
    seconds, fps = film.facts.duration_s, film.facts.nominal_fps
    return round(seconds * fps) if seconds and fps else None


def _notes(inputs: DubInputs, plan: DubPlan) -> Iterator[str]:
    """Yield remarks for people: on the speech and on where it and the picture end, on covers, damage and losses."""
    if plan.speech_peak < _SILENT:
        yield "the speech is silent, so the mouth rests"
    if isinstance(inputs.speech, Dialogue):
        yield from dialogue_notes(inputs.speech, plan.lines)
    else:
        yield from length_notes(
            plan.timeline, plan.followed.seconds, plan.speech_s, plan.speech_cut_s, inputs.job.length
        )
    if plan.covered:
        yield f"something lies over the mouth in {plan.covered} frames, which are left alone"
    yield from plan.notes
    yield from (f"the video is damaged, what follows is lost: {words}" for words in inputs.film.damage)
    yield from note_lines(inputs.film.seen.counted())
    yield from plan.look.notes


def _comment(names: tuple[str, str], dubbed: int) -> str:
    """Text for the file's metadata: what was made, by which models. dubbed: frames in which something of it shows."""
    mouth, sound = "the mouth was made to fit another speech", "another speech replaces the sound, the picture stays"
    return f"{synthetic_comment(mouth if dubbed else sound)}; landmarks={names[0]}; translator={names[1]}"
