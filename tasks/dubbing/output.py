"""The file of a dubbing: its frames and sound, the source's other streams, and, where wanted, the source's packets."""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.dubbing.timing import OutputTimeline
from heterodub.schemas.config.dubbing import DubJob, DubSettings
from heterodub.schemas.errors import DubbingError
from heterodub.tasks.dubbing.carried import other_streams
from heterodub.tasks.dubbing.compositing import CompositedFrame
from heterodub.tasks.dubbing.dialogue import Speech
from heterodub.tasks.dubbing.encoding import encode
from heterodub.tasks.dubbing.packets import KeptPicture, NotKeepableError, kept_picture
from heterodub.tasks.dubbing.passes import PassMonitor, ahead
from heterodub.tasks.dubbing.picture_encoder import PictureEncoder, SectionEncoder, encoded, stored
from heterodub.tasks.media.canvas import PictureFormat
from heterodub.tasks.media.source_video import SourceVideo

NEAR_LOSSLESS_CRF: Final = 8.0
"""x264's quality at which what is encoded anew is hard to tell from its source even when it is magnified."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written. dubbed: its frames in which something was painted. kept: those whose packets are the
    source's. notes: remarks for people.
    """

    dubbed: int
    kept: int
    notes: tuple[str, ...]


def write_output(
    job: DubJob,
    out: Path,
    frames: Generator[CompositedFrame] | Sequence[Path],
    film: SourceVideo,
    look: PictureFormat,
    timeline: OutputTimeline,
    is_shown: NDArray[np.bool_],
    speech: Speech,
    comment: str,
    settings: DubSettings,
    monitor: PassMonitor,
) -> Written:
    """Write the frames of a job into a file. frames: themselves, or files in which they lie encoded, one after the
    other. is_shown: flags of those in which something of the dubbing shows.

    Raises: DubbingError - the job wants packets kept, and they cannot be; or as encode. MediaRefusedError - the film is
    gone. OSError - as encode.
    """
    notes: list[str] = []
    with ExitStack() as opened:
        keeper = _keeper(job, film, look, timeline, is_shown, settings, opened, notes)
        settings = settings_of(job, settings, keeper is not None)
        picture: PictureEncoder = keeper or SectionEncoder(look, timeline, settings)
        if isinstance(frames, Generator):
            coming = encoded(opened.enter_context(closing(ahead(frames))), picture, timeline, monitor)
        else:
            coming = stored(frames, timeline.base)
        carried = opened.enter_context(other_streams(film, timeline.end_s)) if job.length == "picture" else None
        dubbed = encode(out, coming, picture, timeline, speech, comment, settings, monitor, carried)
        notes += [f"not carried over: {words}" for words in (carried.lost if carried else ())]
    if keeper is not None:
        notes.append(f"{keeper.kept} of {timeline.frames} pictures are the source's own packets")
    return Written(dubbed, keeper.kept if keeper else 0, tuple(notes))


def settings_of(job: DubJob, settings: DubSettings, keeps_packets: bool) -> DubSettings:
    """Return the settings with the quality that a job asks for."""
    if job.preserve == "near-lossless" or (job.preserve == "best" and not keeps_packets):
        return settings.model_copy(update={"crf": min(settings.crf, NEAR_LOSSLESS_CRF)})
    return settings


def _keeper(
    job: DubJob,
    film: SourceVideo,
    look: PictureFormat,
    timeline: OutputTimeline,
    is_shown: NDArray[np.bool_],
    settings: DubSettings,
    opened: ExitStack,
    notes: list[str],
) -> KeptPicture | None:
    """Open what keeps the film's packets, where the job wants that and they can be kept."""
    if job.preserve not in ("packets", "best"):
        return None
    try:
        return opened.enter_context(kept_picture(film, timeline.ticks_N, is_shown, look, settings))
    except NotKeepableError as error:
        if job.preserve == "packets":
            raise DubbingError(f"{job.video}: its packets cannot be kept: {error}") from error
        notes.append(f"the whole picture is encoded anew, near lossless, since packets cannot be kept: {error}")
        return None
