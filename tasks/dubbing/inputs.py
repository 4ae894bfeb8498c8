"""Checks of the files that a dubbing job reads and replaces, before it starts: headers and first frames alone, so in
milliseconds.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from heterodub.schemas.config.dubbing import SYNTHETIC, DubJob
from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.errors import MediaRefusedError, SourceError
from heterodub.schemas.reasons import EXPLANATIONS, ClipReason, FileReason
from heterodub.tasks.dubbing.jobs import OF_SPEECH, pictures_of, readable
from heterodub.tasks.dubbing.packets import why_not_kept
from heterodub.tasks.dubbing.turns import is_spoken, read_turns, speech_files, turns_beyond
from heterodub.tasks.media.paths import local_path
from heterodub.tasks.media.source_video import SourceVideo
from heterodub.tasks.media.speech import SpeechSource
from heterodub.tasks.stores.remote import open_store

_NO_PICTURE: Final = (FileReason.NO_VIDEO_STREAM, FileReason.NOT_MEDIA, FileReason.UNSUPPORTED_CONTAINER)

Check = Callable[[Path, LimitSettings], object]


def input_faults(job: DubJob, limits: LimitSettings, written: bool = True) -> tuple[str, ...]:
    """Say what is wrong with a job's video, its speech, who lends the face, and, if it is going to be `written`, with
    what its output would replace.

    Files on other machines are not opened, since that would fetch them; only their kind of address is checked.
    """
    replaced = _fault_of_replaced(job.out, limits) if written else None
    packets = _fault_of_packets(job.video, limits) if job.preserve == "packets" else None
    if job.speech is None:
        return tuple(fault for fault in (*_faults_by_turns(job, limits), packets, replaced) if fault)
    video, speech = _fault(job.video, SourceVideo.open, limits), _fault(job.speech, _check_speech, limits)
    if video and _passes(job.video, _check_sound_only, limits):
        if _passes(job.speech, SourceVideo.open, limits):
            return (f"{job.video} has sound and no picture, {job.speech} is a video: did you swap VIDEO and SPEECH?",)
        video = f"{job.video}: it has sound and no picture"
    lender = _fault(job.appearance_from, _check_appearance_source, limits) if job.appearance_from else None
    return tuple(fault for fault in (video, speech, lender, packets, replaced) if fault)


def _faults_by_turns(job: DubJob, limits: LimitSettings) -> Iterator[str | None]:
    """Yield what is wrong with a job by turns: the video, the list, every speech and picture of a person."""
    video = _fault(job.video, SourceVideo.open, limits)
    yield video
    try:
        turns = read_turns(job)
    except SourceError as error:
        yield str(error)
        return
    for location in speech_files([turn for turn in turns if is_spoken(turn, job.speeches)], job.speeches):
        yield _fault(location, _check_speech, limits)
    for location in pictures_of(job).values():
        yield _fault(location, _check_picture, limits)
    if video is None and "://" not in job.video:
        length_s = SourceVideo.open(Path(job.video), limits).facts.duration_s
        late = "; ".join(turns_beyond(turns, length_s)) if length_s else ""
        yield f"{job.turns}: {late}" if late else None


def _passes(location: str, check: Check, limits: LimitSettings) -> bool:
    return "://" not in location and _fault(location, check, limits) is None


def _fault(location: str, check: Check, limits: LimitSettings) -> str | None:
    """Return what is wrong with a file; None where nothing is, or where it is remote and may be fetched."""
    if "://" in location:
        return _fault_of_address(location, limits)
    path = Path(location)
    if not path.exists():
        return f"{location}: there is no such file"
    if path.is_dir():
        return f"{location}: a folder, not a file"
    try:
        with readable(location, _EXPLANATIONS.get(check, EXPLANATIONS)):
            check(path, limits)
    except SourceError as error:
        return str(error)
    return None


def _fault_of_address(location: str, limits: LimitSettings) -> str | None:
    if local_path(location) is not None:
        return None
    try:
        open_store(location, limits.web_origins)
    except (ImportError, ValueError) as error:
        return f"{location}: {error}"
    return None


def _fault_of_replaced(location: str, limits: LimitSettings) -> str | None:
    out = Path(location)
    if "://" in location or not out.is_file() or not out.stat().st_size:
        return None  # nothing would be lost, or output_faults has said it
    with suppress(MediaRefusedError):
        if SYNTHETIC in SourceVideo.open(out, limits).comment():
            return None
    return f"{location} is there and is no dubbing: name another, or remove it first"


def _fault_of_packets(location: str, limits: LimitSettings) -> str | None:
    """Return why a video's packets cannot be kept; None where they can, or where its own fault is named elsewhere."""
    if "://" in location:
        return None
    with suppress(MediaRefusedError):
        if why := why_not_kept(SourceVideo.open(Path(location), limits)):
            return f"{location}: its packets cannot be kept: {why}; --preserve best encodes it near lossless"
    return None


def _check_speech(path: Path, limits: LimitSettings) -> None:
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        SpeechSource.check(path, limits, Path(scratch))


def _check_picture(path: Path, limits: LimitSettings) -> None:
    from heterodub.tasks.dubbing.references import read_picture  # here, not above: torch takes seconds

    read_picture(path, limits.max_pixels)


def _check_appearance_source(path: Path, limits: LimitSettings) -> None:
    try:
        SourceVideo.open(path, limits)
    except MediaRefusedError as error:
        if error.reason is not FileReason.STILL_PICTURE:
            raise


def _check_sound_only(path: Path, limits: LimitSettings) -> None:
    _check_speech(path, limits)
    try:
        SourceVideo.open(path, limits)
    except MediaRefusedError as error:
        if error.reason in _NO_PICTURE:
            return
    raise MediaRefusedError(FileReason.NOT_MEDIA, "it is not sound alone")


_EXPLANATIONS: Final[Mapping[Check, Mapping[FileReason | ClipReason, str]]] = {
    _check_speech: OF_SPEECH,
    _check_picture: EXPLANATIONS | {FileReason.NO_DECODABLE_FRAME: "no still picture, or one that does not decode"},
}
"""Explanations of a refusal, where something else than a film is wanted."""
