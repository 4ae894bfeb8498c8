"""Records passed between steps. Frozen: a later step makes a new record, it never fills in an old one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from .reasons import ClipReason, FileReason, FileState, MissingCause


@dataclass(frozen=True, slots=True)
class RawFile:
    """A file as it was found, before anything of it was read.

    `uri` is a local path, or the URI of a file in a store or on a web server; a path that is not valid UTF-8 is kept as
    a percent-encoded file:// URI. `stamp` changes when the file changes (size and modification time, or the ETag of an
    object store).
    `refusal` is set when the file must not be opened at all.
    """

    uri: str
    size_bytes: int
    stamp: str
    corpus: str = "default"
    speaker: str | None = None
    licence: str | None = None
    consent: str | None = None
    language: str | None = None
    purpose: str | None = None
    offset_s: float = 0.0
    """Seconds that the sound is late, as stated by the source's owner; taken out before anything is measured."""
    refusal: FileReason | None = None
    refusal_detail: str = ""
    within: str | None = None
    """Folder that it must lie in when it is opened, links followed; None: wherever."""


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """A stream of pictures or sound that could be used. used: True if it is.

    stream: its number in the container. kind: picture or sound. changes_hz: pictures a second that differ from the
    one before, in a short look; None where there was nothing to choose. av_sync_score: how well the sound fits the
    mouths, the mean over the clips it was chosen by; None where that was not needed or could not be measured.
    rate_hz, channels: of a sound.
    """

    stream: int
    kind: str
    codec: str | None
    is_default: bool
    language: str | None
    title: str | None
    changes_hz: float | None
    av_sync_score: float | None
    rate_hz: int | None
    channels: int | None
    used: bool


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """Facts that the container states, before decoding. Sizes are as displayed: square pixels, turned.

    duration_s is the length of the pictures, from their own start. picture_stream, sound_stream: numbers of the streams
    that are used. streams: all that could be, see StreamFacts.
    """

    container: str
    video_codec: str
    width: int
    height: int
    rotation_deg: int
    nominal_fps: float | None
    duration_s: float | None
    sound_codec: str | None
    sound_rate_hz: int | None
    sound_channels: int | None
    sound_streams: int
    picture_stream: int
    sound_stream: int | None
    streams: tuple[StreamFacts, ...]
    sound_channel: str | None = None
    """The one channel that is used, such as FL; None: all of them, mixed."""
    synthetic: str | None = None
    """Mark of a generator that the file bears."""


@dataclass(frozen=True, slots=True)
class FilmSegment:
    """Part of a film that is analysed by itself: the frames from `first` to before `stop` (25 fps); None: to its end.

    resume_packet: number of the pictures' key packet with which decoding goes on after the film's first picture.
    exact_packet: number of a later one, from which on the pictures are those of the film, whatever the decoder missed
    before. 0: from the start.
    """

    first: int = 0
    stop: int | None = None
    resume_packet: int = 0
    exact_packet: int = 0

    def __contains__(self, frame: int) -> bool:
        """Return True if a frame lies in the segment; what comes before the film's first belongs to the first one."""
        return (frame >= self.first or self.first == 0) and (self.stop is None or frame < self.stop)


WHOLE_FILM: Final = FilmSegment()


@dataclass(frozen=True, slots=True)
class Measurements:
    """Every signal of a clip: a number, or null with its cause. Keys are signals.SIGNAL_NAMES."""

    values: Mapping[str, float | None]
    missing: Mapping[str, MissingCause] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """Routing decision on one clip."""

    stage1: bool
    stage2: bool
    stage1_reasons: tuple[ClipReason, ...]
    stage2_reasons: tuple[ClipReason, ...]


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """Outcome of one file: its state and, unless it was measured, why. `error` keeps the cause's own text; `notes`
    state what was done to its pictures before they were measured.
    """

    state: FileState
    reason: FileReason | None = None
    error: str = ""
    notes: tuple[str, ...] = ()
