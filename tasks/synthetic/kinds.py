"""List of the sample's files: kind, expected outcome, and recipe of each."""

from dataclasses import dataclass
from typing import Final, Literal

from heterodub.schemas.reasons import ClipReason, FileReason, FileState

from .film import Filter, SoundKind, blurred, grey, on_its_side, tiny
from .people import PEOPLE

Picture = Literal["talking", "still", "two_at_once", "cut_together", "scenery"]
Aftermath = Literal["nothing", "cut_off", "turn_display"]
Other = Literal["text", "empty", "playlist", "picture", "sound_only", "copy"]


@dataclass(frozen=True, slots=True)
class Shoot:
    """Recipe of a video: who is seen, whose voice is heard (by default theirs), and its damage afterwards."""

    who: tuple[str, ...]
    picture: Picture = "talking"
    voice: str | None = None
    heard: SoundKind = "speech"
    filters: tuple[Filter, ...] = ()
    container: str = "mp4"
    fps: int = 25
    size: tuple[int, int] | None = None
    phrases: int = 2
    keep_frames: int | None = None
    irregular: bool = False
    gif: bool = False
    aftermath: Aftermath = "nothing"


@dataclass(frozen=True, slots=True)
class SampleFile:
    """One file of the sample and its expected outcome. `reasons`: codes it is refused for; `of`: the copied file."""

    file: str
    kind: str
    speaker: str | None
    stage1: bool
    stage2: bool
    why: str
    recipe: Shoot | Other
    state: FileState = FileState.MEASURED
    reasons: tuple[FileReason | ClipReason, ...] = ()
    of: str = ""


def _both(file: str, kind: str, why: str, recipe: Shoot, speaker: str | None = "") -> SampleFile:
    return SampleFile(file, kind, recipe.who[0] if speaker == "" else speaker, True, True, why, recipe)


def _first(file: str, kind: str, why: str, recipe: Shoot, *reasons: ClipReason) -> SampleFile:
    return SampleFile(file, kind, recipe.who[0], True, False, why, recipe, reasons=reasons)


def _second(file: str, kind: str, why: str, recipe: Shoot, *reasons: ClipReason) -> SampleFile:
    return SampleFile(file, kind, recipe.who[0], False, True, why, recipe, reasons=reasons)


def _refused(
    file: str, kind: str, reason: FileReason, why: str, recipe: Shoot | Other, speaker: str | None = None
) -> SampleFile:
    return SampleFile(file, kind, speaker, False, False, why, recipe, FileState.REJECTED, (reason,))


TAKES: Final = 3
"""Clean films of a speaker who is in none of the kinds; of the others, one less."""

TAKE_SIZE: Final = (288, 288)
"""Width and height of these."""

_CLEAN: Final = "large sharp coloured face, clean speech of its own"

KINDS: Final[tuple[SampleFile, ...]] = (
    _both("s01-clean.mp4", "clean", _CLEAN, Shoot(("s01",))),
    _both("s02-clean.mp4", "clean", _CLEAN, Shoot(("s02",))),
    _both("s03-clean.mp4", "clean", _CLEAN, Shoot(("s03",))),
    _both("s06-clean.mp4", "clean", _CLEAN, Shoot(("s06",))),
    _both("s05-clean.mov", "container_mov", _CLEAN, Shoot(("s05",), container="mov")),
    _both("s02-clean.mkv", "container_mkv", _CLEAN, Shoot(("s02",), container="mkv")),
    _both("s08-clean.webm", "container_webm_vp8", _CLEAN, Shoot(("s08",), container="webm")),
    _both("s03-clean.webm", "container_webm_vp9", _CLEAN, Shoot(("s03",), container="webm_vp9")),
    _both("s07-clean.avi", "container_avi", _CLEAN, Shoot(("s07",), container="avi")),
    _both("s01-clean.mpg", "container_mpeg1", _CLEAN, Shoot(("s01",), container="mpg1")),
    _both("s04-clean.mpg", "container_mpeg2", _CLEAN, Shoot(("s04",), container="mpg")),
    _both(
        's07-it\'s "so" \N{GRINNING FACE}\nfinal (1).mp4', "odd_name", "clean; only the name is odd", Shoot(("s07",)),
    ),
    _both(
        "s06-phone.mp4", "variable_frame_rate", "30 fps with frames missing, as phones record",
        Shoot(("s06",), fps=30, irregular=True),
    ),
    _both(
        "s08-upright.mp4", "rotated", "stored on its side with the note to turn it",
        Shoot(("s08",), filters=(on_its_side,), aftermath="turn_display"),
    ),
    _both(
        "interview.mp4", "several_shots", "s01, then scenery, then s05: a clip from each person's shot",
        Shoot(("s01", "s05"), "cut_together"), speaker=None,
    ),
    _both(
        "s02-broken-off.mp4", "cut_index_in_front", "the download broke off; what arrived decodes",
        Shoot(("s02",), container="mp4_front", phrases=3, aftermath="cut_off"),
    ),
    _first(
        "s01-old-webcam.mp4", "blurred_and_grey", "landmarks and speech are fine; no detail, no colour",
        Shoot(("s01",), filters=(blurred, grey)), ClipReason.BLURRED, ClipReason.GREY,
    ),
    _first(
        "s05-newsreel.mp4", "grey", "sharp, but black and white", Shoot(("s05",), filters=(grey,)), ClipReason.GREY,
    ),
    _first(
        "s06-out-of-focus.mp4", "blurred", "in colour, but out of focus",
        Shoot(("s06",), filters=(blurred,)), ClipReason.BLURRED,
    ),
    _first(
        "s03-far-away.mp4", "tiny", "a face of some 70 pixels",
        Shoot(("s03",), size=(480, 400), filters=(tiny,)), ClipReason.FACE_TOO_SMALL,
    ),
    _second(
        "s04-music-video.mp4", "music", "music louder than the words",
        Shoot(("s04",), heard="music"), ClipReason.BACKGROUND_SOUND,
    ),
    _second(
        "s02-street.mp4", "noise", "noise as loud as the words", Shoot(("s02",), heard="noise"), ClipReason.NOISY,
    ),
    _second("s07-silent.mp4", "no_sound", "no sound stream", Shoot(("s07",), heard="nothing"), ClipReason.NO_SOUND),
    _second(
        "s08-reaction.gif", "gif", "an animated picture, 12.5 frames a second",
        Shoot(("s08",), heard="nothing", gif=True), ClipReason.NO_SOUND,
    ),
    _second(
        "s03-half-a-second-late.mp4", "late_sound", "the sound comes half a second after the lips",
        Shoot(("s03",), heard="late"), ClipReason.OUT_OF_SYNC,
    ),
    _second(
        "s04-dubbed.mp4", "other_voice", "the lips say something else than is heard",
        Shoot(("s04",), voice="s05"), ClipReason.LOW_AV_SYNC,
    ),
    SampleFile(
        "two_at_once.mp4", "two_faces", None, True, True, "s01 speaks, s07 listens, both large on screen",
        Shoot(("s01", "s07"), "two_at_once"), reasons=(ClipReason.SEVERAL_FACES,),
    ),
    SampleFile(
        "s05-voice-over.mp4", "voice_over", "s05", False, False, "a still picture while somebody talks",
        Shoot(("s05",), "still"), reasons=(ClipReason.MOUTH_FROZEN, ClipReason.PICTURE_FROZEN),
    ),
    _refused(
        "holiday.mp4", "no_face", FileReason.NO_FACE, "scenery under words", Shoot(("s08",), "scenery"),
    ),
    _refused(
        "s07-index-lost.mp4", "cut_index_at_end", FileReason.NO_DECODABLE_FRAME,
        "the download broke off before the index, so nothing decodes", Shoot(("s07",), aftermath="cut_off"), "s07",
    ),
    _refused(
        "s04-blink.mp4", "too_short", FileReason.TOO_SHORT, "less than half a second",
        Shoot(("s04",), keep_frames=11), "s04",
    ),
    _refused("s01-radio.m4a", "no_picture", FileReason.NO_VIDEO_STREAM, "sound alone", "sound_only", "s01"),
    _refused("notes.mp4", "text", FileReason.NOT_MEDIA, "a text with the name of a film", "text"),
    _refused("upload_failed.mp4", "empty", FileReason.EMPTY_FILE, "no bytes", "empty"),
    _refused("stream.mp4", "playlist", FileReason.POINTS_ELSEWHERE, "a list of files, named as a film", "playlist"),
    _refused("s06-portrait.jpg", "still_jpeg", FileReason.STILL_PICTURE, "one picture", "picture", "s06"),
    _refused("s03-portrait.png", "still_png", FileReason.STILL_PICTURE, "one picture", "picture", "s03"),
    SampleFile(
        "same as s01.mp4", "copy", None, False, False, "byte for byte another file of the sample", "copy",
        FileState.DUPLICATE, (FileReason.SAME_BYTES,), of="s01-clean.mp4",
    ),
)  # fmt: skip
"""A file of every kind. A path that starts with a name and a dash gives the speaker."""

_IN_KINDS: Final = {row.speaker for row in KINDS}

ROWS: Final[tuple[SampleFile, ...]] = KINDS + tuple(
    _both(f"{person.name}-take{take}.mp4", "take", _CLEAN, Shoot((person.name,), size=TAKE_SIZE))
    for person in PEOPLE
    for take in range(1, TAKES + 1 - (person.name in _IN_KINDS))
)
"""The whole sample."""

SPEAKER_PATTERN: Final = r"(?:^|/)(?P<speaker>s\d\d)-[^/]*\Z"
"""Finds the speaker in a file's path; no match, no speaker."""
